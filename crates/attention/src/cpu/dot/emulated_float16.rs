//! [`Float16`](super::float16::Float16) on machines without `VFMADDPH`, number by number the same
//! roundings: for tests only.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are
// valid for the access.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::super::narrow_range::NarrowRange;
use super::super::simd::{Avx2, Simd, exp2_rough};
use super::{ValueDot, pair};
use half::f16;
use std::arch::x86_64::*;

pub(crate) struct EmulatedFloat16;

/// The even and the odd halves of 8 words, as `f32`.
#[inline(always)]
unsafe fn widen(words: __m256i) -> [__m256; 2] {
    unsafe {
        let low = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
        [low, _mm256_srli_epi32::<16>(words)].map(|halves| {
            // Within each 128-bit lane; then the two useful quarters side by side.
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(halves, halves));
            _mm256_cvtph_ps(_mm256_castsi256_si128(packed))
        })
    }
}

/// Rounded to `f16`.
#[inline(always)]
unsafe fn round(x: __m256) -> __m256 {
    unsafe { _mm256_cvtph_ps(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)) }
}

impl ValueDot<Avx2> for EmulatedFloat16 {
    const KEYS_PER_WORD: usize = 2;
    const RANGE: Option<NarrowRange> = Some(NarrowRange::FLOAT16);
    const VALUE_LIMIT: Option<f32> = Some(32.0);
    type Accumulator = [__m256; 2];

    #[inline(always)]
    unsafe fn load(_: *const f32) -> [__m256; 2] {
        unsafe { [_mm256_setzero_ps(); 2] }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: [__m256; 2], value: __m256i, probabilities: __m256i) -> [__m256; 2] {
        unsafe {
            let (value, p) = (widen(value), widen(probabilities));
            [round(_mm256_fmadd_ps(value[0], p[0], sum[0])), round(_mm256_fmadd_ps(value[1], p[1], sum[1]))]
        }
    }
    #[inline(always)]
    unsafe fn store(sum: [__m256; 2], output: *mut f32) {
        unsafe { Avx2::store(output, _mm256_add_ps(Avx2::load(output), _mm256_add_ps(sum[0], sum[1]))) }
    }
    #[inline(always)]
    unsafe fn exp2(x: __m256) -> __m256 {
        unsafe { exp2_rough::<Avx2>(x) }
    }
    #[inline(always)]
    unsafe fn pack_probabilities(even: __m256, odd: __m256) -> __m256i {
        unsafe {
            let even = _mm256_cvtepu16_epi32(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(even));
            let odd = _mm256_cvtepu16_epi32(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(odd));
            _mm256_or_si256(even, _mm256_slli_epi32::<16>(odd))
        }
    }
    type Sums = [__m256; 2];
    #[inline(always)]
    unsafe fn no_sums() -> [__m256; 2] {
        unsafe { [_mm256_setzero_ps(); 2] }
    }
    #[inline(always)]
    unsafe fn add_to_sums(sums: [__m256; 2], probabilities: __m256i) -> [__m256; 2] {
        unsafe {
            let p = widen(probabilities);
            [round(_mm256_add_ps(sums[0], p[0])), round(_mm256_add_ps(sums[1], p[1]))]
        }
    }
    #[inline(always)]
    unsafe fn widen_sums(sums: [__m256; 2]) -> __m256 {
        unsafe { _mm256_add_ps(sums[0], sums[1]) }
    }
    #[inline(always)]
    fn value(word: u32, half: usize) -> f32 {
        f16::from_bits((word >> (16 * half)) as u16).to_f32()
    }
    #[inline(always)]
    unsafe fn pack_values(even: &[f32], odd: &[f32], words: &mut [u32]) {
        for ((word, even), odd) in words.iter_mut().zip(even).zip(odd) {
            *word = pair(f16::from_f32(*even).to_bits(), f16::from_f32(*odd).to_bits());
        }
    }
}
