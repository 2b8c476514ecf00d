//! Where the rows of a step come from: the caller's memory as it lies, or a buffer that codes are
//! unpacked into.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and rows
// lie within their view.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::streamed_rows::{CACHE_LINE, STEP, StreamedRows};
use crate::cpu::codes::{ByChannel, unpack, unpack_scaled};
use crate::cpu::simd::Simd;
use crate::cpu::stored::{Stored, widen_row};
use crate::quantized::{CodeScaling, CodedRow};
use crate::view::{PlainView, Row, TensorView};
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::marker::PhantomData;
use std::ops::Range;

/// Gives the rows of a head, at most [`STEP`] at once; they are read before it is asked again.
pub(super) trait StepRows {
    /// What the kernel loads.
    type Element: Stored;
    /// The rows of `tokens`, one after the other.
    unsafe fn rows<S: Simd>(&mut self, head: usize, tokens: Range<usize>) -> StreamedRows<Self::Element>;
}

/// Elements, where they lie.
pub(super) struct InPlace<'a, T>(PlainView<'a>, PhantomData<T>);

impl<'a, T> InPlace<'a, T> {
    pub(super) fn new(view: PlainView<'a>) -> Self {
        Self(view, PhantomData)
    }
}

impl<T: Stored> StepRows for InPlace<'_, T> {
    type Element = T;
    #[inline(always)]
    unsafe fn rows<S: Simd>(&mut self, head: usize, tokens: Range<usize>) -> StreamedRows<T> {
        StreamedRows::new(&self.0, head, tokens)
    }
}

/// Codes, unpacked a step at a time: what is unpacked stays in the nearest cache until the kernel
/// has read it.
pub(super) struct Unpacked<'a> {
    view: TensorView<'a>,
    /// `[STEP, head_dim]`
    rows: Vec<f32>,
    /// Of each head
    groups: Vec<GroupScaling<'a>>,
}

/// Minima and scales by channel of the group that a head's last row was in, converted once for all
/// its rows.
#[derive(Clone)]
struct GroupScaling<'a> {
    stored: &'a [f16],
    /// `[head_dim]`
    minima: Vec<f32>,
    /// `[head_dim]`
    scales: Vec<f32>,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(view: TensorView<'a>) -> Self {
        let zeros = vec![0.0; view.head_dim()];
        let group = GroupScaling { stored: &[], minima: zeros.clone(), scales: zeros };
        Self { view, rows: vec![0.0; STEP * view.head_dim()], groups: vec![group; view.heads()] }
    }
}

impl StepRows for Unpacked<'_> {
    type Element = f32;
    #[inline(always)]
    unsafe fn rows<S: Simd>(&mut self, head: usize, tokens: Range<usize>) -> StreamedRows<f32> {
        let (count, head_dim) = (tokens.len(), self.view.head_dim());
        for (token, out) in tokens.zip(self.rows.chunks_exact_mut(head_dim)) {
            unsafe {
                match self.view.row(token, head) {
                    Row::Plain(row) => widen_row::<S>(row, out),
                    Row::Coded(row) => {
                        prefetch_next_step::<S>(&row, self.view.heads());
                        self.groups[head].unpack::<S>(&row, out);
                    }
                }
            }
        }
        StreamedRows::unpacked(&self.rows[..count * head_dim], head_dim)
    }
}

impl<'a> GroupScaling<'a> {
    #[inline(always)]
    unsafe fn unpack<S: Simd>(&mut self, row: &CodedRow<'a>, out: &mut [f32]) {
        let CodeScaling::Channels { minima, scales } = row.scaling else {
            return unsafe { unpack::<S>(row, out) };
        };
        if !std::ptr::eq(self.stored, minima) {
            minima.convert_to_f32_slice(&mut self.minima);
            scales.convert_to_f32_slice(&mut self.scales);
            self.stored = minima;
        }
        let scaling = ByChannel { minima: self.minima.as_slice(), scales: &self.scales };
        unsafe { unpack_scaled::<S>(row, &scaling, out) }
    }
}

/// Asks for the codes of the same head a step later, which lie behind those of all heads in
/// between.
#[inline(always)]
unsafe fn prefetch_next_step<S: Simd>(row: &CodedRow<'_>, heads: usize) {
    let next = row.codes.as_ptr().wrapping_add(STEP * heads * row.codes.len());
    for byte in (0..row.codes.len()).step_by(CACHE_LINE) {
        // SAFETY: a prefetch needs no valid address.
        unsafe { S::prefetch(next.wrapping_add(byte)) };
    }
}
