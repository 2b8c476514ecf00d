//! The inner loops: one tile of keys against one block of 64 queries.
//!
//! ```text
//!   Q K^T    exponents[key][query] = key word (broadcast) . query words (vector), summed along head_dim
//!   softmax  probability = 2^exponent, in registers; the sums of a tile tell whether the maximum was good enough
//!   P V      output[d][query]     += value word (broadcast) . probability words (vector), summed along the tile's keys
//! ```
//!
//! Queries lie in the lanes, so nothing is ever reduced across lanes, and keys need no
//! transposition: any key is a row whose words are broadcast. Both products run in register tiles
//! of `R` broadcast rows by `V` vectors.

// SAFETY: the functions below share one contract, stated at each: the machine has the instance's
// instructions, and the tile's pointers and the block's buffers have the sizes that their types
// document.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::dot::{ScoreDot, ValueDot};
use super::instances::Instance;
use super::narrow_range::{NarrowRange, fit_tile, set_first_reference};
use super::query_block::{NO_MAXIMUM, QueryBlock};
use super::simd::Simd;
use super::tile::{CHUNK, Chunk, Tile};
use crate::index::BLOCK;
use std::ops::Range;

/// A tile whose probabilities sum to this or more in some row is computed again with a new maximum,
/// where their range is that of `f32`.
const SUM_LIMIT: f32 = 1e6;

type Float<I> = <<I as Instance>::Simd as Simd>::Float;

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
    unsafe fn all_less<S: Simd>(values: &[f32; BLOCK], limit: f32) -> bool {
        let mut all = true;
        for lane in (0..BLOCK).step_by(S::LANES) {
            all &= unsafe { S::all_less(S::load(values.as_ptr().add(lane)), limit) };
        }
        all
    }

    /// Whether no row has a chunk of small probabilities that lost bits, unless the row has enough
    /// beside it.
    #[inline(always)]
    unsafe fn all_precise<S: Simd>(&self, block: &QueryBlock, range: NarrowRange) -> bool {
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
                            let queries =
                                I::Simd::count_from(block.first_position + (lane + v * lanes) as i32);
                            let visible =
                                I::Simd::visible(queries, positions.add(key + r).read(), shape.window);
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
                            let queries =
                                I::Simd::count_from(block.first_position + (lane + v * lanes) as i32);
                            for key in [0, CHUNK - 1] {
                                let visible =
                                    I::Simd::visible(queries, positions.add(key).read(), shape.window);
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
unsafe fn raise_maxima<I: Instance, const R: usize, const V: usize>(
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
                            let queries =
                                I::Simd::count_from(block.first_position + (lane + v * lanes) as i32);
                            let visible = I::Simd::visible(queries, positions[key + r], shape.window);
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

/// Stores the raw scores (as exponents of two, not masked) of one chunk of keys: `out[key][64]`.
///
/// # Safety
/// As for [`attend_tile`]; `out` holds 16 rows.
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
