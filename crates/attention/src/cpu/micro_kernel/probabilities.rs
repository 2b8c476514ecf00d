//! Probabilities of a tile, and what they sum to.
//!
//! ```text
//! for each chunk of 16 keys, for V vectors of queries:
//!     for each R keys:
//!         probabilities = 2^exponents, 0 where a query does not see the key
//!         pack them into words, store the words, add the words to the chunk's sums
//!     totals += the chunk's sums; where the range is narrow: the largest and the least chunk
//! ```

// SAFETY: the contract of `attend_tile`, for all functions here.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::TileShape;
use super::exponents::{exponents, visible_queries};
use crate::cpu::dot::ValueDot;
use crate::cpu::instances::Instance;
use crate::cpu::narrow_range::NarrowRange;
use crate::cpu::query_block::QueryBlock;
use crate::cpu::simd::Simd;
use crate::cpu::tile::{CHUNK, Chunk, Tile};
use crate::index::BLOCK;

/// What the probabilities of a tile sum to.
#[derive(Debug)]
pub(crate) struct TileTotals {
    /// Over all keys: `[64]`
    pub(crate) sums: [f32; BLOCK],
    /// The largest sum over a chunk of keys; kept only where probabilities have a narrow range.
    /// `[64]`
    pub(crate) largest_chunks: [f32; BLOCK],
    /// The least sum over a chunk of which the query sees all keys; kept only where the range has a
    /// floor. `[64]`
    pub(crate) smallest_chunks: [f32; BLOCK],
}

impl TileTotals {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { sums: [0.0; BLOCK], largest_chunks: [0.0; BLOCK], smallest_chunks: [f32::MAX; BLOCK] }
    }

    // Loops, not closures: where a closure is not inlined, every intrinsic in it is a call.

    /// Whether all values are below a limit.
    #[inline(always)]
    pub(super) unsafe fn all_less<S: Simd>(values: &[f32; BLOCK], limit: f32) -> bool {
        let mut all = true;
        for lane in (0..BLOCK).step_by(S::LANES) {
            all &= unsafe { S::all_less(S::load(values.as_ptr().add(lane)), limit) };
        }
        all
    }

    /// Whether no row has a chunk of small probabilities that lost bits, unless the row has enough
    /// beside it.
    #[inline(always)]
    pub(super) unsafe fn all_precise<S: Simd>(&self, block: &QueryBlock, range: NarrowRange) -> bool {
        if range.chunk_floor == 0.0 {
            return true;
        }
        let mut all = true;
        for lane in (0..BLOCK).step_by(S::LANES) {
            unsafe {
                let zero = S::splat(0.0);
                let sums = S::load(block.sums.as_ptr().add(lane));
                let bulk = S::add(sums, S::load(self.sums.as_ptr().add(lane)));
                let with_peaks = S::add(bulk, S::load(block.peak_sums.as_ptr().add(lane)));
                let smallest = S::load(self.smallest_chunks.as_ptr().add(lane));
                let of_floor = S::mul_add(smallest, S::splat(1.0 / range.chunk_floor), zero);
                let of_bulk = S::mul_add(bulk, S::splat(1.0 / range.enough_bulk), zero);
                let of_enough = S::mul_add(with_peaks, S::splat(1.0 / range.enough), zero);
                all &= S::all_at_least(S::max(of_floor, S::max(of_bulk, of_enough)), 1.0);
            }
        }
        all
    }
}

/// Probabilities of a tile under the block's maxima as they are; their row sums are added to
/// `totals`.
#[inline(always)]
pub(crate) unsafe fn probabilities_of_tile<I: Instance, const R: usize, const V: usize>(
    block: &QueryBlock,
    tile: &Tile,
    shape: TileShape,
    probabilities: &mut [u32],
    totals: &mut TileTotals,
) {
    let words_per_chunk = CHUNK / <I::Value as ValueDot<I::Simd>>::KEYS_PER_WORD * BLOCK;
    for (c, chunk) in tile.chunks().iter().enumerate() {
        let positions = tile.positions[c * CHUNK..][..CHUNK].as_ptr();
        let out = probabilities[c * words_per_chunk..][..words_per_chunk].as_mut_ptr();
        unsafe {
            if chunk.masked {
                probabilities_of_chunk::<I, R, V, true>(block, chunk, positions, shape, out, totals);
            } else {
                probabilities_of_chunk::<I, R, V, false>(block, chunk, positions, shape, out, totals);
            }
        }
    }
}

#[inline(always)]
unsafe fn probabilities_of_chunk<I: Instance, const R: usize, const V: usize, const MASKED: bool>(
    block: &QueryBlock,
    chunk: &Chunk,
    positions: *const i32,
    shape: TileShape,
    out: *mut u32,
    totals: &mut TileTotals,
) {
    unsafe {
        let lanes = I::Simd::LANES;
        let keys_per_word = <I::Value as ValueDot<I::Simd>>::KEYS_PER_WORD;
        let mut lane = 0;
        while lane < block.rows {
            let mut lane_sums = [I::Value::no_sums(); V];
            for key in (0..CHUNK).step_by(R) {
                let exponents = exponents::<I, R, V>(
                    block,
                    block.negative_maxima.as_ptr().add(lane),
                    lane,
                    chunk.keys.add(key * shape.key_words),
                    chunk.key_scales.add(key),
                    shape.key_words,
                );
                for v in 0..V {
                    let mut p = [I::Simd::splat(0.0); R];
                    for r in 0..R {
                        p[r] = I::Value::exp2(exponents[r][v]);
                        if MASKED {
                            let position = positions.add(key + r).read();
                            let visible =
                                visible_queries::<I::Simd>(block, lane + v * lanes, position, shape);
                            p[r] = I::Simd::select(visible, p[r], I::Simd::splat(0.0));
                        }
                    }
                    for r in (0..R).step_by(keys_per_word) {
                        let word = I::Value::pack_probabilities(p[r], p[r + keys_per_word - 1]);
                        lane_sums[v] = I::Value::add_to_sums(lane_sums[v], word);
                        let row = (key + r) / keys_per_word;
                        I::Simd::store_words(out.add(row * BLOCK + lane + v * lanes), word);
                    }
                }
            }
            for (v, sum) in lane_sums.into_iter().enumerate() {
                let total = totals.sums.as_mut_ptr().add(lane + v * lanes);
                let sum = I::Value::widen_sums(sum);
                I::Simd::store(total, I::Simd::add(I::Simd::load(total), sum));
                if let Some(range) = <I::Value as ValueDot<I::Simd>>::RANGE {
                    let largest = totals.largest_chunks.as_mut_ptr().add(lane + v * lanes);
                    I::Simd::store(largest, I::Simd::max(I::Simd::load(largest), sum));
                    if range.chunk_floor > 0.0 {
                        let mut whole = sum;
                        if MASKED {
                            // Of queries that see all of the chunk: the first and the last of its
                            // keys.
                            for key in [0, CHUNK - 1] {
                                let position = positions.add(key).read();
                                let visible =
                                    visible_queries::<I::Simd>(block, lane + v * lanes, position, shape);
                                whole = I::Simd::select(visible, whole, I::Simd::splat(f32::MAX));
                            }
                        }
                        let smallest = totals.smallest_chunks.as_mut_ptr().add(lane + v * lanes);
                        I::Simd::store(smallest, I::Simd::min(I::Simd::load(smallest), whole));
                    }
                }
            }
            lane += V * lanes;
        }
    }
}
