//! `i16` pairs with `VPDPWSSD` for `Q K^T`: every row is scaled so that its largest element and its
//! norm fit, which gives about 15 bits to the elements that matter. By Cauchy-Schwarz a sum of
//! products never leaves 32 bits.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are
// valid for the access.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::super::packed::largest_magnitude;
use super::super::simd::{Avx512, Simd};
use super::ScoreDot;
use std::arch::asm;
use std::arch::x86_64::*;

pub(crate) struct Int16;

/// Norm of a packed row at most: its square is below 2^31, with room for the rounding of the
/// elements.
const NORM_LIMIT: f32 = 46_000.0;
const ELEMENT_LIMIT: f32 = 32_700.0;

/// `sum + a . b`, as assembly: of the intrinsic LLVM keeps only one in four in an unrolled loop and
/// splits the others into VPMADDWD and VPADDD (shorter latency, half the rate), which costs a tenth
/// of the kernel's speed.
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
    unsafe fn pack_row(row: &[f32], words: &mut [u32]) -> f32 {
        unsafe {
            let (largest, squares) = largest_and_squares(row);
            if (1e-30..1e30).contains(&squares) {
                let factor = (NORM_LIMIT / squares.sqrt()).min(ELEMENT_LIMIT / largest);
                pack_scaled(row, factor, words);
                return 1.0 / factor;
            }
            pack_extreme_row(row, words)
        }
    }
}

/// Packs a row of zeros, or of elements whose squares leave the range of `f32`: they are divided by
/// the largest first.
#[cold]
#[target_feature(enable = "avx512f")]
unsafe fn pack_extreme_row(row: &[f32], words: &mut [u32]) -> f32 {
    unsafe {
        let largest = largest_magnitude(row);
        let inverse = if largest > 1e-30 { 1.0 / largest } else { 0.0 };
        let scaled: Vec<f32> = row.iter().map(|x| x * inverse).collect();
        let norm = largest_and_squares(&scaled).1.sqrt();
        let factor = (NORM_LIMIT / norm.max(1e-30)).min(ELEMENT_LIMIT);
        pack_scaled(&scaled, factor, words);
        largest / factor
    }
}

/// The lanes that exist of a vector before element `end`.
#[inline(always)]
fn lanes(end: usize) -> __mmask16 {
    (0xffff_u32 >> (16 - end.min(16))) as __mmask16
}

/// The largest magnitude and the sum of squares of a row, in one pass.
#[inline(always)]
unsafe fn largest_and_squares(row: &[f32]) -> (f32, f32) {
    unsafe {
        let (mut largest, mut squares) = (_mm512_setzero_ps(), _mm512_setzero_ps());
        for d in (0..row.len()).step_by(16) {
            let x = _mm512_maskz_loadu_ps(lanes(row.len() - d), row.as_ptr().add(d));
            largest = _mm512_max_ps(largest, _mm512_abs_ps(x));
            squares = _mm512_fmadd_ps(x, x, squares);
        }
        (_mm512_reduce_max_ps(largest), _mm512_reduce_add_ps(squares))
    }
}

/// The nearest integers of the elements times `factor`, none of which is beyond [`ELEMENT_LIMIT`].
#[inline(always)]
unsafe fn pack_scaled(row: &[f32], factor: f32, words: &mut [u32]) {
    assert!(words.len() * 2 == row.len());
    unsafe {
        let factor = _mm512_set1_ps(factor);
        for d in (0..row.len()).step_by(16) {
            let lanes = lanes(row.len() - d);
            let x = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, row.as_ptr().add(d)), factor);
            let to = words.as_mut_ptr().add(d / 2).cast();
            _mm512_mask_cvtsepi32_storeu_epi16(to, lanes, _mm512_cvtps_epi32(x));
        }
    }
}
