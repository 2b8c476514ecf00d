//! Products of stored matrix rows with a few `f32` rows: decoding's kernel.
//!
//! ```text
//! for each matrix row, for each of its blocks:
//!     for each vector of the block, unpacked and widened in registers:
//!         for each input: sums[input] += vector . input's elements at the same place
//! out[row][input] = sum of the lanes of sums[input]
//! ```
//!
//! A block is widened once, for all inputs. A single input has several sums in turn, so that a
//! product need not wait for the sum before it.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::blocks::{BlockFormat, VectorSink};
use minference_attention::cpu::simd::Simd;

pub(super) use super::batch::batch_products;
use super::batch::group_products;

/// Input rows that one pass over the matrix serves.
pub(crate) const MOST_INPUTS: usize = 8;
/// Sums of one product that don't wait for each other.
pub(super) const SUMS: usize = 4;

/// Products of consecutive matrix rows with `inputs`, `[inputs][columns]`; `out` is
/// `[rows][inputs]`.
#[inline(always)]
pub(super) unsafe fn products<B: BlockFormat, S: Simd>(
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
                [_] => group_products::<B, S, 1>(row, inputs, columns, out),
                out => several_products::<B, S>(row, inputs, columns, out),
            }
        }
    }
}

/// Adds products with several inputs, which lie `columns` apart.
struct AddSeveralProducts<'a, S: Simd> {
    inputs: &'a [f32],
    columns: usize,
    sums: [S::Float; MOST_INPUTS],
    count: usize,
}

impl<S: Simd> VectorSink<S> for AddSeveralProducts<'_, S> {
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, elements: S::Float) {
        for (i, sum) in self.sums[..self.count].iter_mut().enumerate() {
            *sum =
                unsafe { S::mul_add(elements, S::load_slice(&self.inputs[i * self.columns + at..]), *sum) };
        }
    }
}

/// Keeps the elements.
struct StoreElements<'a>(&'a mut [f32]);

impl<S: Simd> VectorSink<S> for StoreElements<'_> {
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, elements: S::Float) {
        unsafe { S::store_slice(&mut self.0[at..], elements) }
    }
}

#[inline(always)]
unsafe fn several_products<B: BlockFormat, S: Simd>(
    row: &[u8],
    inputs: &[f32],
    columns: usize,
    out: &mut [f32],
) {
    let sums = [unsafe { S::splat(0.0) }; MOST_INPUTS];
    let mut sink = AddSeveralProducts::<S> { inputs, columns, sums, count: out.len() };
    let blocks = row.chunks_exact(B::BYTES);
    let rest = blocks.remainder();
    for (i, bytes) in blocks.enumerate() {
        sink.inputs = &inputs[i * B::LEN..];
        unsafe { B::widen::<S>(bytes, &mut sink) };
    }
    let start = columns / B::LEN * B::LEN;
    for ((out, input), sum) in out.iter_mut().zip(inputs.chunks_exact(columns)).zip(sink.sums) {
        *out = unsafe { S::sum_lanes(sum) } + rest_product::<B>(rest, &input[start..]);
    }
}

/// Sum of all elements, always in the same order.
#[inline(always)]
pub(super) unsafe fn sum<S: Simd>(sums: [S::Float; SUMS]) -> f32 {
    let [a, b, c, d] = sums;
    unsafe { S::sum_lanes(S::add(S::add(a, c), S::add(b, d))) }
}

/// The product of what is left of a row after its last block, fewer than 32 elements.
#[inline(always)]
pub(super) fn rest_product<B: BlockFormat>(bytes: &[u8], input: &[f32]) -> f32 {
    if input.is_empty() {
        return 0.0;
    }
    let mut rest = [0.0f32; 32];
    B::widen_rest(bytes, &mut rest);
    rest.iter().zip(input).map(|(x, y)| x * y).sum()
}

/// Sum of squares of a row.
#[inline(always)]
pub(super) unsafe fn sum_of_squares<S: Simd>(row: &[f32]) -> f32 {
    let mut sums = [unsafe { S::splat(0.0) }; SUMS];
    let chunks = row.chunks_exact(SUMS * S::LANES);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        for (sum, part) in sums.iter_mut().zip(chunk.chunks_exact(S::LANES)) {
            unsafe {
                let part = S::load_slice(part);
                *sum = S::mul_add(part, part, *sum);
            }
        }
    }
    unsafe { sum::<S>(sums) + rest }
}

/// Widens rows that follow each other.
#[inline(always)]
pub(super) unsafe fn widen<B: BlockFormat, S: Simd>(rows: &[u8], columns: usize, out: &mut [f32]) {
    let row_bytes = rows.len() / (out.len() / columns);
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(columns)) {
        let (blocks, mut outs) = (row.chunks_exact(B::BYTES), out.chunks_exact_mut(B::LEN));
        let rest = blocks.remainder();
        for (bytes, out) in blocks.zip(&mut outs) {
            unsafe { B::widen::<S>(bytes, &mut StoreElements(out)) };
        }
        B::widen_rest(rest, outs.into_remainder());
    }
}
