//! Plain arrays, which compilers turn into SSE2, NEON or whatever the target's baseline has.

// SAFETY: only the pointer accesses need the trait's contract; the rest is arithmetic on arrays.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::{MAX_LANES, Simd};
use half::bf16;
use std::array::from_fn;

/// Vectors of `N` `f32`, a power of two: 4 fill a register of every baseline; matrix products take
/// 8, whose sums wait less for each other.
#[derive(Debug, Clone, Copy)]
pub struct Portable<const N: usize>;

/// Fused where the baseline has the instruction; elsewhere `mul_add` would be a library call per
/// lane.
#[inline(always)]
fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}

/// Half precision to `f32`, without branches, so that loops over it vectorise.
#[inline(always)]
pub fn widen_f16(bits: u16) -> f32 {
    // The exponent of f16 is moved into that of f32 and its bias made good by a product, which also
    // normalises subnormals.
    const BIAS: f32 = f32::from_bits((127 + 112) << 23);
    let (sign, magnitude) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff));
    let finite = (f32::from_bits(magnitude << 13) * BIAS).to_bits();
    let infinite_or_nan = 0x7f80_0000 | (magnitude << 13);
    f32::from_bits(sign | if magnitude < 0x7c00 { finite } else { infinite_or_nan })
}

impl<const N: usize> Simd for Portable<N> {
    const LANES: usize = N;
    type Float = [f32; N];
    type Word = [u32; N];
    type Exponent = [i32; N];
    type Mask = [bool; N];

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; N] {
        unsafe { from.cast::<[f32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: [f32; N]) {
        unsafe { to.cast::<[f32; N]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> [u32; N] {
        unsafe { from.cast::<[u32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: [u32; N]) {
        unsafe { to.cast::<[u32; N]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> [f32; N] {
        let bits = unsafe { from.cast::<[u16; N]>().read_unaligned() };
        bits.map(widen_f16)
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> [f32; N] {
        let bits = unsafe { from.cast::<[u16; N]>().read_unaligned() };
        bits.map(|b| bf16::from_bits(b).to_f32())
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> [f32; N] {
        let bytes = unsafe { from.cast::<[u8; N]>().read_unaligned() };
        bytes.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> [f32; N] {
        let bytes = unsafe { from.cast::<[i8; N]>().read_unaligned() };
        bytes.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_u4(from: *const u8) -> ([f32; N], [f32; N]) {
        let bytes = unsafe { from.cast::<[u8; N]>().read_unaligned() };
        (bytes.map(|byte| f32::from(byte & 15)), bytes.map(|byte| f32::from(byte >> 4)))
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; N] {
        [value; N]
    }
    #[inline(always)]
    unsafe fn splat_int(value: i32) -> [u32; N] {
        [value.cast_unsigned(); N]
    }
    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> [u32; N] {
        [unsafe { from.read_unaligned() }; N]
    }
    #[inline(always)]
    unsafe fn words_to_floats(words: [u32; N]) -> [f32; N] {
        words.map(f32::from_bits)
    }
    #[inline(always)]
    unsafe fn floats_to_words(floats: [f32; N]) -> [u32; N] {
        floats.map(f32::to_bits)
    }
    #[inline(always)]
    unsafe fn ints_to_floats(ints: [u32; N]) -> [f32; N] {
        ints.map(|x| x.cast_signed() as f32)
    }
    #[inline(always)]
    unsafe fn widen_f16(bits: u16) -> f32 {
        widen_f16(bits)
    }

    #[inline(always)]
    unsafe fn add(a: [f32; N], b: [f32; N]) -> [f32; N] {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; N], b: [f32; N]) -> [f32; N] {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        from_fn(|i| mul_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn max(a: [f32; N], b: [f32; N]) -> [f32; N] {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; N], b: [f32; N]) -> [f32; N] {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn sum_lanes(a: [f32; N]) -> f32 {
        let (mut sums, mut half) = (a, N / 2);
        while half > 0 {
            for i in 0..half {
                sums[i] += sums[i + half];
            }
            half /= 2;
        }
        sums[0]
    }
    #[inline(always)]
    unsafe fn sum_rows(rows: &[[f32; N]; MAX_LANES]) -> [f32; N] {
        from_fn(|r| unsafe { Self::sum_lanes(rows[r]) })
    }
    #[inline(always)]
    unsafe fn all_less(a: [f32; N], limit: f32) -> bool {
        a.iter().all(|&x| x < limit)
    }
    #[inline(always)]
    unsafe fn all_at_least(a: [f32; N], limit: f32) -> bool {
        a.iter().all(|&x| x >= limit)
    }

    #[inline(always)]
    unsafe fn exp2_split(x: [f32; N]) -> ([f32; N], [i32; N]) {
        // Truncation of a positive number is its floor, and needs no SSE4 or library call.
        let clamped: [f32; N] = from_fn(|i| x[i].clamp(-126.0, 127.0));
        let exponent: [i32; N] = from_fn(|i| (clamped[i] + 256.0) as i32 - 256);
        (from_fn(|i| clamped[i] - exponent[i] as f32), exponent)
    }
    #[inline(always)]
    unsafe fn exp2_scale(mantissa: [f32; N], exponent: [i32; N]) -> [f32; N] {
        from_fn(|i| f32::from_bits(mantissa[i].to_bits().wrapping_add_signed(exponent[i] << 23)))
    }

    #[inline(always)]
    unsafe fn count_from(first: i32) -> [u32; N] {
        from_fn(|i| (first + i as i32).cast_unsigned())
    }
    #[inline(always)]
    unsafe fn visible(queries: [u32; N], key: i32, window: i32) -> [bool; N] {
        queries.map(|query| query.wrapping_sub(key.cast_unsigned()) < window.cast_unsigned())
    }
    #[inline(always)]
    unsafe fn select(mask: [bool; N], value: [f32; N], otherwise: [f32; N]) -> [f32; N] {
        from_fn(|i| if mask[i] { value[i] } else { otherwise[i] })
    }

    #[inline(always)]
    unsafe fn spread_bits(bits: u32) -> [u8; 32] {
        std::array::from_fn(|i| ((bits >> i) as u8 & 1) << 4)
    }
    #[inline(always)]
    unsafe fn look_up(table: &[u8; 16], places: &[u8; 16]) -> [u8; 16] {
        places.map(|place| table[usize::from(place & 15)])
    }
    #[inline(always)]
    unsafe fn transpose<const ADD: bool>(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        for row in 0..8 {
            for column in 0..8 {
                unsafe {
                    let (x, place) =
                        (*from.add(row * from_stride + column), to.add(column * to_stride + row));
                    *place = if ADD { *place + x } else { x };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::widen_f16;
    use half::f16;

    #[test]
    fn all_halves_are_widened_exactly() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (widen_f16(bits), f16::from_bits(bits).to_f32());
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{bits:#x}"
            );
        }
    }
}
