//! Element types as kernels load them from the caller's tensors: widened to `f32` on the way, a
//! vector at a time.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and the
// elements exist.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::codes::unpack;
use super::simd::{MAX_LANES, Simd};
use crate::view::{Elements, Row, TensorView};
use half::{bf16, f16};

/// An element type that loads as `f32`.
pub(crate) trait Stored: Copy + Default {
    /// The first of some elements that are known to be of this type.
    fn pointer(elements: Elements<'_>) -> *const Self;
    /// A vector of elements.
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float;
}
impl Stored for f32 {
    #[inline(always)]
    fn pointer(elements: Elements<'_>) -> *const Self {
        match elements {
            Elements::F32(elements) => elements.as_ptr(),
            _ => unreachable!("K and V have one element type: AttentionInputs checked it"),
        }
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float {
        unsafe { S::load(from) }
    }
}
impl Stored for f16 {
    #[inline(always)]
    fn pointer(elements: Elements<'_>) -> *const Self {
        match elements {
            Elements::F16(elements) => elements.as_ptr(),
            _ => unreachable!("K and V have one element type: AttentionInputs checked it"),
        }
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float {
        unsafe { S::load_f16(from.cast()) }
    }
}
impl Stored for bf16 {
    #[inline(always)]
    fn pointer(elements: Elements<'_>) -> *const Self {
        match elements {
            Elements::Bf16(elements) => elements.as_ptr(),
            _ => unreachable!("K and V have one element type: AttentionInputs checked it"),
        }
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float {
        unsafe { S::load_bf16(from.cast()) }
    }
}

/// A vector of which only the first `count` elements exist; the rest is zero.
#[inline(always)]
pub(crate) unsafe fn load_some<S: Simd, T: Stored>(from: *const T, count: usize) -> S::Float {
    let mut padded = [T::default(); MAX_LANES];
    for (i, x) in padded.iter_mut().enumerate().take(count.min(S::LANES)) {
        *x = unsafe { from.add(i).read() };
    }
    unsafe { T::load::<S>(padded.as_ptr()) }
}

/// One row of a tensor as `f32`, into `out` of head_dim elements.
///
/// # Safety
/// The machine has the instruction set.
#[inline(always)]
pub(crate) unsafe fn read_row<S: Simd>(view: &TensorView<'_>, token: usize, head: usize, out: &mut [f32]) {
    unsafe {
        match view.row(token, head) {
            Row::Plain(row) => widen_row::<S>(row, out),
            Row::Coded(row) => unpack::<S>(&row, out),
        }
    }
}

/// Elements as `f32`, into `out` of as many.
///
/// # Safety
/// The machine has the instruction set.
#[inline(always)]
pub(crate) unsafe fn widen_row<S: Simd>(row: Elements<'_>, out: &mut [f32]) {
    unsafe {
        match row {
            Elements::F32(row) => out.copy_from_slice(row),
            Elements::F16(row) => widen::<S, f16>(row, out),
            Elements::Bf16(row) => widen::<S, bf16>(row, out),
        }
    }
}

#[inline(always)]
unsafe fn widen<S: Simd, T: Stored>(row: &[T], out: &mut [f32]) {
    assert_eq!(row.len(), out.len());
    let whole = row.len() / S::LANES * S::LANES;
    unsafe {
        for d in (0..whole).step_by(S::LANES) {
            S::store(out.as_mut_ptr().add(d), T::load::<S>(row.as_ptr().add(d)));
        }
        if whole < row.len() {
            let mut rest = [0.0f32; MAX_LANES];
            S::store(rest.as_mut_ptr(), load_some::<S, T>(row.as_ptr().add(whole), row.len() - whole));
            out[whole..].copy_from_slice(&rest[..row.len() - whole]);
        }
    }
}
