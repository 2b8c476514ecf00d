//! Running maxima: found among the exponents of keys, and moved.

// SAFETY: the contract of `attend_tile`, for all functions here.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::TileShape;
use super::exponents::{exponents, visible_queries};
use crate::cpu::instances::Instance;
use crate::cpu::query_block::{NO_MAXIMUM, QueryBlock};
use crate::cpu::simd::Simd;
use crate::cpu::tile::{CHUNK, Tile};
use crate::index::BLOCK;
use std::ops::Range;

/// Moves the running maxima to `references`, and rescales what was summed so far.
#[inline(never)]
#[cold]
pub(crate) fn move_references(block: &mut QueryBlock, references: &[f32; BLOCK]) {
    let mut factors = [1.0f32; BLOCK];
    for (row, &reference) in references.iter().enumerate() {
        let old = -block.negative_maxima[row];
        if reference != old {
            block.negative_maxima[row] = -reference;
            factors[row] = (old - reference).exp2();
            block.sums[row] *= factors[row];
            block.peak_sums[row] *= factors[row];
        }
    }
    if !block.fresh {
        for lanes in block.output.chunks_exact_mut(BLOCK) {
            lanes.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
        }
    }
}

/// Raises the maxima to those of the tile's first `chunks` chunks, where these are higher.
#[inline(always)]
pub(super) unsafe fn raise_maxima<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    chunks: usize,
    shape: TileShape,
) {
    let mut maxima: [f32; BLOCK] = std::array::from_fn(|row| -block.negative_maxima[row]);
    for chunk in 0..chunks {
        unsafe { add_maxima::<I, R, V>(block, tile, chunk, 0..CHUNK, shape, &mut maxima) };
    }
    move_references(block, &maxima);
}

/// Raises `maxima` to the largest exponents (relative to 0) of those of the keys `keys` of a chunk,
/// a multiple of `R`, that each query sees.
#[inline(always)]
pub(crate) unsafe fn add_maxima<I: Instance, const R: usize, const V: usize>(
    block: &QueryBlock,
    tile: &Tile,
    chunk: usize,
    keys: Range<usize>,
    shape: TileShape,
    maxima: &mut [f32; BLOCK],
) {
    let zeros = [0.0f32; BLOCK];
    let positions = &tile.positions[chunk * CHUNK..][..CHUNK];
    let chunk = &tile.chunks()[chunk];
    for key in keys.step_by(R) {
        unsafe {
            let lanes = I::Simd::LANES;
            let mut lane = 0;
            while lane < block.rows {
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
                        let at = maxima.as_mut_ptr().add(lane + v * lanes);
                        let mut score = score;
                        if chunk.masked {
                            let position = positions[key + r];
                            let visible =
                                visible_queries::<I::Simd>(block, lane + v * lanes, position, shape);
                            score = I::Simd::select(visible, score, I::Simd::splat(NO_MAXIMUM));
                        }
                        I::Simd::store(at, I::Simd::max(score, I::Simd::load(at)));
                    }
                }
                lane += V * lanes;
            }
        }
    }
}
