//! Codes of 8 and 4 bits as kernels load them: widened to `f32`, scaled, a vector at a time.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and the
// elements exist.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::simd::{MAX_LANES, Simd};
use super::stored::{Stored, load_some};
use crate::quantized::{CodeBits, CodeScaling, CodedRow};
use half::f16;
use std::ops::Range;

/// The minima and scales of a row's elements.
pub(crate) trait VectorScaling<S: Simd> {
    /// Of the vector at element `d`.
    unsafe fn load(&self, d: usize) -> (S::Float, S::Float);
    /// Of the `count` elements from `d` on, less than a vector.
    unsafe fn load_some(&self, d: usize, count: usize) -> (S::Float, S::Float);
}

/// The same for all elements.
struct Uniform<S: Simd> {
    minimum: S::Float,
    scale: S::Float,
}

/// One for each element, `[head_dim]` both.
pub(crate) struct ByChannel<'a, T> {
    pub(crate) minima: &'a [T],
    pub(crate) scales: &'a [T],
}

impl<S: Simd> VectorScaling<S> for Uniform<S> {
    #[inline(always)]
    unsafe fn load(&self, _: usize) -> (S::Float, S::Float) {
        (self.minimum, self.scale)
    }
    #[inline(always)]
    unsafe fn load_some(&self, d: usize, _: usize) -> (S::Float, S::Float) {
        unsafe { self.load(d) }
    }
}

impl<S: Simd, T: Stored> VectorScaling<S> for ByChannel<'_, T> {
    #[inline(always)]
    unsafe fn load(&self, d: usize) -> (S::Float, S::Float) {
        debug_assert!(d + S::LANES <= self.minima.len().min(self.scales.len()));
        unsafe { (T::load::<S>(self.minima.as_ptr().add(d)), T::load::<S>(self.scales.as_ptr().add(d))) }
    }
    #[inline(always)]
    unsafe fn load_some(&self, d: usize, count: usize) -> (S::Float, S::Float) {
        let (minima, scales) = (self.minima[d..d + count].as_ptr(), self.scales[d..d + count].as_ptr());
        unsafe { (load_some::<S, T>(minima, count), load_some::<S, T>(scales, count)) }
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
            CodeScaling::Row(range) => {
                let (minimum, scale) = (S::splat(range.minimum.to_f32()), S::splat(range.scale.to_f32()));
                let scaling = Uniform::<S> { minimum, scale };
                unpack_scaled::<S>(row, &scaling, out);
            }
            CodeScaling::Channels { minima, scales } => {
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
    let bytes = row.codes.len();
    let whole = bytes / S::LANES * S::LANES;
    unsafe {
        match row.bits {
            CodeBits::Eight => {
                assert_eq!(out.len(), bytes);
                for d in (0..whole).step_by(S::LANES) {
                    let codes = S::load_u8(row.codes.as_ptr().add(d));
                    store::<S>(codes, scaling, d, out);
                }
                if whole < bytes {
                    let rest = padded(&row.codes[whole..]);
                    store_some::<S>(S::load_u8(rest.as_ptr()), scaling, whole..bytes, out);
                }
            }
            CodeBits::Four => {
                assert_eq!(out.len(), 2 * bytes);
                for d in (0..whole).step_by(S::LANES) {
                    let (low, high) = S::load_u4(row.codes.as_ptr().add(d));
                    store::<S>(low, scaling, d, out);
                    store::<S>(high, scaling, bytes + d, out);
                }
                if whole < bytes {
                    let (low, high) = S::load_u4(padded(&row.codes[whole..]).as_ptr());
                    store_some::<S>(low, scaling, whole..bytes, out);
                    store_some::<S>(high, scaling, bytes + whole..2 * bytes, out);
                }
            }
        }
    }
}

/// The last codes of a row, less than a vector.
#[inline(always)]
fn padded(codes: &[u8]) -> [u8; MAX_LANES] {
    let mut padded = [0u8; MAX_LANES];
    padded[..codes.len()].copy_from_slice(codes);
    padded
}

/// A vector of codes, scaled, to element `d` of `out`, which has room for it.
#[inline(always)]
unsafe fn store<S: Simd>(codes: S::Float, scaling: &impl VectorScaling<S>, d: usize, out: &mut [f32]) {
    unsafe {
        let (minimum, scale) = scaling.load(d);
        S::store(out.as_mut_ptr().add(d), S::mul_add(codes, scale, minimum));
    }
}

/// The first codes of a vector, scaled, to the elements `range` of `out`, less than a vector.
#[inline(always)]
unsafe fn store_some<S: Simd>(
    codes: S::Float,
    scaling: &impl VectorScaling<S>,
    range: Range<usize>,
    out: &mut [f32],
) {
    let out = &mut out[range.clone()];
    let mut values = [0.0f32; MAX_LANES];
    unsafe {
        let (minimum, scale) = scaling.load_some(range.start, out.len());
        S::store(values.as_mut_ptr(), S::mul_add(codes, scale, minimum));
    }
    out.copy_from_slice(&values[..out.len()]);
}
