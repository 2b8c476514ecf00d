//! The inner loops: one tile of keys against one block of 64 queries.
//!
//! ```text
//! attend_tile(block, tile):
//!     if the block has seen no key: maxima = those of the first chunk of keys
//!     exponents[key][query]     = key word (broadcast) . query words (vector), summed along head_dim
//!     probabilities[key][query] = 2^exponent, in registers, packed into words; 0 where masked
//!     if the sums over the tile reach the limit: raise the maxima, rescale, compute them again
//!     sums[query]      += probabilities[key][query], summed along the tile's keys
//!     output[d][query] += value word (broadcast) . probability words (vector), summed along them
//! ```
//!
//! Queries lie in the lanes, so nothing is ever reduced across lanes, and keys need no
//! transposition: any key is a row whose words are broadcast. Both products run in register tiles
//! of `R` broadcast rows by `V` vectors.

// SAFETY: the functions below share one contract, stated at each: the machine has the instance's
// instructions, and the tile's pointers and the block's buffers have the sizes that their types
// document.
#![allow(clippy::undocumented_unsafe_blocks)]

mod exponents;
mod maxima;
mod probabilities;

pub(crate) use exponents::{exponents, scores_of_chunk};
pub(crate) use maxima::{add_maxima, move_references};
pub(crate) use probabilities::{TileTotals, probabilities_of_tile};

use super::dot::ValueDot;
use super::instances::Instance;
use super::narrow_range::{fit_tile, set_first_reference};
use super::query_block::QueryBlock;
use super::simd::Simd;
use super::tile::{CHUNK, Tile};
use crate::index::BLOCK;
use maxima::raise_maxima;

/// A tile whose probabilities sum to this or more in some row is computed again with a new maximum,
/// where their range is that of `f32`.
const SUM_LIMIT: f32 = 1e6;

/// What the inner loops need to know besides the block and the tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TileShape {
    pub(crate) head_dim: usize,
    pub(crate) key_words: usize,
    /// The sliding window; `i32::MAX` for none.
    pub(crate) window: i32,
}

/// Adds one tile to the block: `sums += rowsum(P)`, `output += P V`.
///
/// The running maximum need not be the maximum. It starts as that of the first chunk and is raised
/// only when a tile's sums reach the limit of the arithmetic, which is rare; then the tile is
/// computed again. Thus the usual tile needs no pass for maxima and no rescaling. Where
/// probabilities have a narrow range, the reference follows the many small ones instead, and few
/// large ones are added apart ([`super::narrow_range`]).
///
/// # Safety
/// The machine has the instance's instructions; `tile`, `block` and `probabilities` (`[64
/// words][64]`) fit `shape`.
#[inline(always)]
pub(crate) unsafe fn attend_tile<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
    probabilities: &mut [u32],
) {
    unsafe {
        softmax_tile::<I, R, V>(block, tile, shape, probabilities);
        add_values::<I, R, V>(block, tile, shape, probabilities);
    }
}

/// The first half of [`attend_tile`]: probabilities and their sums.
///
/// # Safety
/// As for [`attend_tile`].
#[inline(always)]
pub(crate) unsafe fn softmax_tile<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
    probabilities: &mut [u32],
) {
    unsafe {
        if block.fresh {
            match <I::Value as ValueDot<I::Simd>>::RANGE {
                None => raise_maxima::<I, R, V>(block, tile, 1, shape),
                Some(_) => set_first_reference::<I, R, V>(block, tile, shape),
            }
            block.fresh = false;
        }
        let mut totals = TileTotals::new();
        probabilities_of_tile::<I, R, V>(block, tile, shape, probabilities, &mut totals);
        if let Some(range) = <I::Value as ValueDot<I::Simd>>::RANGE {
            let fits = TileTotals::all_less::<I::Simd>(&totals.largest_chunks, range.chunk_limit)
                && totals.all_precise::<I::Simd>(block, range);
            if !fits {
                fit_tile::<I, R, V>(block, tile, shape, range, probabilities, &mut totals);
            }
        } else if !TileTotals::all_less::<I::Simd>(&totals.sums, SUM_LIMIT) {
            raise_maxima::<I, R, V>(block, tile, tile.chunks().len(), shape);
            totals = TileTotals::new();
            probabilities_of_tile::<I, R, V>(block, tile, shape, probabilities, &mut totals);
        }
        for (sum, tile_sum) in block.sums.iter_mut().zip(totals.sums) {
            *sum += tile_sum;
        }
    }
}

/// The second half of [`attend_tile`].
#[inline(always)]
unsafe fn add_values<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
    probabilities: &[u32],
) {
    let words_per_chunk = CHUNK / <I::Value as ValueDot<I::Simd>>::KEYS_PER_WORD;
    let lanes = I::Simd::LANES;
    for d in (0..shape.head_dim).step_by(R) {
        let mut lane = 0;
        while lane < block.rows {
            unsafe {
                let output = block.output.as_mut_ptr().add(d * BLOCK + lane);
                let mut sums = [[I::Value::load(output); V]; R];
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = I::Value::load(output.add(r * BLOCK + v * lanes));
                    }
                }
                let mut p = probabilities.as_ptr().add(lane);
                for chunk in tile.chunks() {
                    let mut values = chunk.values.add(d);
                    for _ in 0..words_per_chunk {
                        let mut words = [I::Simd::load_words(p); V];
                        for (v, word) in words.iter_mut().enumerate() {
                            *word = I::Simd::load_words(p.add(v * lanes));
                        }
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let value = I::Simd::splat_word(values.add(r));
                            for (sum, word) in sums.iter_mut().zip(words) {
                                *sum = I::Value::accumulate(*sum, value, word);
                            }
                        }
                        values = values.add(shape.head_dim);
                        p = p.add(BLOCK);
                    }
                }
                for (r, sums) in sums.iter().enumerate() {
                    for (v, sum) in sums.iter().enumerate() {
                        I::Value::store(*sum, output.add(r * BLOCK + v * lanes));
                    }
                }
                lane += V * lanes;
            }
        }
    }
}
