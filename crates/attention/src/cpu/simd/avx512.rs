//! AVX-512 (F, BW, DQ, VL): 16 lanes.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are
// valid for the access; everything below is an intrinsic under just that contract.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::{Avx2, MAX_LANES, Simd};
use std::arch::x86_64::*;

/// Vectors of 16 `f32`.
#[derive(Debug, Clone, Copy)]
pub struct Avx512;

// Functions, not closures: a closure can't be `#[inline(always)]`, and where it is not inlined
// every intrinsic in it is a call.

/// Sums of two rows, in halves: each quarter holds `a0+a2, b0+b2, a1+a3, b1+b3`.
#[inline(always)]
unsafe fn sum_two_rows(a: __m512, b: __m512) -> __m512 {
    unsafe { _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)) }
}

/// Sums within each quarter of the four rows from `first`.
#[inline(always)]
unsafe fn sum_four_rows(rows: &[__m512; MAX_LANES], first: usize) -> __m512 {
    unsafe {
        let a = _mm512_castps_pd(sum_two_rows(rows[first], rows[first + 1]));
        let b = _mm512_castps_pd(sum_two_rows(rows[first + 2], rows[first + 3]));
        let (low, high) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
        _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high))
    }
}

/// Sums of neighbouring quarters, those of `a` first.
#[inline(always)]
unsafe fn join_quarters(a: __m512, b: __m512) -> __m512 {
    unsafe { _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b)) }
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    type Float = __m512;
    type Word = __m512i;
    type Exponent = __m512;
    type Mask = __mmask16;

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: __m512i) {
        unsafe { _mm512_storeu_si512(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_u4(from: *const u8) -> (__m512, __m512) {
        unsafe {
            let bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()));
            let low = _mm512_and_si512(bytes, _mm512_set1_epi32(15));
            (_mm512_cvtepi32_ps(low), _mm512_cvtepi32_ps(_mm512_srli_epi32::<4>(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn splat_int(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> __m512i {
        unsafe { _mm512_set1_epi32(from.read_unaligned().cast_signed()) }
    }
    #[inline(always)]
    unsafe fn words_to_floats(words: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(words) }
    }
    #[inline(always)]
    unsafe fn floats_to_words(floats: __m512) -> __m512i {
        unsafe { _mm512_castps_si512(floats) }
    }
    #[inline(always)]
    unsafe fn ints_to_floats(ints: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(ints) }
    }
    #[inline(always)]
    unsafe fn widen_f16(bits: u16) -> f32 {
        unsafe { Avx2::widen_f16(bits) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sum_lanes(a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    unsafe fn sum_rows(rows: &[__m512; MAX_LANES]) -> __m512 {
        // A tree in which every step joins two vectors of partial sums into one: first rows, then
        // pairs, then (across 128-bit quarters) quadruples and eights. Quarter q of the result
        // holds the sums of rows 4q..4q+4.
        unsafe {
            let low = join_quarters(sum_four_rows(rows, 0), sum_four_rows(rows, 4));
            let high = join_quarters(sum_four_rows(rows, 8), sum_four_rows(rows, 12));
            join_quarters(low, high)
        }
    }
    #[inline(always)]
    unsafe fn all_less(a: __m512, limit: f32) -> bool {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, _mm512_set1_ps(limit)) == 0xffff }
    }
    #[inline(always)]
    unsafe fn all_at_least(a: __m512, limit: f32) -> bool {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, _mm512_set1_ps(limit)) == 0xffff }
    }

    #[inline(always)]
    unsafe fn exp2_split(x: __m512) -> (__m512, __m512) {
        // imm8 9: subtract floor(x), keep no fraction bits, raise no inexact flag
        unsafe { (_mm512_reduce_ps::<9>(x), x) }
    }
    #[inline(always)]
    unsafe fn exp2_scale(mantissa: __m512, exponent: __m512) -> __m512 {
        // VSCALEF takes the floor itself, and saturates to zero and infinity
        unsafe { _mm512_scalef_ps(mantissa, exponent) }
    }

    #[inline(always)]
    unsafe fn count_from(first: i32) -> __m512i {
        unsafe {
            let iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            _mm512_add_epi32(_mm512_set1_epi32(first), iota)
        }
    }
    #[inline(always)]
    unsafe fn visible(queries: __m512i, key: i32, window: i32) -> __mmask16 {
        // One unsigned comparison: a key after the query makes the distance wrap to something huge.
        unsafe {
            let distance = _mm512_sub_epi32(queries, _mm512_set1_epi32(key));
            _mm512_cmplt_epu32_mask(distance, _mm512_set1_epi32(window))
        }
    }
    #[inline(always)]
    unsafe fn select(mask: __mmask16, value: __m512, otherwise: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(mask, otherwise, value) }
    }

    // Bytes and squares of 8 numbers are those of AVX2.
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
