//! Peaks: the few probabilities of a tile that are far above the others, and are added apart.

// SAFETY: one contract for the functions below: the machine has the instance's instructions, and
// the tile's pointers and the block's buffers have the sizes that their types document.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::NarrowRange;
use crate::cpu::dot::ValueDot;
use crate::cpu::instances::Instance;
use crate::cpu::micro_kernel::{TileShape, exponents};
use crate::cpu::query_block::QueryBlock;
use crate::cpu::simd::Simd;
use crate::cpu::tile::{CHUNK, Tile};
use crate::index::BLOCK;

/// Words of probabilities of a chunk, for each query.
const WORDS_PER_CHUNK: usize = CHUNK / 2;

/// What is large in a tile, row by row.
pub(super) struct PeakSurvey {
    /// Sums of the probabilities that are not peaks: `[64]`
    pub(super) rest: [f32; BLOCK],
    /// The same over the chunk where it is largest: `[64]`
    pub(super) largest_chunks: [f32; BLOCK],
    /// The largest exponent of a peak; 0 for none. `[64]`
    pub(super) highest: [f32; BLOCK],
    /// Sums of the peaks: `[64]`
    pub(super) peak_sums: [f32; BLOCK],
    /// The keys of the tile that are a peak for some query, as bits.
    pub(super) keys: u128,
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
pub(super) unsafe fn survey<I: Instance, const V: usize>(
    block: &QueryBlock,
    tile: &Tile,
    shape: TileShape,
    range: NarrowRange,
    probabilities: &[u32],
) -> PeakSurvey {
    let mut survey = PeakSurvey {
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
pub(super) unsafe fn add_peaks<I: Instance, const V: usize>(
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
