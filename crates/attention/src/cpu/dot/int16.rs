//! `i16` pairs with `VPDPWSSD` for `Q K^T`: every row is scaled so that its largest element and its norm fit, which gives
//! about 15 bits to the elements that matter. By Cauchy-Schwarz a sum of products never leaves 32 bits.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are valid for the access.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::super::packed::largest_magnitude;
use super::super::simd::{Simd, avx512::Avx512};
use super::{ScoreDot, pair};
use std::arch::asm;
use std::arch::x86_64::*;

pub(crate) struct Int16;

/// Norm of a packed row at most: its square is below 2^31, with room for the rounding of the elements.
const NORM_LIMIT: f32 = 46_000.0;
const ELEMENT_LIMIT: f32 = 32_700.0;

/// `sum + a . b`, as assembly: of the intrinsic LLVM keeps only one in four in an unrolled loop and splits the others into
/// VPMADDWD and VPADDD (shorter latency, half the rate), which costs a tenth of the kernel's speed.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn dot(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let mut sum = sum;
    unsafe {
        asm!(
            "vpdpwssd {sum}, {a}, {b}",
            sum = inout(zmm_reg) sum,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

impl ScoreDot<Avx512> for Int16 {
    const ELEMENTS_PER_WORD: usize = 2;
    const FACTOR_IN_QUERIES: bool = false;
    type Accumulator = __m512i;

    #[inline(always)]
    unsafe fn start(_: *const f32) -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: __m512i, key: __m512i, queries: __m512i) -> __m512i {
        unsafe { dot(sum, key, queries) }
    }
    #[inline(always)]
    unsafe fn exponent(
        sum: __m512i,
        row_scales: *const f32,
        key_scale: *const f32,
        negative_maxima: *const f32,
    ) -> __m512 {
        unsafe {
            let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), Avx512::load(row_scales));
            _mm512_fmadd_ps(scaled, _mm512_set1_ps(key_scale.read()), Avx512::load(negative_maxima))
        }
    }
    #[inline(always)]
    fn pack_row(row: &[f32], words: &mut [u32]) -> f32 {
        let largest = largest_magnitude(row);
        // Eight partial sums, so that the compiler may use vectors. Elements are divided by the largest first: their
        // squares could overflow.
        let inverse = if largest > 1e-30 { 1.0 / largest } else { 0.0 };
        let mut squares = [0.0f32; 8];
        for chunk in row.as_chunks::<8>().0 {
            for (sum, x) in squares.iter_mut().zip(chunk) {
                *sum += (x * inverse) * (x * inverse);
            }
        }
        let norm = squares.iter().sum::<f32>().sqrt();
        // The factor that maps the row onto integers, relative to its largest element.
        let factor = (NORM_LIMIT / norm.max(1e-30)).min(ELEMENT_LIMIT);
        for (word, x) in words.iter_mut().zip(row.as_chunks::<2>().0) {
            *word = pair(quantise(x[0] * inverse * factor), quantise(x[1] * inverse * factor));
        }
        largest / factor
    }
}

/// Nearest integer of `|x| < 32768`, as the bits of an `i16`. The addition of 1.5 * 2^23 rounds in the last place.
#[inline(always)]
fn quantise(x: f32) -> u16 {
    (x + 12_582_912.0).to_bits() as u16
}
