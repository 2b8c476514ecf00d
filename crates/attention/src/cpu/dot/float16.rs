//! `f16` pairs with `VFMADDPH` for `P V`: each lane holds two `f16` sums, one for even and one for
//! odd keys, over the keys of one tile; at the end of the tile both are widened and added to the
//! `f32` output.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are
// valid for the access.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::super::narrow_range::NarrowRange;
use super::super::simd::{Avx512, Simd, exp2_rough};
use super::ValueDot;
use half::f16;
use std::arch::x86_64::*;

pub(crate) struct Float16;

/// The even and the odd halves of 16 words, as `f32`.
#[inline(always)]
unsafe fn widen(words: __m512i) -> (__m512, __m512) {
    unsafe {
        let even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words));
        let odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(words)));
        (even, odd)
    }
}

impl ValueDot<Avx512> for Float16 {
    const KEYS_PER_WORD: usize = 2;
    const RANGE: Option<NarrowRange> = Some(NarrowRange::FLOAT16);
    const VALUE_LIMIT: Option<f32> = Some(32.0);
    type Accumulator = __m512h;

    #[inline(always)]
    unsafe fn load(_: *const f32) -> __m512h {
        unsafe { _mm512_setzero_ph() }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: __m512h, value: __m512i, probabilities: __m512i) -> __m512h {
        unsafe { _mm512_fmadd_ph(_mm512_castsi512_ph(value), _mm512_castsi512_ph(probabilities), sum) }
    }
    #[inline(always)]
    unsafe fn store(sum: __m512h, output: *mut f32) {
        unsafe {
            let (even, odd) = widen(_mm512_castph_si512(sum));
            Avx512::store(output, _mm512_add_ps(Avx512::load(output), _mm512_add_ps(even, odd)));
        }
    }
    #[inline(always)]
    unsafe fn exp2(x: __m512) -> __m512 {
        unsafe { exp2_rough::<Avx512>(x) }
    }
    #[inline(always)]
    unsafe fn pack_probabilities(even: __m512, odd: __m512) -> __m512i {
        unsafe {
            let even = _mm512_cvtepu16_epi32(_mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(even));
            let odd = _mm512_cvtepu16_epi32(_mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(odd));
            _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd))
        }
    }
    /// `f16` over the 16 keys of a chunk: to widen every word instead costs a tenth of the kernel's
    /// speed on Intel.
    type Sums = __m512h;
    #[inline(always)]
    unsafe fn no_sums() -> __m512h {
        unsafe { _mm512_setzero_ph() }
    }
    #[inline(always)]
    unsafe fn add_to_sums(sums: __m512h, probabilities: __m512i) -> __m512h {
        unsafe { _mm512_add_ph(sums, _mm512_castsi512_ph(probabilities)) }
    }
    #[inline(always)]
    unsafe fn widen_sums(sums: __m512h) -> __m512 {
        unsafe {
            let (even, odd) = widen(_mm512_castph_si512(sums));
            _mm512_add_ps(even, odd)
        }
    }
    #[inline(always)]
    fn value(word: u32, half: usize) -> f32 {
        f16::from_bits((word >> (16 * half)) as u16).to_f32()
    }
    #[inline(always)]
    unsafe fn pack_values(even: &[f32], odd: &[f32], words: &mut [u32]) {
        let (even, odd) = (even.as_chunks::<8>().0, odd.as_chunks::<8>().0);
        for ((words, even), odd) in words.as_chunks_mut::<8>().0.iter_mut().zip(even).zip(odd) {
            unsafe {
                let even = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(even.as_ptr()));
                let odd = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(odd.as_ptr()));
                _mm_storeu_si128(words.as_mut_ptr().cast(), _mm_unpacklo_epi16(even, odd));
                _mm_storeu_si128(words[4..].as_mut_ptr().cast(), _mm_unpackhi_epi16(even, odd));
            }
        }
    }
}
