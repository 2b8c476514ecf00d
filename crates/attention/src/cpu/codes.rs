//! Codes of 8 and 4 bits as kernels load them: widened to `f32`, scaled, a vector at a time.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and the elements exist.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::simd::{MAX_LANES, Simd};
use super::stored::{Stored, load_some};
use crate::quantized::{CodeBits, CodedRow, Scaling};
use half::f16;

/// The minima and scales of a row's elements, from element `d` on.
pub(crate) trait VectorScaling<S: Simd> {
    /// Of a vector, of which the first `count` elements exist.
    unsafe fn load(&self, d: usize, count: usize) -> (S::Float, S::Float);
}

/// The same for all elements.
struct Uniform {
    minimum: f32,
    scale: f32,
}

/// One for each element, `[head_dim]` both.
pub(crate) struct ByChannel<'a, T> {
    pub(crate) minima: &'a [T],
    pub(crate) scales: &'a [T],
}

impl<S: Simd> VectorScaling<S> for Uniform {
    #[inline(always)]
    unsafe fn load(&self, _: usize, _: usize) -> (S::Float, S::Float) {
        unsafe { (S::splat(self.minimum), S::splat(self.scale)) }
    }
}

impl<S: Simd, T: Stored> VectorScaling<S> for ByChannel<'_, T> {
    #[inline(always)]
    unsafe fn load(&self, d: usize, count: usize) -> (S::Float, S::Float) {
        let (minima, scales) = (self.minima[d..d + count].as_ptr(), self.scales[d..d + count].as_ptr());
        unsafe {
            if count == S::LANES {
                (T::load::<S>(minima), T::load::<S>(scales))
            } else {
                (load_some::<S, T>(minima, count), load_some::<S, T>(scales, count))
            }
        }
    }
}

/// What the codes of a row mean, into `out` of head_dim elements.
///
/// # Safety
/// The machine has the instruction set.
#[inline(always)]
pub(crate) unsafe fn unpack<S: Simd>(row: &CodedRow<'_>, out: &mut [f32]) {
    unsafe {
        match row.scaling {
            Scaling::Row(range) => {
                let scaling = Uniform { minimum: range.minimum.to_f32(), scale: range.scale.to_f32() };
                unpack_scaled::<S>(row, &scaling, out);
            }
            Scaling::Channels { minima, scales } => {
                unpack_scaled::<S>(row, &ByChannel::<f16> { minima, scales }, out);
            }
        }
    }
}

/// As [`unpack`], with other numbers than the row's own.
#[inline(always)]
pub(crate) unsafe fn unpack_scaled<S: Simd>(
    row: &CodedRow<'_>,
    scaling: &impl VectorScaling<S>,
    out: &mut [f32],
) {
    let mut padded = [0u8; MAX_LANES];
    for (i, codes) in row.codes.chunks(S::LANES).enumerate() {
        let (d, count) = (i * S::LANES, codes.len());
        let mut from = codes.as_ptr();
        if count < S::LANES {
            padded[..count].copy_from_slice(codes);
            from = padded.as_ptr();
        }
        unsafe {
            match row.bits {
                CodeBits::Eight => store_scaled::<S>(S::load_u8(from), scaling, d..d + count, out),
                CodeBits::Four => {
                    let ((low, high), half) = (S::load_u4(from), row.codes.len());
                    store_scaled::<S>(low, scaling, d..d + count, out);
                    store_scaled::<S>(high, scaling, half + d..half + d + count, out);
                }
            }
        }
    }
}

/// A vector of codes, scaled, into the elements `range` of `out`: as many as a vector, or fewer.
#[inline(always)]
unsafe fn store_scaled<S: Simd>(
    codes: S::Float,
    scaling: &impl VectorScaling<S>,
    range: std::ops::Range<usize>,
    out: &mut [f32],
) {
    let out = &mut out[range.clone()];
    unsafe {
        let (minimum, scale) = scaling.load(range.start, out.len());
        let values = S::mul_add(codes, scale, minimum);
        if out.len() == S::LANES {
            S::store(out.as_mut_ptr(), values);
        } else {
            let mut whole = [0.0f32; MAX_LANES];
            S::store(whole.as_mut_ptr(), values);
            out.copy_from_slice(&whole[..out.len()]);
        }
    }
}
