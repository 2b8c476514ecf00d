//! `Q K^T` of a register tile: `R` keys by `V` vectors of queries.
//!
//! ```text
//! sums[R][V] = what the arithmetic starts with (f32: minus the maximum)
//! for each word along head_dim:
//!     load the word of V vectors of queries
//!     for each of R keys: broadcast the key's word; sums[key] += key word . query words
//! exponents = sums, scaled where the arithmetic packs rows with scales
//! ```

// SAFETY: the contract of `attend_tile`, for all functions here.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::TileShape;
use crate::cpu::dot::ScoreDot;
use crate::cpu::instances::Instance;
use crate::cpu::query_block::QueryBlock;
use crate::cpu::simd::Simd;
use crate::cpu::tile::{CHUNK, Chunk};
use crate::index::BLOCK;

type Float<I> = <<I as Instance>::Simd as Simd>::Float;

/// The exponents of `R` keys for `V` vectors of queries, from lane `lane` on.
#[inline(always)]
pub(crate) unsafe fn exponents<I: Instance, const R: usize, const V: usize>(
    block: &QueryBlock,
    negative_maxima: *const f32,
    lane: usize,
    keys: *const u32,
    key_scales: *const f32,
    key_words: usize,
) -> [[Float<I>; V]; R] {
    // Steps along head_dim per iteration: head_dim is a multiple of 8, and a word holds at most two
    // elements.
    const UNROLL: usize = 4;
    unsafe {
        let lanes = I::Simd::LANES;
        let mut sums = [[I::Score::start(negative_maxima); V]; R];
        for sums in &mut sums {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = I::Score::start(negative_maxima.add(v * lanes));
            }
        }
        let mut keys = keys;
        let mut queries = block.queries.as_ptr().add(lane);
        for _ in 0..key_words / UNROLL {
            for u in 0..UNROLL {
                let mut query = [I::Simd::load_words(queries.add(u * BLOCK)); V];
                for (v, query) in query.iter_mut().enumerate() {
                    *query = I::Simd::load_words(queries.add(u * BLOCK + v * lanes));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let key = I::Simd::splat_word(keys.add(r * key_words + u));
                    for (sum, query) in sums.iter_mut().zip(query) {
                        *sum = I::Score::accumulate(*sum, key, query);
                    }
                }
            }
            keys = keys.add(UNROLL);
            queries = queries.add(UNROLL * BLOCK);
        }
        let row_scales = block.row_scales.as_ptr().add(lane);
        let mut exponents = [[I::Simd::splat(0.0); V]; R];
        for (r, exponents) in exponents.iter_mut().enumerate() {
            for (v, exponent) in exponents.iter_mut().enumerate() {
                let (row_scales, maxima) = (row_scales.add(v * lanes), negative_maxima.add(v * lanes));
                *exponent = I::Score::exponent(sums[r][v], row_scales, key_scales.add(r), maxima);
            }
        }
        exponents
    }
}

/// Which of the queries of the vector at lane `lane` see the key at `position`.
#[inline(always)]
pub(super) unsafe fn visible_queries<S: Simd>(
    block: &QueryBlock,
    lane: usize,
    position: i32,
    shape: TileShape,
) -> S::Mask {
    unsafe { S::visible(S::count_from(block.first_position + lane as i32), position, shape.window) }
}

/// Stores the raw scores (as exponents of two, not masked) of one chunk of keys: `out[key][64]`.
///
/// # Safety
/// As for [`attend_tile`](super::attend_tile); `out` holds 16 rows.
#[inline(always)]
pub(crate) unsafe fn scores_of_chunk<I: Instance, const R: usize, const V: usize>(
    block: &QueryBlock,
    chunk: &Chunk,
    shape: TileShape,
    out: &mut [f32],
) {
    let zeros = [0.0f32; BLOCK];
    let lanes = I::Simd::LANES;
    assert!(out.len() >= CHUNK * BLOCK);
    for key in (0..CHUNK).step_by(R) {
        for lane in (0..block.rows).step_by(V * lanes) {
            unsafe {
                let scores = exponents::<I, R, V>(
                    block,
                    zeros.as_ptr(),
                    lane,
                    chunk.keys.add(key * shape.key_words),
                    chunk.key_scales.add(key),
                    shape.key_words,
                );
                for (r, scores) in scores.iter().enumerate() {
                    for (v, &score) in scores.iter().enumerate() {
                        I::Simd::store(out.as_mut_ptr().add((key + r) * BLOCK + lane + v * lanes), score);
                    }
                }
            }
        }
    }
}
