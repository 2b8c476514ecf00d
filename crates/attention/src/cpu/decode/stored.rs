//! Element types as the decoding kernel loads them from the cache: widened to `f32` on the way.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and the elements exist.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::cpu::simd::{MAX_LANES, Simd};
use crate::view::Elements;
use half::{bf16, f16};

/// An element type that loads as `f32`.
pub(super) trait Stored: Copy + Default {
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
pub(super) unsafe fn load_some<S: Simd, T: Stored>(from: *const T, count: usize) -> S::Float {
    let mut padded = [T::default(); MAX_LANES];
    for (i, x) in padded.iter_mut().enumerate().take(count.min(S::LANES)) {
        *x = unsafe { from.add(i).read() };
    }
    unsafe { T::load::<S>(padded.as_ptr()) }
}
