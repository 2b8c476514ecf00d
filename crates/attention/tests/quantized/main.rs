//! Tensors in 8 and 4 bits: how far numbers are off, and that every kernel reads them.

mod kernels;
mod not_finite;
mod rounding;
mod tokens;

use minference_attention::TensorView;
use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor};

/// Around the groups of 128 tokens, the first of which is complete when another 128 have come.
const LENGTHS: [usize; 9] = [1, 127, 128, 129, 255, 256, 257, 300, 513];
const HEAD_DIMS: [usize; 4] = [8, 24, 64, 128];
const BITS: [CodeBits; 2] = [CodeBits::Eight, CodeBits::Four];
const GROUPINGS: [Grouping; 2] = [Grouping::PerToken, Grouping::PerChannel];

fn quantized(
    values: &[f32],
    [heads, head_dim]: [usize; 2],
    bits: CodeBits,
    grouping: Grouping,
) -> QuantizedTensor {
    let capacity = values.len() / heads / head_dim;
    let mut tensor =
        QuantizedTensor::with_capacity("test", capacity, [heads, head_dim], bits, grouping).unwrap();
    tensor.append(values);
    assert_eq!(tensor.view().shape(), [capacity, heads, head_dim]);
    tensor
}

/// All rows, `[tokens, heads, head_dim]`.
fn read(view: TensorView<'_>) -> Vec<f32> {
    let [tokens, heads, head_dim] = view.shape();
    let mut all = vec![0.0; tokens * heads * head_dim];
    for (i, row) in all.chunks_exact_mut(head_dim).enumerate() {
        view.read_row(i / heads, i % heads, row);
    }
    all
}
