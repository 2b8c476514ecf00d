//! The "k" formats: blocks of 256 elements in runs of 16 or 32, whose scales are quantised too.

// SAFETY: as in `blocks`.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::blocks::{
    BlockFormat, VectorSink, array, bit_pairs, bits, half_at, high_nibbles, join, low_nibbles, scaled,
};
use minference_attention::cpu::simd::Simd;

/// 2 bits; 16 runs of 16 elements with scales and minima of 4 bits.
pub(super) struct Q2K;
/// 3 bits; 16 runs of 16 elements with scales of 6 bits.
pub(super) struct Q3K;
/// 4 bits; 8 runs of 32 elements with scales and minima of 6 bits.
pub(super) struct Q4K;
/// 5 bits; 8 runs of 32 elements with scales and minima of 6 bits.
pub(super) struct Q5K;
/// 6 bits; 16 runs of 16 elements with scales of 8 bits.
pub(super) struct Q6K;

impl BlockFormat for Q2K {
    const LEN: usize = 256;
    const BYTES: usize = 84;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let scales = array::<16>(bytes, 0);
        let (scale, minimum) = unsafe { (half_at::<S>(bytes, 80), half_at::<S>(bytes, 82)) };
        // Each half of 128 elements lies in 32 bytes, two bits of a byte for each quarter of the
        // half.
        for half in 0..2 {
            for part in 0..2 {
                let quants = array::<16>(bytes, 16 + 32 * half + 16 * part);
                let quarters: [[u8; 16]; 4] = [
                    bit_pairs::<0, 16>(quants),
                    bit_pairs::<2, 16>(quants),
                    bit_pairs::<4, 16>(quants),
                    bit_pairs::<6, 16>(quants),
                ];
                for (quarter, quants) in quarters.iter().enumerate() {
                    let packed = scales[8 * half + 2 * quarter + part];
                    let (a, b) = (f32::from(packed & 15), f32::from(packed >> 4));
                    let at = 128 * half + 32 * quarter + 16 * part;
                    unsafe { scaled(quants, scale * a, -minimum * b, at, sink) }
                }
            }
        }
    }
}

/// Sixteen scales of 6 bits: the low nibbles in 8 bytes, the pairs of high bits in 4.
#[inline(always)]
fn six_bit_scales(packed: &[u8; 12]) -> [u8; 16] {
    let word = |at| u32::from_le_bytes(*array::<4>(packed, at));
    let (first, second, high) = (word(0), word(4), word(8));
    let join = |low: u32, shift: u32| (low & 0x0f0f_0f0f) | (((high >> shift) & 0x0303_0303) << 4);
    let words = [join(first, 0), join(second, 2), join(first >> 4, 4), join(second >> 4, 6)];
    std::array::from_fn(|i| words[i / 4].to_le_bytes()[i % 4])
}

impl BlockFormat for Q3K {
    const LEN: usize = 256;
    const BYTES: usize = 110;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let all = unsafe { half_at::<S>(bytes, 108) };
        let scales = six_bit_scales(array::<12>(bytes, 96)).map(|scale| all * (f32::from(scale) - 32.0));
        for part in 0..2 {
            // One bit of each of these bytes for each of the eight runs of 32 elements.
            let third = array::<16>(bytes, 16 * part);
            let (first, second) = (array::<16>(bytes, 32 + 16 * part), array::<16>(bytes, 64 + 16 * part));
            let runs: [[u8; 16]; 8] = [
                join(&bit_pairs::<0, 16>(first), &bits::<0, 2, 16>(third)),
                join(&bit_pairs::<2, 16>(first), &bits::<1, 2, 16>(third)),
                join(&bit_pairs::<4, 16>(first), &bits::<2, 2, 16>(third)),
                join(&bit_pairs::<6, 16>(first), &bits::<3, 2, 16>(third)),
                join(&bit_pairs::<0, 16>(second), &bits::<4, 2, 16>(third)),
                join(&bit_pairs::<2, 16>(second), &bits::<5, 2, 16>(third)),
                join(&bit_pairs::<4, 16>(second), &bits::<6, 2, 16>(third)),
                join(&bit_pairs::<6, 16>(second), &bits::<7, 2, 16>(third)),
            ];
            for (run, quants) in runs.iter().enumerate() {
                let scale = scales[2 * run + part];
                unsafe { scaled(quants, scale, -4.0 * scale, 32 * run + 16 * part, sink) }
            }
        }
    }
}

/// Scale and minimum of run `i` of 8, from the 12 bytes that hold them in 6 bits each.
#[inline(always)]
fn six_bit_pair(packed: &[u8; 12], i: usize) -> (f32, f32) {
    let (scale, minimum) = if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        ((packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4), (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4))
    };
    (f32::from(scale), f32::from(minimum))
}

impl BlockFormat for Q4K {
    const LEN: usize = 256;
    const BYTES: usize = 144;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let (scale, minimum) = unsafe { (half_at::<S>(bytes, 0), half_at::<S>(bytes, 2)) };
        let packed = array::<12>(bytes, 4);
        for pair in 0..4 {
            let quants = array::<32>(bytes, 16 + 32 * pair);
            for (run, quants) in [(2 * pair, low_nibbles(quants)), (2 * pair + 1, high_nibbles(quants))] {
                let (a, b) = six_bit_pair(packed, run);
                unsafe { scaled(&quants, scale * a, -minimum * b, 32 * run, sink) }
            }
        }
    }
}

impl BlockFormat for Q5K {
    const LEN: usize = 256;
    const BYTES: usize = 176;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let (scale, minimum) = unsafe { (half_at::<S>(bytes, 0), half_at::<S>(bytes, 2)) };
        let (packed, fifths) = (array::<12>(bytes, 4), array::<32>(bytes, 16));
        let fifths: [[u8; 32]; 8] = [
            bits::<0, 4, 32>(fifths),
            bits::<1, 4, 32>(fifths),
            bits::<2, 4, 32>(fifths),
            bits::<3, 4, 32>(fifths),
            bits::<4, 4, 32>(fifths),
            bits::<5, 4, 32>(fifths),
            bits::<6, 4, 32>(fifths),
            bits::<7, 4, 32>(fifths),
        ];
        for pair in 0..4 {
            let quants = array::<32>(bytes, 48 + 32 * pair);
            let low = join(&low_nibbles(quants), &fifths[2 * pair]);
            let high = join(&high_nibbles(quants), &fifths[2 * pair + 1]);
            for (run, quants) in [(2 * pair, low), (2 * pair + 1, high)] {
                let (a, b) = six_bit_pair(packed, run);
                unsafe { scaled(&quants, scale * a, -minimum * b, 32 * run, sink) }
            }
        }
    }
}

impl BlockFormat for Q6K {
    const LEN: usize = 256;
    const BYTES: usize = 210;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let scales = array::<16>(bytes, 192);
        let all = unsafe { half_at::<S>(bytes, 208) };
        // Each half of 128 elements is four quarters: nibbles of 64 bytes, and two bits of a byte
        // of 32.
        for half in 0..2 {
            for part in 0..2 {
                let low = array::<16>(bytes, 64 * half + 16 * part);
                let other = array::<16>(bytes, 64 * half + 32 + 16 * part);
                let high = array::<16>(bytes, 128 + 32 * half + 16 * part);
                let quarters: [[u8; 16]; 4] = [
                    join(&low_nibbles(low), &bit_pairs::<0, 16>(high).map(|pair| pair << 4)),
                    join(&low_nibbles(other), &bit_pairs::<2, 16>(high).map(|pair| pair << 4)),
                    join(&high_nibbles(low), &bit_pairs::<4, 16>(high).map(|pair| pair << 4)),
                    join(&high_nibbles(other), &bit_pairs::<6, 16>(high).map(|pair| pair << 4)),
                ];
                for (quarter, quants) in quarters.iter().enumerate() {
                    let scale = all * f32::from(scales[8 * half + 2 * quarter + part].cast_signed());
                    let at = 128 * half + 32 * quarter + 16 * part;
                    unsafe { scaled(quants, scale, -32.0 * scale, at, sink) }
                }
            }
        }
    }
}
