//! AVX2 with FMA and F16C: eight `f32`.

// SAFETY: the trait's contract: the machine has the instruction set, and slices are as long as it
// says.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::{ByteProducts, Vector};
use std::arch::x86_64::*;

/// Eight `f32`.
#[derive(Clone, Copy)]
pub(in crate::device::kernels) struct Avx2(__m256);

impl Vector for Avx2 {
    const LEN: usize = 8;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        debug_assert!(from.len() >= 8);
        Self(unsafe { _mm256_loadu_ps(from.as_ptr()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut [f32]) {
        debug_assert!(to.len() >= 8);
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    unsafe fn from_u8(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 8);
        Self(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.as_ptr().cast()))) })
    }
    #[inline(always)]
    unsafe fn from_i8(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 8);
        Self(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().cast()))) })
    }
    #[inline(always)]
    unsafe fn from_half(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 16);
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())) })
    }
    #[inline(always)]
    unsafe fn from_bfloat16(from: &[u8]) -> Self {
        debug_assert!(from.len() >= 16);
        unsafe {
            let words = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)))
        }
    }
    #[inline(always)]
    unsafe fn widen_half(bits: u16) -> f32 {
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits)))) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let halves = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
            _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
        }
    }
    #[inline(always)]
    unsafe fn spread_bits(bits: u32) -> [u8; 32] {
        unsafe {
            // each byte looks at the byte of `bits` that holds its bit
            let places =
                _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
            let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), places);
            let mask = _mm256_set1_epi64x(0x8040_2010_0804_0201u64.cast_signed());
            let set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, mask), mask);
            let mut out = [0; 32];
            _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_and_si256(set, _mm256_set1_epi8(16)));
            out
        }
    }
    #[inline(always)]
    unsafe fn look_up(table: &[u8; 16], places: &[u8; 16]) -> [u8; 16] {
        unsafe {
            let (table, places) =
                (_mm_loadu_si128(table.as_ptr().cast()), _mm_loadu_si128(places.as_ptr().cast()));
            let mut out = [0; 16];
            _mm_storeu_si128(out.as_mut_ptr().cast(), _mm_shuffle_epi8(table, places));
            out
        }
    }
    #[inline(always)]
    unsafe fn transpose<const ADD: bool>(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        unsafe {
            let row = |i: usize| _mm256_loadu_ps(from.add(i * from_stride));
            let rows: [__m256; 8] = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
            // pairs of rows, then fours, within each half; then the halves
            let pair = |i: usize| {
                [_mm256_unpacklo_ps(rows[i], rows[i + 1]), _mm256_unpackhi_ps(rows[i], rows[i + 1])]
            };
            let four = |i: usize| {
                let ([a, b], [c, d]) = (pair(i), pair(i + 2));
                [
                    _mm256_shuffle_ps::<0x44>(a, c),
                    _mm256_shuffle_ps::<0xee>(a, c),
                    _mm256_shuffle_ps::<0x44>(b, d),
                    _mm256_shuffle_ps::<0xee>(b, d),
                ]
            };
            let (upper, lower) = (four(0), four(4));
            for i in 0..4 {
                let columns = [
                    _mm256_permute2f128_ps::<0x20>(upper[i], lower[i]),
                    _mm256_permute2f128_ps::<0x31>(upper[i], lower[i]),
                ];
                for (column, x) in [i, i + 4].into_iter().zip(columns) {
                    let place = to.add(column * to_stride);
                    let x = if ADD { _mm256_add_ps(x, _mm256_loadu_ps(place)) } else { x };
                    _mm256_storeu_ps(place, x);
                }
            }
        }
    }
}

impl ByteProducts for Avx2 {
    type Vector = Self;
    type Bytes = __m256i;
    type Sums = __m256i;
    #[inline(always)]
    unsafe fn start(x: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load(from: &[u8]) -> __m256i {
        debug_assert!(from.len() >= 32);
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn add_products(sums: __m256i, bytes: __m256i, four: i32) -> __m256i {
        unsafe {
            let pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi32(four));
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
    #[inline(always)]
    unsafe fn widen(sums: __m256i) -> Self {
        Self(unsafe { _mm256_cvtepi32_ps(sums) })
    }
}
