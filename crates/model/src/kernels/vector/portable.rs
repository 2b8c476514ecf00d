//! Arrays, which compilers keep in whatever registers there are.

use super::Vector;
use crate::kernels::widen_half;

const LEN: usize = 8;

/// Eight `f32`.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Portable([f32; LEN]);

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
    unsafe fn add_where(self, bits: u16, b: Self) -> Self {
        Self::from_fn(|i| if bits & (1 << i) == 0 { self.0[i] } else { self.0[i] + b.0[i] })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}
