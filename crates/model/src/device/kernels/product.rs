//! Products of stored matrix rows with a few `f32` rows: decoding's kernel. A block is widened
//! once, for all of them.

// SAFETY: one contract for the unsafe functions here: the machine has the vectors' instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::blocks::{Block, Sink};
use super::vector::Vector;

pub(super) use super::batch::batch_products;

/// Input rows that one pass over the matrix serves.
pub(crate) const MOST_INPUTS: usize = 8;
/// Sums of one product that don't wait for each other.
pub(super) const SUMS: usize = 4;

/// Products of consecutive matrix rows with `inputs`, `[inputs][columns]`; `out` is
/// `[rows][inputs]`.
#[inline(always)]
pub(super) unsafe fn products<B: Block, V: Vector>(
    rows: &[u8],
    inputs: &[f32],
    columns: usize,
    out: &mut [f32],
) {
    let count = inputs.len() / columns;
    let row_bytes = rows.len() / (out.len() / count);
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
        unsafe {
            match out {
                [out] => *out = one_product::<B, V>(row, inputs),
                out => several_products::<B, V>(row, inputs, columns, out),
            }
        }
    }
}

/// Adds products with one input.
struct AddProducts<'a, V> {
    input: &'a [f32],
    sums: [V; SUMS],
}

impl<V: Vector> Sink<V> for AddProducts<'_, V> {
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, elements: V) {
        let sum = &mut self.sums[at / V::LEN % SUMS];
        *sum = unsafe { elements.mul_add(V::load(&self.input[at..]), *sum) };
    }
}

/// Adds products with several inputs, which lie `columns` apart.
struct AddSeveralProducts<'a, V> {
    inputs: &'a [f32],
    columns: usize,
    sums: [V; MOST_INPUTS],
    count: usize,
}

impl<V: Vector> Sink<V> for AddSeveralProducts<'_, V> {
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, elements: V) {
        for (i, sum) in self.sums[..self.count].iter_mut().enumerate() {
            *sum = unsafe { elements.mul_add(V::load(&self.inputs[i * self.columns + at..]), *sum) };
        }
    }
}

/// Keeps the elements.
struct Keep<'a>(&'a mut [f32]);

impl<V: Vector> Sink<V> for Keep<'_> {
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, elements: V) {
        unsafe { elements.store(&mut self.0[at..]) }
    }
}

#[inline(always)]
unsafe fn one_product<B: Block, V: Vector>(row: &[u8], input: &[f32]) -> f32 {
    let (blocks, inputs) = (row.chunks_exact(B::BYTES), input.chunks_exact(B::LEN));
    let rest = rest_product::<B>(blocks.remainder(), inputs.remainder());
    let mut sink = AddProducts { input: &[], sums: [unsafe { V::splat(0.0) }; SUMS] };
    for (bytes, input) in blocks.zip(inputs) {
        sink.input = input;
        unsafe { B::widen::<V>(bytes, &mut sink) };
    }
    unsafe { sum::<V>(sink.sums) + rest }
}

#[inline(always)]
unsafe fn several_products<B: Block, V: Vector>(row: &[u8], inputs: &[f32], columns: usize, out: &mut [f32]) {
    let sums = [unsafe { V::splat(0.0) }; MOST_INPUTS];
    let mut sink = AddSeveralProducts { inputs, columns, sums, count: out.len() };
    let blocks = row.chunks_exact(B::BYTES);
    let rest = blocks.remainder();
    for (i, bytes) in blocks.enumerate() {
        sink.inputs = &inputs[i * B::LEN..];
        unsafe { B::widen::<V>(bytes, &mut sink) };
    }
    let start = columns / B::LEN * B::LEN;
    for ((out, input), sum) in out.iter_mut().zip(inputs.chunks_exact(columns)).zip(sink.sums) {
        *out = unsafe { sum.sum() } + rest_product::<B>(rest, &input[start..]);
    }
}

/// Sum of all elements, always in the same order.
#[inline(always)]
pub(super) unsafe fn sum<V: Vector>(sums: [V; SUMS]) -> f32 {
    let [a, b, c, d] = sums;
    unsafe { a.add(c).add(b.add(d)).sum() }
}

/// The product of what is left of a row after its last block, fewer than 32 elements.
#[inline(always)]
pub(super) fn rest_product<B: Block>(bytes: &[u8], input: &[f32]) -> f32 {
    if input.is_empty() {
        return 0.0;
    }
    let mut rest = [0.0f32; 32];
    B::widen_rest(bytes, &mut rest);
    rest.iter().zip(input).map(|(x, y)| x * y).sum()
}

/// Sum of squares of a row.
#[inline(always)]
pub(super) unsafe fn sum_of_squares<V: Vector>(row: &[f32]) -> f32 {
    let mut sums = [unsafe { V::splat(0.0) }; SUMS];
    let chunks = row.chunks_exact(SUMS * V::LEN);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        for (sum, part) in sums.iter_mut().zip(chunk.chunks_exact(V::LEN)) {
            unsafe {
                let part = V::load(part);
                *sum = part.mul_add(part, *sum);
            }
        }
    }
    unsafe { sum::<V>(sums) + rest }
}

/// Widens rows that follow each other.
#[inline(always)]
pub(super) unsafe fn widen<B: Block, V: Vector>(rows: &[u8], columns: usize, out: &mut [f32]) {
    let row_bytes = rows.len() / (out.len() / columns);
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(columns)) {
        let (blocks, mut outs) = (row.chunks_exact(B::BYTES), out.chunks_exact_mut(B::LEN));
        let rest = blocks.remainder();
        for (bytes, out) in blocks.zip(&mut outs) {
            unsafe { B::widen::<V>(bytes, &mut Keep(out)) };
        }
        B::widen_rest(rest, outs.into_remainder());
    }
}
