//! The online estimate of vertical-slash heads (paper, section 3.2): the softmax of the last
//! queries over all keys, summed along columns and along diagonals.
//!
//! ```text
//! first step, for each partition of keys, for each tile of 64 keys:
//!     exponentials[key][query] = 2^(score - running maximum); keep them and the maxima
//! in between: maxima and sums of all partitions are joined
//! second step, for each partition, for each tile:
//!     weight[query]             = 2^(tile's maximum - joined maximum) / joined sum
//!     probabilities[key][query] = exponentials . weight
//!     columns[key]             += probabilities[key][..]
//!     diagonals[query - key]   += probabilities[key][query]
//! ```
//!
//! Scores are computed once: the first step keeps the exponentials of every tile with the maxima
//! they are relative to (256 bytes a key, less than one packed head), the second weights them by
//! what the softmax over all keys turned out to be, and sums. Keys are cut into partitions of fixed
//! size, so that the result does not depend on how many threads share the work.

// SAFETY: one contract for the unsafe functions here: the machine has the instance's instructions.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::buffer::Buffer;
use super::dot::ScoreDot;
use super::instances::Instance;
use super::micro_kernel::{TileShape, softmax_tile};
use super::packed::PackedShape;
use super::query_block::{NO_MAXIMUM, QueryBlock};
use super::simd::Simd;
use super::stored::read_row;
use super::tile::{CHUNK, Tile};
use crate::error::{Error, Result};
use crate::index::BLOCK;
use crate::inputs::AttentionInputs;
use std::ops::Range;

/// Keys of a partition: a fixed number, a multiple of [`TILE_KEYS`].
pub(crate) const PARTITION: usize = 2048;
/// Keys converted and scored together.
const TILE_KEYS: usize = 4 * CHUNK;

/// The estimate of one head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineWork<'a> {
    pub(crate) inputs: &'a AttentionInputs<'a>,
    pub(crate) head: usize,
    /// How many of the last queries vote, at most 64.
    pub(crate) last_queries: usize,
}

/// Softmax of the voting queries: running maximum (of exponents of two) and sum of each.
#[derive(Debug, Clone)]
pub(crate) struct LineStatistics {
    maxima: [f32; BLOCK],
    sums: [f32; BLOCK],
}

impl LineStatistics {
    pub(crate) fn empty() -> Self {
        Self { maxima: [NO_MAXIMUM; BLOCK], sums: [0.0; BLOCK] }
    }

    /// Joins the statistics of two sets of keys.
    pub(crate) fn merge(&mut self, other: &Self) {
        for row in 0..BLOCK {
            let maximum = self.maxima[row].max(other.maxima[row]);
            self.sums[row] = self.sums[row] * (self.maxima[row] - maximum).exp2()
                + other.sums[row] * (other.maxima[row] - maximum).exp2();
            self.maxima[row] = maximum;
        }
    }
}

/// The exponentials of one partition's keys.
#[derive(Debug)]
pub(crate) struct Exponentials {
    keys: Range<usize>,
    /// Position of the first voting query.
    first_query: i32,
    /// `[keys, padded to a multiple of 16][64]`, as the bits of `f32`
    values: Vec<u32>,
    /// What the exponentials of each tile are relative to: `[tiles][64]`
    maxima: Vec<[f32; BLOCK]>,
    pub(crate) statistics: LineStatistics,
}

/// Scores of one partition's keys.
#[derive(Debug)]
pub(crate) struct PartitionScores {
    /// `[keys of the partition]`
    pub(crate) columns: Vec<f32>,
    /// Sums along diagonals: element `x` belongs to distance `x + first_distance`; negative
    /// distances hold zero.
    pub(crate) diagonals: Vec<f32>,
    pub(crate) first_distance: i64,
    /// The memory of the exponentials, to be used again.
    pub(crate) spare: Vec<u32>,
}

/// One thread's memory: the voting queries and a tile of converted keys.
struct VotingQueries {
    block: QueryBlock,
    shape: TileShape,
    tile: Tile,
    keys: Buffer<u32>,
    key_scales: [f32; TILE_KEYS],
    row: Vec<f32>,
}

impl VotingQueries {
    #[inline(always)]
    unsafe fn new<I: Instance>(work: &LineWork<'_>) -> Result<Self> {
        let head_dim = work.inputs.head_dim();
        let geometry = work.inputs.geometry();
        let key_words = head_dim / I::Score::ELEMENTS_PER_WORD;
        let mut block = QueryBlock::new(head_dim, key_words)?;
        let tokens = geometry.queries() - work.last_queries..geometry.queries();
        unsafe { block.start::<I>(work.inputs, work.head, tokens) };
        Ok(Self {
            block,
            shape: TileShape {
                head_dim,
                key_words,
                window: geometry.window().map_or(i32::MAX, |window| window as i32),
            },
            tile: Tile::new(),
            keys: Buffer::zeroed("keys of an estimate", TILE_KEYS * key_words)?,
            key_scales: [0.0; TILE_KEYS],
            row: vec![0.0; head_dim],
        })
    }

    /// Converts the keys `keys`, at most a tile of them, and describes them as the tile.
    #[inline(always)]
    unsafe fn load_tile<I: Instance>(&mut self, work: &LineWork<'_>, keys: Range<usize>) {
        let kv_head = work.head / work.inputs.group_size();
        let words = self.shape.key_words;
        for (i, key) in keys.clone().enumerate() {
            unsafe {
                read_row::<I::Simd>(&work.inputs.k(), key, kv_head, &mut self.row);
                self.key_scales[i] = I::Score::pack_row(&self.row, &mut self.keys[i * words..][..words]);
            }
        }
        let shape = PackedShape::new(TILE_KEYS, self.shape.head_dim, I::Score::ELEMENTS_PER_WORD, 1);
        let first_query = self.block.first_position as usize;
        self.tile.set_contiguous(
            shape,
            &self.keys,
            &self.key_scales,
            keys,
            first_query,
            work.inputs.geometry(),
        );
    }
}

/// Words that the exponentials of `keys` keys need.
pub(crate) fn exponential_words(keys: usize) -> usize {
    keys.next_multiple_of(CHUNK) * BLOCK
}

/// First step: exponentials and softmax statistics of the voting queries over the keys `keys`, into
/// `values`, which holds [`exponential_words`] finite numbers.
///
/// # Safety
/// The machine has the instance's instructions. Its values are `f32`.
///
/// # Errors
/// Out of memory.
#[inline(always)]
pub(crate) unsafe fn exponentials_of_partition<I: Instance, const R: usize, const V: usize>(
    work: &LineWork<'_>,
    keys: Range<usize>,
    mut values: Vec<u32>,
) -> Result<Exponentials> {
    let mut voting = unsafe { VotingQueries::new::<I>(work)? };
    let mut maxima = Vec::with_capacity(keys.len().div_ceil(TILE_KEYS));
    for (start, tile) in keys.clone().step_by(TILE_KEYS).zip(values.chunks_mut(TILE_KEYS * BLOCK)) {
        unsafe {
            voting.load_tile::<I>(work, start..(start + TILE_KEYS).min(keys.end));
            softmax_tile::<I, R, V>(&mut voting.block, &voting.tile, voting.shape, tile);
        }
        maxima.push(std::array::from_fn(|row| -voting.block.negative_maxima[row]));
    }
    let mut statistics = LineStatistics::empty();
    for row in 0..voting.block.rows {
        statistics.maxima[row] = -voting.block.negative_maxima[row];
        statistics.sums[row] = voting.block.sums[row];
    }
    Ok(Exponentials { keys, first_query: voting.block.first_position, values, maxima, statistics })
}

/// Second step: column and diagonal sums of a partition's keys, weighted by the statistics of all
/// keys.
///
/// # Safety
/// The machine has the instruction set.
///
/// # Errors
/// Out of memory.
#[inline(always)]
pub(crate) unsafe fn score_partition<S: Simd>(
    mut exponentials: Exponentials,
    total: &LineStatistics,
    last_queries: usize,
) -> Result<PartitionScores> {
    let keys = exponentials.keys;
    let padded = keys.len().next_multiple_of(CHUNK);
    let mut columns = zeroed("scores of columns", padded)?;
    let mut diagonals = zeroed("scores of diagonals", padded + BLOCK)?;
    let mut padded_rows = PaddedRows([0; CHUNK * PADDED_ROW]);
    let tiles = exponentials.values.chunks_mut(TILE_KEYS * BLOCK).zip(&exponentials.maxima);
    for (tile, (values, maxima)) in tiles.enumerate() {
        // What turns the tile's exponentials into probabilities; rows that don't vote count
        // nothing.
        let mut weights = [0.0f32; BLOCK];
        for row in 0..last_queries {
            weights[row] = (maxima[row] - total.maxima[row]).exp2() / total.sums[row];
        }
        for (chunk, rows) in values.chunks_exact_mut(CHUNK * BLOCK).enumerate() {
            let at = tile * TILE_KEYS + chunk * CHUNK;
            // Distance query - key falls as the key grows: the last key of the partition comes
            // first.
            let distance = padded - CHUNK - at;
            unsafe {
                sum_rows::<S>(rows, &weights, last_queries, &mut columns[at..][..CHUNK]);
                sum_diagonals::<S>(
                    rows,
                    last_queries,
                    &mut padded_rows,
                    &mut diagonals[distance..][..CHUNK + BLOCK],
                );
            }
        }
    }
    columns.truncate(keys.len());
    let first_distance = i64::from(exponentials.first_query) - (keys.start + padded - 1) as i64;
    Ok(PartitionScores { columns, diagonals, first_distance, spare: exponentials.values })
}

/// A zeroed vector, or an error.
fn zeroed<T: Copy + Default>(what: &'static str, len: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    let out_of_memory = |_| Error::OutOfMemory { what, bytes: len.saturating_mul(size_of::<T>()) };
    vector.try_reserve_exact(len).map_err(out_of_memory)?;
    vector.resize(len, T::default());
    Ok(vector)
}

/// Multiplies the rows by the weights; `out[key] = sum of rows[key][..]` over the lanes in use.
#[inline(always)]
unsafe fn sum_rows<S: Simd>(rows: &mut [u32], weights: &[f32; BLOCK], lanes_in_use: usize, out: &mut [f32]) {
    let zero = unsafe { S::splat(0.0) };
    for (row, out) in rows.chunks_exact_mut(BLOCK).zip(out) {
        unsafe {
            let mut sum = zero;
            for lane in (0..lanes_in_use).step_by(S::LANES) {
                let at = row.as_mut_ptr().add(lane);
                let weight = S::load(weights.as_ptr().add(lane));
                let weighted = S::mul_add(S::words_to_floats(S::load_words(at)), weight, zero);
                S::store_words(at, S::floats_to_words(weighted));
                sum = S::add(sum, weighted);
            }
            *out = S::sum_lanes(sum);
        }
    }
}

/// The rows of a chunk between zeros, so that one unaligned load brings what a row adds to a vector
/// of diagonals.
struct PaddedRows([u32; CHUNK * PADDED_ROW]);

/// Words of a padded row.
const PADDED_ROW: usize = CHUNK + BLOCK + CHUNK;

/// `out[15 + query - key] += rows[key][query]`, for 16 keys. What `padded` holds beside the lanes
/// in use stays zero.
#[inline(always)]
unsafe fn sum_diagonals<S: Simd>(
    rows: &[u32],
    lanes_in_use: usize,
    padded: &mut PaddedRows,
    out: &mut [f32],
) {
    for (row, padded) in rows.chunks_exact(BLOCK).zip(padded.0.chunks_exact_mut(PADDED_ROW)) {
        for lane in (0..lanes_in_use).step_by(S::LANES) {
            unsafe {
                S::store_words(padded.as_mut_ptr().add(CHUNK + lane), S::load_words(row.as_ptr().add(lane)));
            };
        }
    }
    assert!(out.len() == CHUNK + BLOCK);
    // Beyond the lanes in use there are only zeros to add.
    for first in (0..CHUNK + lanes_in_use).step_by(S::LANES) {
        unsafe {
            let mut sum = S::load(out.as_ptr().add(first));
            for key in 0..CHUNK {
                let from = padded.0.as_ptr().add(key * PADDED_ROW + first + key + 1);
                sum = S::add(sum, S::words_to_floats(S::load_words(from)));
            }
            S::store(out.as_mut_ptr().add(first), sum);
        }
    }
}
