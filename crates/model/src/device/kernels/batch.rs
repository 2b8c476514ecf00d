//! Products of stored matrix rows with several `f32` rows that have nothing to do with each other:
//! tokens of several sessions. Each product is summed as [`products`](super::product::products)
//! sums that of a single row, so that a session's results do not depend on its company. A block is
//! widened once for up to [`GROUP`] rows.

// SAFETY: one contract for the unsafe functions here: the machine has the vectors' instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::blocks::{BlockFormat, VectorSink};
use super::product::{SUMS, rest_product, sum};
use minference_attention::cpu::simd::Simd;

/// Input rows that share the widening of a block: their sums still fit into the nearest cache.
const GROUP: usize = 4;

/// Products of consecutive matrix rows with `inputs`, `[inputs][columns]`; `out` is
/// `[rows][inputs]`.
#[inline(always)]
pub(super) unsafe fn batch_products<B: BlockFormat, S: Simd>(
    rows: &[u8],
    inputs: &[f32],
    columns: usize,
    out: &mut [f32],
) {
    let count = inputs.len() / columns;
    let row_bytes = rows.len() / (out.len() / count);
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
        for (inputs, out) in inputs.chunks(GROUP * columns).zip(out.chunks_mut(GROUP)) {
            unsafe {
                match out.len() {
                    1 => group_products::<B, S, 1>(row, inputs, columns, out),
                    2 => group_products::<B, S, 2>(row, inputs, columns, out),
                    3 => group_products::<B, S, 3>(row, inputs, columns, out),
                    _ => group_products::<B, S, GROUP>(row, inputs, columns, out),
                }
            }
        }
    }
}

/// Adds products with each of `N` inputs, which lie `columns` apart.
struct AddGroupProducts<'a, S: Simd, const N: usize> {
    inputs: &'a [f32],
    columns: usize,
    sums: [[S::Float; SUMS]; N],
}

impl<S: Simd, const N: usize> VectorSink<S> for AddGroupProducts<'_, S, N> {
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, elements: S::Float) {
        for (i, sums) in self.sums.iter_mut().enumerate() {
            let sum = &mut sums[at / S::LANES % SUMS];
            *sum =
                unsafe { S::mul_add(elements, S::load_slice(&self.inputs[i * self.columns + at..]), *sum) };
        }
    }
}

/// Products of one matrix row with `N` inputs. Each has [`SUMS`] sums in turn, so that it need not
/// wait for the sum before it.
#[inline(always)]
pub(super) unsafe fn group_products<B: BlockFormat, S: Simd, const N: usize>(
    row: &[u8],
    inputs: &[f32],
    columns: usize,
    out: &mut [f32],
) {
    let sums = [[unsafe { S::splat(0.0) }; SUMS]; N];
    let mut sink = AddGroupProducts::<S, N> { inputs, columns, sums };
    let blocks = row.chunks_exact(B::BYTES);
    let rest = blocks.remainder();
    for (i, bytes) in blocks.enumerate() {
        sink.inputs = &inputs[i * B::LEN..];
        unsafe { B::widen::<S>(bytes, &mut sink) };
    }
    let start = columns / B::LEN * B::LEN;
    for ((out, input), sums) in out.iter_mut().zip(inputs.chunks_exact(columns)).zip(sink.sums) {
        *out = unsafe { sum::<S>(sums) + rest_product::<B>(rest, &input[start..]) };
    }
}
