//! `bf16` pairs with `VDPBF16PS`: products are exact and sums are `f32`, so with `bf16` inputs the
//! scores are as good as those of `f32` arithmetic. Twice the `f32` rate on AMD since Zen 4; on
//! Intel without AMX half of it, so not used there.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are
// valid for the access.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::super::narrow_range::NarrowRange;
use super::super::simd::{Avx512, Simd, exp2_rough};
use super::{ScoreDot, ValueDot, pair};
use half::bf16;
use std::arch::x86_64::*;

pub(crate) struct BFloat16;

#[inline(always)]
unsafe fn dot(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
    unsafe {
        _mm512_dpbf16_ps(
            sum,
            std::mem::transmute::<__m512i, __m512bh>(a),
            std::mem::transmute::<__m512i, __m512bh>(b),
        )
    }
}

impl ScoreDot<Avx512> for BFloat16 {
    const ELEMENTS_PER_WORD: usize = 2;
    const FACTOR_IN_QUERIES: bool = false;
    type Accumulator = __m512;

    #[inline(always)]
    unsafe fn start(_: *const f32) -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: __m512, key: __m512i, queries: __m512i) -> __m512 {
        unsafe { dot(sum, key, queries) }
    }
    #[inline(always)]
    unsafe fn exponent(
        sum: __m512,
        row_scales: *const f32,
        _: *const f32,
        negative_maxima: *const f32,
    ) -> __m512 {
        unsafe { _mm512_fmadd_ps(sum, Avx512::load(row_scales), Avx512::load(negative_maxima)) }
    }
    #[inline(always)]
    unsafe fn pack_row(row: &[f32], words: &mut [u32]) -> f32 {
        for (word, x) in words.iter_mut().zip(row.as_chunks::<2>().0) {
            *word = pair(bf16::from_f32(x[0]).to_bits(), bf16::from_f32(x[1]).to_bits());
        }
        1.0
    }
}

impl ValueDot<Avx512> for BFloat16 {
    const KEYS_PER_WORD: usize = 2;
    const RANGE: Option<NarrowRange> = Some(NarrowRange::BFLOAT16);
    const VALUE_LIMIT: Option<f32> = None;
    type Accumulator = __m512;

    #[inline(always)]
    unsafe fn load(output: *const f32) -> __m512 {
        unsafe { Avx512::load(output) }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: __m512, value: __m512i, probabilities: __m512i) -> __m512 {
        unsafe { dot(sum, value, probabilities) }
    }
    #[inline(always)]
    unsafe fn store(sum: __m512, output: *mut f32) {
        unsafe { Avx512::store(output, sum) }
    }
    #[inline(always)]
    unsafe fn exp2(x: __m512) -> __m512 {
        unsafe { exp2_rough::<Avx512>(x) }
    }
    #[inline(always)]
    unsafe fn pack_probabilities(even: __m512, odd: __m512) -> __m512i {
        // Probabilities are positive and finite, so rounding to the nearest is an integer addition;
        // ties go up, which costs nothing measurable. The even half moves down, the odd half stays,
        // and a masked blend joins them.
        unsafe {
            let half = _mm512_set1_epi32(0x8000);
            let even = _mm512_srli_epi32::<16>(_mm512_add_epi32(_mm512_castps_si512(even), half));
            let odd = _mm512_add_epi32(_mm512_castps_si512(odd), half);
            _mm512_mask_blend_epi16(0xaaaa_aaaa, even, odd)
        }
    }
    type Sums = __m512;
    #[inline(always)]
    unsafe fn no_sums() -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn widen_sums(sums: __m512) -> __m512 {
        sums
    }
    #[inline(always)]
    unsafe fn add_to_sums(sums: __m512, probabilities: __m512i) -> __m512 {
        // The product with ones: one instruction for two keys.
        unsafe { dot(sums, probabilities, _mm512_set1_epi32(0x3f80_3f80)) }
    }
    #[inline(always)]
    fn value(word: u32, half: usize) -> f32 {
        bf16::from_bits((word >> (16 * half)) as u16).to_f32()
    }
    #[inline(always)]
    unsafe fn pack_values(even: &[f32], odd: &[f32], words: &mut [u32]) {
        for ((word, even), odd) in words.iter_mut().zip(even).zip(odd) {
            *word = pair(bf16::from_f32(*even).to_bits(), bf16::from_f32(*odd).to_bits());
        }
    }
}
