//! AVX2 with FMA and F16C: 8 lanes.

// SAFETY: the trait's contract is that the machine has these instructions and that pointers are
// valid for the access; everything below is an intrinsic under just that contract.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::{MAX_LANES, Simd};
use std::arch::x86_64::*;

/// Vectors of 8 `f32`.
#[derive(Debug, Clone, Copy)]
pub struct Avx2;

/// Sums within each half of the four rows from `first`. A function, not a closure, which could not
/// be `#[inline(always)]`.
#[inline(always)]
unsafe fn sum_four_rows(rows: &[__m256; MAX_LANES], first: usize) -> __m256 {
    unsafe {
        let two = _mm256_hadd_ps(rows[first], rows[first + 1]);
        _mm256_hadd_ps(two, _mm256_hadd_ps(rows[first + 2], rows[first + 3]))
    }
}

/// Four rows of 8 numbers, `stride` apart: vector `i` holds column `i`, then column `i + 4`.
#[inline(always)]
unsafe fn transpose_four_rows(from: *const f32, stride: usize) -> [__m256; 4] {
    unsafe {
        let (a, b) = (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(stride)));
        let (c, d) = (_mm256_loadu_ps(from.add(2 * stride)), _mm256_loadu_ps(from.add(3 * stride)));
        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
            _mm256_shuffle_ps::<0xee>(ab_low, cd_low),
            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
        ]
    }
}

/// Writes a vector, or adds it to what is there.
#[inline(always)]
unsafe fn write_column<const ADD: bool>(to: *mut f32, column: __m256) {
    unsafe {
        let column = if ADD { _mm256_add_ps(column, _mm256_loadu_ps(to)) } else { column };
        _mm256_storeu_ps(to, column);
    }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    type Float = __m256;
    type Word = __m256i;
    type Exponent = __m256i;
    type Mask = __m256;

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: __m256i) {
        unsafe { _mm256_storeu_si256(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_u4(from: *const u8) -> (__m256, __m256) {
        unsafe {
            let bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()));
            let low = _mm256_and_si256(bytes, _mm256_set1_epi32(15));
            (_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(_mm256_srli_epi32::<4>(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn splat_int(value: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> __m256i {
        unsafe { _mm256_set1_epi32(from.read_unaligned().cast_signed()) }
    }
    #[inline(always)]
    unsafe fn words_to_floats(words: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(words) }
    }
    #[inline(always)]
    unsafe fn floats_to_words(floats: __m256) -> __m256i {
        unsafe { _mm256_castps_si256(floats) }
    }
    #[inline(always)]
    unsafe fn ints_to_floats(ints: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(ints) }
    }
    #[inline(always)]
    unsafe fn widen_f16(bits: u16) -> f32 {
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits)))) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sum_lanes(a: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn sum_rows(rows: &[__m256; MAX_LANES]) -> __m256 {
        unsafe {
            let (a, b) = (sum_four_rows(rows, 0), sum_four_rows(rows, 4));
            _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b))
        }
    }
    #[inline(always)]
    unsafe fn all_less(a: __m256, limit: f32) -> bool {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, _mm256_set1_ps(limit))) == 0xff }
    }
    #[inline(always)]
    unsafe fn all_at_least(a: __m256, limit: f32) -> bool {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a, _mm256_set1_ps(limit))) == 0xff }
    }

    #[inline(always)]
    unsafe fn exp2_split(x: __m256) -> (__m256, __m256i) {
        unsafe {
            let x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-126.0)), _mm256_set1_ps(127.0));
            let floor = _mm256_floor_ps(x);
            (_mm256_sub_ps(x, floor), _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(floor)))
        }
    }
    #[inline(always)]
    unsafe fn exp2_scale(mantissa: __m256, exponent: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(mantissa), exponent)) }
    }

    #[inline(always)]
    unsafe fn count_from(first: i32) -> __m256i {
        unsafe { _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
    }
    #[inline(always)]
    unsafe fn visible(queries: __m256i, key: i32, window: i32) -> __m256 {
        unsafe {
            let distance = _mm256_sub_epi32(queries, _mm256_set1_epi32(key));
            let not_after = _mm256_cmpgt_epi32(distance, _mm256_set1_epi32(-1));
            let in_window = _mm256_cmpgt_epi32(_mm256_set1_epi32(window), distance);
            _mm256_castsi256_ps(_mm256_and_si256(not_after, in_window))
        }
    }
    #[inline(always)]
    unsafe fn select(mask: __m256, value: __m256, otherwise: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(otherwise, value, mask) }
    }

    #[inline(always)]
    unsafe fn spread_bits(bits: u32) -> [u8; 32] {
        unsafe {
            // Each byte looks at the byte of `bits` that holds its bit
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
            // Within each half: the columns 0 to 3 and 4 to 7 of four rows. Then the halves.
            let upper = transpose_four_rows(from, from_stride);
            let lower = transpose_four_rows(from.add(4 * from_stride), from_stride);
            for i in 0..4 {
                let left = _mm256_permute2f128_ps::<0x20>(upper[i], lower[i]);
                let right = _mm256_permute2f128_ps::<0x31>(upper[i], lower[i]);
                write_column::<ADD>(to.add(i * to_stride), left);
                write_column::<ADD>(to.add((i + 4) * to_stride), right);
            }
        }
    }
}
