//! The state of one block of 64 queries while the tiles of its keys pass by.

use super::buffer::Buffer;
use super::dot::ScoreDot;
use super::instances::Instance;
use super::packed::{largest_magnitude, length};
use crate::error::Result;
use crate::index::BLOCK;
use crate::inputs::AttentionInputs;
use crate::view::TensorViewMut;
use std::ops::Range;

/// Stands for "no key seen yet" among the maxima: far below any score, and finite, so that
/// differences are.
pub(crate) const NO_MAXIMUM: f32 = -1e30;

/// Queries transposed into lanes, and their running softmax. All arrays have 64 lanes; lanes beyond
/// the last query hold zeros.
#[derive(Debug)]
pub(crate) struct QueryBlock {
    /// `[key_words][64]`
    pub(crate) queries: Buffer<u32>,
    /// What turns packed products into exponents: `[64]`
    pub(crate) row_scales: Buffer<f32>,
    /// Minus the running maximum of the exponents: `[64]`
    pub(crate) negative_maxima: Buffer<f32>,
    /// Sums of the probabilities: `[64]`
    pub(crate) sums: Buffer<f32>,
    /// Sums of those that were added apart, where probabilities have a narrow range: `[64]`
    pub(crate) peak_sums: Buffer<f32>,
    /// Tiles in which there were such.
    pub(crate) peak_tiles: u32,
    /// `[head_dim][64]`, not yet divided by the sums
    pub(crate) output: Buffer<f32>,
    /// No tile has passed yet.
    pub(crate) fresh: bool,
    /// Queries in use.
    pub(crate) rows: usize,
    /// Position of the first query.
    pub(crate) first_position: i32,
    row: Vec<f32>,
    row_words: Vec<u32>,
}

impl QueryBlock {
    pub(crate) fn new(head_dim: usize, key_words: usize) -> Result<Self> {
        Ok(Self {
            queries: Buffer::zeroed("packed queries", key_words * BLOCK)?,
            row_scales: Buffer::zeroed("scales of packed queries", BLOCK)?,
            negative_maxima: Buffer::zeroed("softmax maxima", BLOCK)?,
            sums: Buffer::zeroed("softmax sums", BLOCK)?,
            peak_sums: Buffer::zeroed("softmax sums of peaks", BLOCK)?,
            peak_tiles: 0,
            output: Buffer::zeroed("output of a query block", head_dim * BLOCK)?,
            fresh: true,
            rows: 0,
            first_position: 0,
            row: vec![0.0; head_dim],
            row_words: vec![0; key_words],
        })
    }

    /// Starts over with the query rows `tokens` (of the chunk, not positions) of one head. Returns
    /// the length of the longest row, infinity where one holds NaN or infinity.
    ///
    /// # Safety
    /// The machine has the instance's instructions.
    #[inline(always)]
    pub(crate) unsafe fn start<I: Instance>(
        &mut self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        tokens: Range<usize>,
    ) -> f64 {
        self.first_position = (inputs.geometry().offset() + tokens.start) as i32;
        let mut longest = 0.0f64;
        let read = |row: usize, out: &mut [f32]| {
            inputs.q().read_row(tokens.start + row, head, out);
            let finite = largest_magnitude(out).is_finite();
            longest = longest.max(if finite { length(out) } else { f64::INFINITY });
        };
        // SAFETY: the caller's contract.
        unsafe { self.start_rows::<I>(tokens.len(), inputs.factor(), read) };
        longest
    }

    /// Starts over with `rows` rows that `read` provides; scores are multiplied by `factor`.
    ///
    /// # Safety
    /// The machine has the instance's instructions.
    #[inline(always)]
    pub(crate) unsafe fn start_rows<I: Instance>(
        &mut self,
        rows: usize,
        factor: f32,
        mut read: impl FnMut(usize, &mut [f32]),
    ) {
        if rows < BLOCK {
            self.queries.fill(0);
            self.row_scales.fill(0.0);
        }
        for row in 0..rows {
            read(row, &mut self.row);
            if I::Score::FACTOR_IN_QUERIES {
                self.row.iter_mut().for_each(|x| *x *= factor);
            }
            // SAFETY: the caller's contract.
            let scale = unsafe { I::Score::pack_row(&self.row, &mut self.row_words) };
            self.row_scales[row] = if I::Score::FACTOR_IN_QUERIES { scale } else { scale * factor };
            for (lanes, word) in self.queries.chunks_exact_mut(BLOCK).zip(&self.row_words) {
                lanes[row] = *word;
            }
        }
        self.negative_maxima.fill(-NO_MAXIMUM);
        self.sums.fill(0.0);
        self.peak_sums.fill(0.0);
        self.peak_tiles = 0;
        self.output.fill(0.0);
        self.fresh = true;
        self.rows = rows;
    }

    /// Divides by the sums and writes the rows.
    ///
    /// # Safety
    /// No other thread uses these rows of the output.
    #[inline(always)]
    pub(crate) unsafe fn finish(
        &mut self,
        value_scale: f32,
        output: &TensorViewMut<'_>,
        head: usize,
        tokens: Range<usize>,
    ) {
        for (row, token) in tokens.enumerate() {
            let factor = value_scale / (self.sums[row] + self.peak_sums[row]);
            for (x, lanes) in self.row.iter_mut().zip(self.output.chunks_exact(BLOCK)) {
                *x = lanes[row] * factor;
            }
            // SAFETY: the caller's contract.
            unsafe { output.write_row(token, head, &self.row) };
        }
    }
}
