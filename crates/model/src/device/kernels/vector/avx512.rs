//! AVX-512: sixteen `f32`.

// SAFETY: the trait's contract: the machine has the instruction set, and slices are as long as it
// says.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::avx2::Avx2;
use super::{ByteProducts, Vector};
use std::arch::x86_64::*;

/// Sixteen `f32`.
#[derive(Clone, Copy)]
pub(in crate::device::kernels) struct Avx512(__m512);

impl Vector for Avx512 {
    const LEN: usize = 16;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        debug_assert!(from.len() >= 16);
        Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut [f32]) {
        debug_assert!(to.len() >= 16);
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    unsafe fn from_u8(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 16);
        Self(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) })
    }
    #[inline(always)]
    unsafe fn from_i8(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 16);
        Self(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) })
    }
    #[inline(always)]
    unsafe fn from_half(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 32);
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
    }
    #[inline(always)]
    unsafe fn from_bfloat16(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 32);
        unsafe {
            let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(words)))
        }
    }
    #[inline(always)]
    unsafe fn widen_half(bits: u16) -> f32 {
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits)))) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    unsafe fn spread_bits(bits: u32) -> [u8; 32] {
        unsafe { Avx2::spread_bits(bits) }
    }
    #[inline(always)]
    unsafe fn look_up(table: &[u8; 16], places: &[u8; 16]) -> [u8; 16] {
        unsafe { Avx2::look_up(table, places) }
    }
    #[inline(always)]
    unsafe fn transpose<const ADD: bool>(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        unsafe { Avx2::transpose::<ADD>(from, from_stride, to, to_stride) }
    }
}

impl ByteProducts for Avx512 {
    type Vector = Self;
    type Bytes = __m512i;
    type Sums = __m512i;
    #[inline(always)]
    unsafe fn start(x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load(from: &[u8]) -> __m512i {
        debug_assert!(from.len() >= 64);
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn add_products(sums: __m512i, bytes: __m512i, four: i32) -> __m512i {
        unsafe {
            let pairs = _mm512_maddubs_epi16(bytes, _mm512_set1_epi32(four));
            _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        }
    }
    #[inline(always)]
    unsafe fn widen(sums: __m512i) -> Self {
        Self(unsafe { _mm512_cvtepi32_ps(sums) })
    }
}

/// AVX-512 with products of bytes in one instruction (VNNI).
pub(in crate::device::kernels) struct Vnni;

impl ByteProducts for Vnni {
    type Vector = Avx512;
    type Bytes = __m512i;
    type Sums = __m512i;
    #[inline(always)]
    unsafe fn start(x: i32) -> __m512i {
        unsafe { Avx512::start(x) }
    }
    #[inline(always)]
    unsafe fn load(from: &[u8]) -> __m512i {
        unsafe { <Avx512 as ByteProducts>::load(from) }
    }
    #[inline(always)]
    unsafe fn add_products(sums: __m512i, bytes: __m512i, four: i32) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sums, bytes, _mm512_set1_epi32(four)) }
    }
    #[inline(always)]
    unsafe fn widen(sums: __m512i) -> Avx512 {
        unsafe { Avx512::widen(sums) }
    }
}
