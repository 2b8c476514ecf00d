//! Arrays, which compilers keep in whatever registers there are.

use super::{ByteProducts, Vector};
use crate::device::kernels::widen_half;

const LEN: usize = 8;

/// Eight `f32`.
#[derive(Debug, Clone, Copy)]
pub(in crate::device::kernels) struct Portable([f32; LEN]);

impl Portable {
    #[inline(always)]
    fn from_fn(f: impl FnMut(usize) -> f32) -> Self {
        Self(std::array::from_fn(f))
    }
}

impl Vector for Portable {
    const LEN: usize = LEN;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; LEN])
    }
    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        Self::from_fn(|i| from[i])
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut [f32]) {
        to[..LEN].copy_from_slice(&self.0);
    }
    #[inline(always)]
    unsafe fn from_u8(from: &[u8]) -> Self {
        Self::from_fn(|i| f32::from(from[i]))
    }
    #[inline(always)]
    unsafe fn from_i8(from: &[u8]) -> Self {
        Self::from_fn(|i| f32::from(from[i].cast_signed()))
    }
    #[inline(always)]
    unsafe fn from_half(from: &[u8]) -> Self {
        Self::from_fn(|i| widen_half(u16::from_le_bytes([from[2 * i], from[2 * i + 1]])))
    }
    #[inline(always)]
    unsafe fn from_bfloat16(from: &[u8]) -> Self {
        Self::from_fn(|i| f32::from_bits(u32::from_le_bytes([0, 0, from[2 * i], from[2 * i + 1]])))
    }
    #[inline(always)]
    unsafe fn widen_half(bits: u16) -> f32 {
        widen_half(bits)
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self::from_fn(|i| self.0[i] * b.0[i] + c.0[i])
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self::from_fn(|i| self.0[i] + b.0[i])
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self::from_fn(|i| self.0[i] * b.0[i])
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
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
                // SAFETY: the caller's contract: 8 rows of 8 elements on both sides.
                unsafe {
                    let (x, place) =
                        (*from.add(row * from_stride + column), to.add(column * to_stride + row));
                    *place = if ADD { *place + x } else { x };
                }
            }
        }
    }
}

impl ByteProducts for Portable {
    type Vector = Self;
    type Bytes = [[u8; 4]; LEN];
    type Sums = [i32; LEN];
    #[inline(always)]
    unsafe fn start(x: i32) -> Self::Sums {
        [x; LEN]
    }
    #[inline(always)]
    unsafe fn load(from: &[u8]) -> Self::Bytes {
        std::array::from_fn(|i| [from[4 * i], from[4 * i + 1], from[4 * i + 2], from[4 * i + 3]])
    }
    #[inline(always)]
    unsafe fn add_products(sums: Self::Sums, bytes: Self::Bytes, four: i32) -> Self::Sums {
        let four = four.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        std::array::from_fn(|i| {
            let [a, b, c, d] = bytes[i].map(i32::from);
            sums[i] + a * four[0] + b * four[1] + c * four[2] + d * four[3]
        })
    }
    #[inline(always)]
    unsafe fn widen(sums: Self::Sums) -> Self {
        Self(sums.map(|x| x as f32))
    }
}
