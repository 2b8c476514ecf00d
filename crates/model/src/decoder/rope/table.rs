//! [`RotationTable`]: sines and cosines of consecutive positions, computed once for all layers and
//! heads.

use super::{PairLayout, Rotation};
use crate::device::kernels::Kernels;
use rayon::prelude::*;
use std::ops::Range;

/// Positions that one task fills.
const RUN: usize = 64;

/// Sines and cosines of consecutive positions: 8 bytes per position and pair.
#[derive(Debug, Clone)]
pub(crate) struct RotationTable {
    /// `[positions, pairs]`
    cosines: Vec<f32>,
    /// `[positions, pairs]`
    sines: Vec<f32>,
    pairs: usize,
    layout: PairLayout,
}

impl Rotation {
    /// The table of some positions, filled by all threads of the current pool.
    pub(crate) fn table(&self, positions: Range<usize>) -> RotationTable {
        let pairs = self.frequencies.len();
        let mut cosines = vec![0.0; positions.len() * pairs];
        let mut sines = vec![0.0; positions.len() * pairs];
        let runs = cosines.par_chunks_mut(RUN * pairs).zip(sines.par_chunks_mut(RUN * pairs));
        runs.enumerate().for_each(|(run, (cosines, sines))| {
            let rows = cosines.chunks_exact_mut(pairs).zip(sines.chunks_exact_mut(pairs));
            for (i, (cosines, sines)) in rows.enumerate() {
                self.fill(positions.start + run * RUN + i, cosines, sines);
            }
        });
        RotationTable { cosines, sines, pairs, layout: self.layout }
    }

    /// Cosines and sines of one position, `[pairs]` each.
    fn fill(&self, position: usize, cosines: &mut [f32], sines: &mut [f32]) {
        for ((&frequency, cosine), sine) in self.frequencies.iter().zip(cosines).zip(sines) {
            let (sin, cos) = self.sine_and_cosine(frequency, position);
            (*cosine, *sine) = (cos, sin);
        }
    }
}

impl RotationTable {
    /// Rotates one head's row by the angles of the table's position `index`.
    pub(crate) fn apply(&self, kernels: &Kernels, index: usize, row: &mut [f32]) {
        let range = index * self.pairs..(index + 1) * self.pairs;
        let (cosines, sines) = (&self.cosines[range.clone()], &self.sines[range]);
        match self.layout {
            PairLayout::Halves => kernels.rotate_halves(row, cosines, sines),
            PairLayout::Neighbours => kernels.rotate_neighbours(row, cosines, sines),
        }
    }
}
