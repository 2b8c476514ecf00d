//! [`StreamedRows`]: some rows of keys or values of one head, and what to ask memory for ahead of
//! them.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and rows
// lie within their view.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::cpu::simd::Simd;
use crate::cpu::stored::Stored;
use crate::view::PlainView;
use std::ops::Range;

/// Keys between two updates of the running maximum: a multiple of the lanes of every instruction
/// set.
pub(super) const STEP: usize = 32;
/// Bytes of a cache line.
pub(super) const CACHE_LINE: usize = 64;

/// Rows of keys or values of one head.
#[derive(Clone, Copy)]
pub(super) struct StreamedRows<T> {
    pub(super) first: *const T,
    /// Elements from one row to the next
    stride: usize,
    pub(super) count: usize,
    /// Memory to ask for while row 0 is read, and so on; it need not be valid.
    ahead: *const T,
    /// Elements from one such to the next
    ahead_stride: usize,
    /// Cache lines of one such
    ahead_lines: usize,
}

impl<T: Stored> StreamedRows<T> {
    /// The rows of `tokens` of a head.
    pub(super) fn new(view: &PlainView<'_>, head: usize, tokens: Range<usize>) -> Self {
        let ([_, heads, head_dim], (data, stride)) = (view.shape(), view.head_rows(head));
        let first = T::pointer(data).wrapping_add(tokens.start * stride);
        // Hardware does not foresee rows that lie apart. Where the rows of all heads of a token lie
        // side by side, those of the next step are asked for in the order of memory, each head its
        // share.
        let side_by_side = stride == heads * head_dim;
        let (ahead, ahead_stride) = if side_by_side {
            let share = head * STEP * head_dim;
            let next = first.wrapping_sub(head * head_dim).wrapping_add(STEP * stride);
            (next.wrapping_add(share), head_dim)
        } else {
            (first.wrapping_add(STEP * stride), stride)
        };
        let ahead_lines = (head_dim * size_of::<T>()).div_ceil(CACHE_LINE);
        Self { first, stride, count: tokens.len(), ahead, ahead_stride, ahead_lines }
    }

    #[inline(always)]
    pub(super) unsafe fn row(&self, index: usize) -> *const T {
        unsafe { self.first.add(index * self.stride) }
    }

    #[inline(always)]
    pub(super) unsafe fn prefetch<S: Simd>(&self, index: usize) {
        let ahead = self.ahead.wrapping_add(index * self.ahead_stride).cast::<u8>();
        for line in 0..self.ahead_lines {
            // SAFETY: a prefetch needs no valid address.
            unsafe { S::prefetch(ahead.wrapping_add(line * CACHE_LINE)) };
        }
    }
}

impl StreamedRows<f32> {
    /// Rows that lie together in the nearest cache, as many as there are whole ones.
    pub(super) fn unpacked(rows: &[f32], head_dim: usize) -> Self {
        let first = rows.as_ptr();
        let count = rows.len() / head_dim;
        Self { first, stride: head_dim, count, ahead: first, ahead_stride: 0, ahead_lines: 0 }
    }
}
