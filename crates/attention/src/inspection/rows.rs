//! All probabilities of a head, one query at a time, summed up as an inspection wants them.
//!
//! Queries are cut into runs of fixed size. Each run is summed by one thread, and the sums of the
//! runs are added in order, so that results do not depend on the number of threads; a few runs are
//! in flight at a time, as each holds sums for all keys.

use crate::error::{Error, Result};
use crate::inputs::AttentionInputs;
use crate::layout::KeyLayout;
use crate::lowering::Lowering;
use rayon::prelude::*;
use std::ops::Range;

/// Query blocks of a run: so many rows that clearing and adding its sums costs little beside them.
const RUN: usize = 2;
/// Runs in flight: enough for many threads, and bounded memory.
const WAVE: usize = 32;

/// Bytes that a walk takes for each key, at most: the head's keys, sums of all runs in flight and
/// of the head, and a query's probabilities on each thread.
pub(super) fn bytes_per_key(head_dim: usize, threads: usize) -> usize {
    let sums = 2 * size_of::<f64>();
    head_dim * size_of::<f32>() + (WAVE + 1) * sums + threads * (size_of::<f32>() + size_of::<u8>())
}

/// One head, ready to be walked.
pub(super) struct HeadRows<'a> {
    inputs: &'a AttentionInputs<'a>,
    head: usize,
    lowering: &'a Lowering<'a>,
    side: usize,
    /// `[keys, head_dim]`
    keys: Vec<f32>,
    /// First keys of the cells, and the number of keys after them.
    cell_starts: Vec<usize>,
}

/// Sums over queries.
pub(super) struct Totals {
    /// `[keys]`: probability on each key.
    pub(super) columns: Vec<f64>,
    /// `[keys]`: probability at each distance.
    pub(super) diagonals: Vec<f64>,
    /// `[cells, side]`: the largest probability.
    pub(super) attention: Vec<f32>,
    /// `[cells, side]`: computed pairs.
    pub(super) held: Vec<u64>,
    /// `[cells, side]`: causal pairs.
    pub(super) causal: Vec<u64>,
    /// `[cells]`: probability on computed keys.
    pub(super) recall: Vec<f64>,
    /// `[cells]`: number of queries.
    pub(super) queries: Vec<u64>,
}

impl Totals {
    fn zero(keys: usize, cells: usize, side: usize) -> Result<Self> {
        Ok(Self {
            columns: zeros("sums over columns", keys)?,
            diagonals: zeros("sums over diagonals", keys)?,
            attention: zeros("an attention map", cells.saturating_mul(side))?,
            held: zeros("a map of computed pairs", cells.saturating_mul(side))?,
            causal: zeros("a map of causal pairs", cells.saturating_mul(side))?,
            recall: zeros("recall by query", cells)?,
            queries: zeros("queries by cell", cells)?,
        })
    }

    /// Adds the sums of a run, whose first query cell is `first_cell`.
    fn add(&mut self, run: &Self, first_cell: usize, side: usize) {
        let cells = first_cell..first_cell + run.queries.len();
        let map = cells.start * side..cells.end * side;
        let add = |sum: &mut [f64], part: &[f64]| sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
        let count = |sum: &mut [u64], part: &[u64]| sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
        add(&mut self.columns, &run.columns);
        add(&mut self.diagonals, &run.diagonals);
        add(&mut self.recall[cells.clone()], &run.recall);
        count(&mut self.queries[cells], &run.queries);
        count(&mut self.held[map.clone()], &run.held);
        count(&mut self.causal[map.clone()], &run.causal);
        self.attention[map].iter_mut().zip(&run.attention).for_each(|(a, b)| *a = a.max(*b));
    }
}

fn zeros<T: Clone + Default>(what: &'static str, len: usize) -> Result<Vec<T>> {
    let mut data = Vec::new();
    let bytes = len.saturating_mul(size_of::<T>());
    data.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { what, bytes })?;
    data.resize(len, T::default());
    Ok(data)
}

fn check_finite(tensor: &'static str, row: &[f32], token: usize, head: usize) -> Result<()> {
    if row.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Error::NotFinite { tensor, token, head }) }
}

impl<'a> HeadRows<'a> {
    pub(super) fn new(
        inputs: &'a AttentionInputs<'a>,
        head: usize,
        lowering: &'a Lowering<'a>,
        side: usize,
    ) -> Result<Self> {
        let (head_dim, count) = (inputs.head_dim(), inputs.geometry().keys());
        let kv_head = head / inputs.group_size();
        let mut keys = zeros("keys of a head in f32", count.saturating_mul(head_dim))?;
        for (token, row) in keys.chunks_exact_mut(head_dim).enumerate() {
            inputs.k().read_row(token, kv_head, row);
            check_finite("k", row, token, kv_head)?;
        }
        // The first position p with p * side / count == cell.
        let cell_starts = (0..=side).map(|cell| (cell * count).div_ceil(side)).collect();
        Ok(Self { inputs, head, lowering, side, keys, cell_starts })
    }

    /// All queries.
    pub(super) fn totals(&self) -> Result<Totals> {
        let geometry = self.inputs.geometry();
        let runs = geometry.query_blocks().div_ceil(RUN);
        let mut totals = Totals::zero(geometry.keys(), self.side, self.side)?;
        for wave in (0..runs).step_by(WAVE) {
            let parts: Vec<(usize, Totals)> = (wave..(wave + WAVE).min(runs))
                .into_par_iter()
                .with_max_len(1)
                .map(|run| self.run(run * RUN..((run + 1) * RUN).min(geometry.query_blocks())))
                .collect::<Result<_>>()?;
            parts.iter().for_each(|(first_cell, part)| totals.add(part, *first_cell, self.side));
        }
        Ok(totals)
    }

    fn cell(&self, position: usize) -> usize {
        position * self.side / self.inputs.geometry().keys()
    }

    /// The sums of some query blocks, and the first of their cells.
    fn run(&self, blocks: Range<usize>) -> Result<(usize, Totals)> {
        let geometry = self.inputs.geometry();
        let first_cell = self.cell(geometry.block_queries(blocks.start).start);
        let last_cell = self.cell(geometry.block_queries(blocks.end - 1).end - 1);
        let mut totals = Totals::zero(geometry.keys(), last_cell - first_cell + 1, self.side)?;
        let mut layout = KeyLayout::default();
        let mut is_held = zeros::<u8>("computed keys of a block", geometry.keys())?;
        let mut query = zeros("a query", self.inputs.head_dim())?;
        let mut probabilities = zeros("probabilities of a query", geometry.keys())?;
        for block in blocks {
            self.lowering.layout_into(block, &mut layout);
            // What the layout says of any key that a query sees: causal mask and window bound each
            // row below.
            is_held.fill(0);
            layout.spans().iter().for_each(|span| is_held[span.clone()].fill(1));
            layout.columns().iter().for_each(|&column| is_held[column as usize] = 1);
            for position in layout.queries() {
                self.inputs.q().read_row(position - geometry.offset(), self.head, &mut query);
                check_finite("q", &query, position - geometry.offset(), self.head)?;
                let first = geometry.window().map_or(0, |window| (position + 1).saturating_sub(window));
                let visible = first..position + 1;
                self.softmax(&query, visible.clone(), &mut probabilities)?;
                let cell = self.cell(position) - first_cell;
                self.count(&mut totals, cell, visible, &probabilities, &is_held);
            }
        }
        Ok((first_cell, totals))
    }

    /// Probabilities of one query over the keys that it sees; the others are left as they are.
    fn softmax(&self, query: &[f32], visible: Range<usize>, probabilities: &mut [f32]) -> Result<()> {
        let (head_dim, scale) = (query.len(), self.inputs.scale());
        let keys = self.keys[visible.start * head_dim..visible.end * head_dim].chunks_exact(head_dim);
        let probabilities = &mut probabilities[visible];
        let mut maximum = f32::NEG_INFINITY;
        for (score, key) in probabilities.iter_mut().zip(keys) {
            *score = dot(query, key) * scale;
            maximum = maximum.max(*score);
        }
        let mut sum = 0.0f64;
        for score in probabilities.iter_mut() {
            *score = (*score - maximum).exp();
            sum += f64::from(*score);
        }
        if !sum.is_finite() {
            let (found, limit) = (f64::INFINITY, f64::from(f32::MAX));
            return Err(Error::TooLarge { what: "score", found, limit });
        }
        let inverse = (1.0 / sum) as f32;
        probabilities.iter_mut().for_each(|probability| *probability *= inverse);
        Ok(())
    }

    /// Adds one query of the run's cell `cell`.
    fn count(
        &self,
        totals: &mut Totals,
        cell: usize,
        visible: Range<usize>,
        probabilities: &[f32],
        is_held: &[u8],
    ) {
        // Their quotient is exactly 1 where all keys are computed, whatever the probabilities'
        // rounding.
        let (mut on_held, mut on_all) = (0.0f64, 0.0f64);
        let row = &probabilities[visible.clone()];
        let columns = &mut totals.columns[visible.clone()];
        // Distances run against positions: the last visible key is the query itself, at distance 0.
        let diagonals = totals.diagonals[..row.len()].iter_mut().rev();
        for (((&p, column), diagonal), &held) in
            row.iter().zip(columns).zip(diagonals).zip(&is_held[visible.clone()])
        {
            let p = f64::from(p);
            *column += p;
            *diagonal += p;
            on_all += p;
            on_held += p * f64::from(held);
        }
        totals.recall[cell] += on_held / on_all;
        totals.queries[cell] += 1;
        for key_cell in self.cell(visible.start)..=self.cell(visible.end - 1) {
            let start = self.cell_starts[key_cell].max(visible.start);
            let keys = start..self.cell_starts[key_cell + 1].min(visible.end);
            let place = cell * self.side + key_cell;
            let largest = probabilities[keys.clone()].iter().copied().fold(0.0, f32::max);
            totals.attention[place] = totals.attention[place].max(largest);
            totals.held[place] += is_held[keys.clone()].iter().map(|&held| u64::from(held)).sum::<u64>();
            totals.causal[place] += keys.len() as u64;
        }
    }
}

/// The product of two rows whose length is a multiple of 8. Eight sums side by side, so that the
/// compiler keeps them in a vector.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}
