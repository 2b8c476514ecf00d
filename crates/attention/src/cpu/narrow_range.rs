//! Probabilities of 16 bits, whose range or precision is far less than attention's.
//!
//! An `f16` has its full precision between 2^-14 and 2^16. Behind an attention sink, a key that
//! holds 99.9 % of a row's mass, each of a hundred thousand others has 2^-27 of it: relative to the
//! maximum they are zeros, and the row loses what it says (the sink's own value is mostly next to
//! nothing). A `bf16` has the range, but rounds the sink itself by up to 0.2 %, and with it what
//! the row is divided by. So the reference of a row, what its exponents are relative to, is not its
//! maximum here. It follows the many small probabilities, and moves by whole powers of two, which
//! costs no rounding:
//!
//! - it **starts** near the least of the maxima of a few small groups of keys: some of them hold no
//!   sink;
//! - a **peak**, a probability far above that, is taken out of the tile and added to the row's
//!   `f32` sums and output, which bear it and don't round it: one key's values times the block's
//!   probabilities. Only few keys of a tile are treated so: sinks are the same for all queries;
//! - where many keys are large (a diagonal is another key for each query), or many tiles have such
//!   keys, the reference **rises** until they fit;
//! - where all of a chunk are so small that they lost bits, it **falls**, unless the row holds so
//!   much beside its peaks already that what is lost does not count.
//!
//! The usual tile costs a few comparisons more than one of `f32`. Words of probabilities hold two
//! keys here.

// SAFETY: one contract for the functions below: the machine has the instance's instructions, and
// the tile's pointers and the block's buffers have the sizes that their types document.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::dot::ValueDot;
use super::instances::Instance;
use super::micro_kernel::{
    TileShape, TileTotals, add_maxima, exponents, move_references, probabilities_of_tile,
};
use super::query_block::{NO_MAXIMUM, QueryBlock};
use super::simd::Simd;
use super::tile::{CHUNK, Tile};
use crate::index::BLOCK;

/// What a type of probabilities asks of the reference of a row. Powers of two are relative to the
/// reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NarrowRange {
    /// Where the probabilities lie that a reference is made from: those of ordinary keys.
    pub(crate) start: f32,
    /// A probability of this or more is a peak; as the bits of the type, which compare like the
    /// (positive) numbers.
    pub(crate) peak_bits: u32,
    /// The power of two that the largest chunk of a tile sums to after the reference rose.
    pub(crate) after_rise: f32,
    /// What a chunk of keys must stay below: more than five peaks, so that a chunk that exceeds it
    /// because of few keys has a peak.
    pub(crate) chunk_limit: f32,
    /// The least sum of a chunk of keys whose probabilities have their precision; 0 where all have.
    pub(crate) chunk_floor: f32,
    /// Where a row sums to this or more without its peaks, what lies below the floor does not
    /// count: many keys of it are rounded to a part in a thousand or, far below, up as often as
    /// down.
    pub(crate) enough_bulk: f32,
    /// Where it sums to this or more with its peaks, neither: a million keys below the floor are
    /// less than 1e-3 of what a sink of 99.99 % leaves.
    pub(crate) enough: f32,
}

impl NarrowRange {
    /// Half of an ulp of `f16` is less than 1e-3 of 2^-15, the probability that the floor means for
    /// each of 16 keys. Eight chunks below the limit, times values below 32, stay in range. Between
    /// them a reference starts where it has most room both ways.
    pub(crate) const FLOAT16: Self = Self {
        start: -12.0,
        peak_bits: 0x5000,
        after_rise: -4.0,
        chunk_limit: 192.0,
        chunk_floor: 1.0 / 2048.0,
        enough_bulk: 1.0 / 64.0,
        enough: (1u32 << 20) as f32,
    };
    /// `bf16` has the exponents of `f32`, hence no floor. Sinks must be peaks here, so that they
    /// are not rounded.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const BFLOAT16: Self = Self {
        start: -2.0,
        peak_bits: 0x4200,
        after_rise: -20.0,
        chunk_limit: 192.0,
        chunk_floor: 0.0,
        enough_bulk: 0.0,
        enough: 0.0,
    };
}

/// Words of probabilities of a chunk, for each query.
const WORDS_PER_CHUNK: usize = CHUNK / 2;
/// Keys of a tile that are a peak for some query, at most: more of them are no sinks, and
/// references rise.
const MOST_PEAK_KEYS: u32 = 4;
/// Tiles with such keys that a block of queries meets, at most: to take them apart costs a fifth of
/// a tile and more.
const MOST_PEAK_TILES: u32 = 3;
/// The exponent of a peak from which on the reference rises because of it, to this much less than
/// the peak. It keeps `f32` sums in range, and what is lost below 2^-15 is below 2^-35 of the peak.
const HIGHEST_PEAK: f32 = 34.0;
const BELOW_HIGHEST_PEAK: f32 = 20.0;
/// Where one row's reference rises, those of all rows do with a chunk of this sum or more: they
/// would soon, each in a tile of its own that were computed again for it. On recorded heads of 6K
/// tokens that happened three times as often.
const RISES_ALONG: f32 = 1.0;
/// By how much a reference falls at a time, at most. Of a chunk that sums to 0 nothing more is
/// known.
const LARGEST_FALL: f32 = 14.0;
/// The power of two that the least chunk of a tile sums to after a fall that was not the largest.
const AIM_OF_FALL: f32 = -4.0;
/// After so many rounds of one tile, references only rise.
const ROUNDS_WITH_FALLS: usize = 4;

/// Sets the references of a block that has seen no key.
///
/// # Safety
/// As for [`attend_tile`](super::micro_kernel::attend_tile).
#[inline(always)]
pub(crate) unsafe fn set_first_reference<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
) {
    let mut references = [NO_MAXIMUM; BLOCK];
    for chunk in 0..tile.chunks().len().min(2) {
        for key in (0..CHUNK).step_by(R) {
            let mut maxima = [NO_MAXIMUM; BLOCK];
            unsafe { add_maxima::<I, R, V>(block, tile, chunk, key..key + R, shape, &mut maxima) };
            for (reference, maximum) in references.iter_mut().zip(maxima) {
                *reference = match (*reference == NO_MAXIMUM, maximum == NO_MAXIMUM) {
                    (_, true) => *reference,
                    (true, false) => maximum,
                    (false, false) => reference.min(maximum),
                };
            }
        }
    }
    start_below::<I>(&mut references);
    move_references(block, &references);
}

/// Moves maxima to where references start.
#[inline(always)]
fn start_below<I: Instance>(maxima: &mut [f32; BLOCK]) {
    let start = <I::Value as ValueDot<I::Simd>>::RANGE.map_or(0.0, |range| range.start);
    maxima.iter_mut().filter(|maximum| **maximum != NO_MAXIMUM).for_each(|x| *x -= start);
}

/// What is large in a tile, row by row.
struct Survey {
    /// Sums of the probabilities that are not peaks: `[64]`
    rest: [f32; BLOCK],
    /// The same over the chunk where it is largest: `[64]`
    largest_chunks: [f32; BLOCK],
    /// The largest exponent of a peak; 0 for none. `[64]`
    highest: [f32; BLOCK],
    /// Sums of the peaks: `[64]`
    peak_sums: [f32; BLOCK],
    /// The keys of the tile that are a peak for some query, as bits.
    keys: u128,
}

/// Moves references until the tile's probabilities fit, and adds its peaks. `probabilities` and
/// `totals` are those of the tile under the block's references as they were, and afterwards those
/// without peaks.
///
/// # Safety
/// As for [`attend_tile`](super::micro_kernel::attend_tile).
#[inline(always)]
pub(crate) unsafe fn fit_tile<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
    range: NarrowRange,
    probabilities: &mut [u32],
    totals: &mut TileTotals,
) {
    unsafe {
        if block.negative_maxima.contains(&-NO_MAXIMUM) {
            set_missing_references::<I, R, V>(block, tile, shape);
            *totals = TileTotals::new();
            probabilities_of_tile::<I, R, V>(block, tile, shape, probabilities, totals);
        }
        let mut risen = [false; BLOCK];
        for round in 0.. {
            let survey = survey::<I, V>(block, tile, shape, range, probabilities);
            let are_sinks = survey.keys.count_ones() <= MOST_PEAK_KEYS && block.peak_tiles < MOST_PEAK_TILES;
            let mut by = [0.0f32; BLOCK];
            for (row, by) in by.iter_mut().enumerate().take(block.rows) {
                let may_fall = round < ROUNDS_WITH_FALLS && !risen[row];
                let smallest_chunk = if may_fall { totals.smallest_chunks[row] } else { f32::MAX };
                let before = [block.sums[row], block.peak_sums[row]];
                *by = shift(&survey, are_sinks, row, before, smallest_chunk, range);
            }
            if by.iter().any(|by| *by > 0.0) {
                for row in (0..block.rows).filter(|&row| survey.largest_chunks[row] >= RISES_ALONG) {
                    by[row] = by[row].max(rise(survey.largest_chunks[row], range));
                }
            }
            let moved = by.iter().any(|by| *by != 0.0);
            if !moved {
                totals.sums = survey.rest;
                block.peak_tiles += u32::from(survey.keys != 0);
                add_peaks::<I, V>(block, tile, shape, range, survey.keys, probabilities);
                return;
            }
            risen.iter_mut().zip(by).for_each(|(risen, by)| *risen |= by > 0.0);
            let references = std::array::from_fn(|row| by[row] - block.negative_maxima[row]);
            move_references(block, &references);
            *totals = TileTotals::new();
            probabilities_of_tile::<I, R, V>(block, tile, shape, probabilities, totals);
        }
    }
}

/// By how many powers of two a reference rises where this is a row's largest chunk.
#[inline(always)]
fn rise(largest_chunk: f32, range: NarrowRange) -> f32 {
    (largest_chunk.log2() - range.after_rise).ceil()
}

/// By how many powers of two the reference of a row has to move before the tile can be added.
/// `are_sinks` says whether peaks may be added apart.
fn shift(
    survey: &Survey,
    are_sinks: bool,
    row: usize,
    [bulk_before, peaks_before]: [f32; 2],
    smallest_chunk: f32,
    range: NarrowRange,
) -> f32 {
    let (largest_chunk, peak_sum) = (survey.largest_chunks[row], survey.peak_sums[row]);
    if survey.highest[row] > HIGHEST_PEAK {
        return survey.highest[row].ceil() - BELOW_HIGHEST_PEAK;
    }
    if !are_sinks && peak_sum > 0.0 {
        return rise(largest_chunk + peak_sum, range);
    }
    if largest_chunk >= range.chunk_limit {
        return rise(largest_chunk, range);
    }
    let bulk = bulk_before + survey.rest[row];
    let is_enough = bulk >= range.enough_bulk || bulk + peaks_before + peak_sum >= range.enough;
    if smallest_chunk < range.chunk_floor && !is_enough {
        // a chunk of zeros has the logarithm minus infinity
        return (smallest_chunk.log2() - AIM_OF_FALL).ceil().max(-LARGEST_FALL);
    }
    0.0
}

/// Gives rows that saw none of the keys that [`set_first_reference`] looked at a reference, if they
/// see one of this tile.
#[inline(always)]
unsafe fn set_missing_references<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
) {
    let mut maxima = [NO_MAXIMUM; BLOCK];
    for chunk in 0..tile.chunks().len() {
        unsafe { add_maxima::<I, R, V>(block, tile, chunk, 0..CHUNK, shape, &mut maxima) };
    }
    start_below::<I>(&mut maxima);
    let references = std::array::from_fn(|row| match -block.negative_maxima[row] {
        NO_MAXIMUM => maxima[row],
        reference => reference,
    });
    move_references(block, &references);
}

/// The halves of a word that are no peaks, and whether the even and the odd one is.
#[inline(always)]
fn without_peaks(word: u32, range: NarrowRange) -> (u32, bool, bool) {
    let (even, odd) = (word & 0xffff, word >> 16);
    let (even_is, odd_is) = (even >= range.peak_bits, odd >= range.peak_bits);
    (if even_is { 0 } else { even } | if odd_is { 0 } else { odd << 16 }, even_is, odd_is)
}

/// The exponents of one key of the tile: `[64]`, of which those of rows in use count.
#[inline(always)]
unsafe fn exponents_of_key<I: Instance, const V: usize>(
    block: &QueryBlock,
    tile: &Tile,
    shape: TileShape,
    key: usize,
) -> [f32; BLOCK] {
    let chunk = &tile.chunks()[key / CHUNK];
    let mut out = [0.0f32; BLOCK];
    for lane in (0..block.rows).step_by(V * I::Simd::LANES) {
        unsafe {
            let [exponents] = exponents::<I, 1, V>(
                block,
                block.negative_maxima.as_ptr().add(lane),
                lane,
                chunk.keys.add(key % CHUNK * shape.key_words),
                chunk.key_scales.add(key % CHUNK),
                shape.key_words,
            );
            for (v, exponents) in exponents.into_iter().enumerate() {
                I::Simd::store(out.as_mut_ptr().add(lane + v * I::Simd::LANES), exponents);
            }
        }
    }
    out
}

#[inline(always)]
unsafe fn survey<I: Instance, const V: usize>(
    block: &QueryBlock,
    tile: &Tile,
    shape: TileShape,
    range: NarrowRange,
    probabilities: &[u32],
) -> Survey {
    let mut survey = Survey {
        rest: [0.0; BLOCK],
        largest_chunks: [0.0; BLOCK],
        highest: [0.0; BLOCK],
        peak_sums: [0.0; BLOCK],
        keys: 0,
    };
    let chunks = probabilities.chunks_exact(WORDS_PER_CHUNK * BLOCK).take(tile.chunks().len());
    for (chunk, words) in chunks.enumerate() {
        let mut chunk_sums = [0.0f32; BLOCK];
        for (word, lanes) in words.chunks_exact(BLOCK).enumerate() {
            let mut rest = [0u32; BLOCK];
            let mut is_peak = [[false; BLOCK]; 2];
            for row in 0..block.rows {
                (rest[row], is_peak[0][row], is_peak[1][row]) = without_peaks(lanes[row], range);
            }
            for lane in (0..BLOCK).step_by(I::Simd::LANES) {
                unsafe {
                    let words = I::Simd::load_words(rest.as_ptr().add(lane));
                    let added = I::Value::widen_sums(I::Value::add_to_sums(I::Value::no_sums(), words));
                    let sums = chunk_sums.as_mut_ptr().add(lane);
                    I::Simd::store(sums, I::Simd::add(I::Simd::load(sums), added));
                }
            }
            for (half, is_peak) in is_peak.iter().enumerate().filter(|(_, is_peak)| is_peak.contains(&true)) {
                let key = chunk * CHUNK + 2 * word + half;
                survey.keys |= 1 << key;
                let exponents = unsafe { exponents_of_key::<I, V>(block, tile, shape, key) };
                for row in (0..block.rows).filter(|&row| is_peak[row]) {
                    survey.highest[row] = survey.highest[row].max(exponents[row]);
                    survey.peak_sums[row] += exponents[row].exp2();
                }
            }
        }
        for (row, sum) in chunk_sums.into_iter().enumerate() {
            survey.rest[row] += sum;
            survey.largest_chunks[row] = survey.largest_chunks[row].max(sum);
        }
    }
    survey
}

/// Takes the peaks of the keys `keys` out of `probabilities` and adds them to the block's output
/// and sums of peaks.
#[inline(always)]
unsafe fn add_peaks<I: Instance, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
    range: NarrowRange,
    mut keys: u128,
    probabilities: &mut [u32],
) {
    while keys != 0 {
        let key = keys.trailing_zeros() as usize;
        keys &= keys - 1;
        let exponents = unsafe { exponents_of_key::<I, V>(block, tile, shape, key) };
        let mut peaks = [0.0f32; BLOCK];
        let words = &mut probabilities[key / 2 * BLOCK..][..block.rows];
        for ((word, peak), exponent) in words.iter_mut().zip(&mut peaks).zip(exponents) {
            let (rest, even_is, odd_is) = without_peaks(*word, range);
            let (is_peak, other_half) =
                if key.is_multiple_of(2) { (even_is, 0xffff_0000) } else { (odd_is, 0xffff) };
            if is_peak {
                *word = rest | *word & other_half;
                *peak = exponent.exp2();
            }
        }
        let values = unsafe { tile.chunks()[key / CHUNK].values.add(key % CHUNK / 2 * shape.head_dim) };
        for lane in (0..BLOCK).step_by(I::Simd::LANES) {
            unsafe {
                let peak = I::Simd::load(peaks.as_ptr().add(lane));
                let sums = block.peak_sums.as_mut_ptr().add(lane);
                I::Simd::store(sums, I::Simd::add(I::Simd::load(sums), peak));
                for d in 0..shape.head_dim {
                    let value = I::Simd::splat(I::Value::value(values.add(d).read(), key % 2));
                    let output = block.output.as_mut_ptr().add(d * BLOCK + lane);
                    I::Simd::store(output, I::Simd::mul_add(peak, value, I::Simd::load(output)));
                }
            }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
