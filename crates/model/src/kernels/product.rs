//! Products of stored matrix rows with a few `f32` rows: decoding's kernel. A block is widened once, for all of them.

use super::blocks::Block;
use super::rows::sum_lanes;
use super::{LANES, MulAdd};

/// Input rows that one pass over the matrix serves.
pub(crate) const MOST_INPUTS: usize = 8;

/// `out[input][row] = matrix[row] · inputs[input]` for one row of a matrix: calls `result` with each input's number and its
/// product.
#[inline(always)]
pub(super) fn row_products<B: Block, M: MulAdd>(
    row: &[u8],
    inputs: &[f32],
    columns: usize,
    mut result: impl FnMut(usize, f32),
) {
    let count = inputs.len() / columns;
    if count == 1 {
        return result(0, one_product::<B, M>(row, inputs));
    }
    let mut sums = [[0.0f32; LANES]; MOST_INPUTS];
    let mut block = [0.0f32; 256];
    let block = &mut block[..B::LEN];
    let blocks = row.chunks_exact(B::BYTES);
    let rest = blocks.remainder();
    for (i, bytes) in blocks.enumerate() {
        B::widen::<M>(bytes, block);
        for (sums, input) in sums.iter_mut().zip(inputs.chunks_exact(columns)) {
            accumulate::<M>(block, &input[i * B::LEN..(i + 1) * B::LEN], sums);
        }
    }
    let start = columns / B::LEN * B::LEN;
    for (i, input) in inputs.chunks_exact(columns).enumerate() {
        result(i, sum_lanes(&sums[i]) + rest_product::<B>(rest, &input[start..]));
    }
}

#[inline(always)]
fn one_product<B: Block, M: MulAdd>(row: &[u8], input: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let mut block = [0.0f32; 256];
    let block = &mut block[..B::LEN];
    let (blocks, inputs) = (row.chunks_exact(B::BYTES), input.chunks_exact(B::LEN));
    let rest = rest_product::<B>(blocks.remainder(), inputs.remainder());
    for (bytes, input) in blocks.zip(inputs) {
        B::widen::<M>(bytes, block);
        accumulate::<M>(block, input, &mut sums);
    }
    sum_lanes(&sums) + rest
}

/// The product of what is left of a row after its last block, fewer than 32 elements.
#[inline(always)]
fn rest_product<B: Block>(bytes: &[u8], input: &[f32]) -> f32 {
    if input.is_empty() {
        return 0.0;
    }
    let mut rest = [0.0f32; 32];
    B::widen_rest(bytes, &mut rest);
    rest.iter().zip(input).map(|(x, y)| x * y).sum()
}

#[inline(always)]
fn accumulate<M: MulAdd>(a: &[f32], b: &[f32], sums: &mut [f32; LANES]) {
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum = M::mul_add(*x, *y, *sum);
        }
    }
}
