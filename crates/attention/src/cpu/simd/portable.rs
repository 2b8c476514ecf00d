//! Plain arrays of four lanes, which compilers turn into SSE2, NEON or whatever the target's
//! baseline has.

// SAFETY: only the pointer accesses need the trait's contract; the rest is arithmetic on arrays.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::{MAX_LANES, Simd};
use half::{bf16, f16};
use std::array::from_fn;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Fused where the baseline has the instruction; elsewhere `mul_add` would be a library call per
/// lane.
#[inline(always)]
fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}

impl Simd for Portable {
    const LANES: usize = 4;
    type Float = [f32; 4];
    type Word = [u32; 4];
    type Exponent = [i32; 4];
    type Mask = [bool; 4];

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: [f32; 4]) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> [u32; 4] {
        unsafe { from.cast::<[u32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: [u32; 4]) {
        unsafe { to.cast::<[u32; 4]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> [f32; 4] {
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        bits.map(|b| f16::from_bits(b).to_f32())
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> [f32; 4] {
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        bits.map(|b| bf16::from_bits(b).to_f32())
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> [f32; 4] {
        let bytes = unsafe { from.cast::<[u8; 4]>().read_unaligned() };
        bytes.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_u4(from: *const u8) -> ([f32; 4], [f32; 4]) {
        let bytes = unsafe { from.cast::<[u8; 4]>().read_unaligned() };
        (bytes.map(|byte| f32::from(byte & 15)), bytes.map(|byte| f32::from(byte >> 4)))
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> [u32; 4] {
        [unsafe { from.read_unaligned() }; 4]
    }
    #[inline(always)]
    unsafe fn words_to_floats(words: [u32; 4]) -> [f32; 4] {
        words.map(f32::from_bits)
    }
    #[inline(always)]
    unsafe fn floats_to_words(floats: [f32; 4]) -> [u32; 4] {
        floats.map(f32::to_bits)
    }

    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        from_fn(|i| mul_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn sum_lanes(a: [f32; 4]) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    unsafe fn sum_rows(rows: &[[f32; 4]; MAX_LANES]) -> [f32; 4] {
        from_fn(|r| unsafe { Self::sum_lanes(rows[r]) })
    }
    #[inline(always)]
    unsafe fn all_less(a: [f32; 4], limit: f32) -> bool {
        a.iter().all(|&x| x < limit)
    }
    #[inline(always)]
    unsafe fn all_at_least(a: [f32; 4], limit: f32) -> bool {
        a.iter().all(|&x| x >= limit)
    }

    #[inline(always)]
    unsafe fn exp2_split(x: [f32; 4]) -> ([f32; 4], [i32; 4]) {
        // Truncation of a positive number is its floor, and needs no SSE4 or library call.
        let clamped: [f32; 4] = from_fn(|i| x[i].clamp(-126.0, 127.0));
        let exponent: [i32; 4] = from_fn(|i| (clamped[i] + 256.0) as i32 - 256);
        (from_fn(|i| clamped[i] - exponent[i] as f32), exponent)
    }
    #[inline(always)]
    unsafe fn exp2_scale(mantissa: [f32; 4], exponent: [i32; 4]) -> [f32; 4] {
        from_fn(|i| f32::from_bits(mantissa[i].to_bits().wrapping_add_signed(exponent[i] << 23)))
    }

    #[inline(always)]
    unsafe fn count_from(first: i32) -> [u32; 4] {
        from_fn(|i| (first + i as i32).cast_unsigned())
    }
    #[inline(always)]
    unsafe fn visible(queries: [u32; 4], key: i32, window: i32) -> [bool; 4] {
        queries.map(|query| query.wrapping_sub(key.cast_unsigned()) < window.cast_unsigned())
    }
    #[inline(always)]
    unsafe fn select(mask: [bool; 4], value: [f32; 4], otherwise: [f32; 4]) -> [f32; 4] {
        from_fn(|i| if mask[i] { value[i] } else { otherwise[i] })
    }
}
