//! The oracle: attention in `f64`, dense, under [`KeyLayout::contains`]. Slow and obvious; every
//! kernel faces it.

use crate::element::ElementType;
use crate::error::Result;
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use crate::layout::KeyLayout;
use crate::lowering::Lowering;
use crate::view::TensorView;

/// A row of a tensor, widened.
fn read(tensor: TensorView<'_>, token: usize, head: usize) -> Vec<f64> {
    let mut row = vec![0.0f32; tensor.head_dim()];
    tensor.read_row(token, head, &mut row);
    row.into_iter().map(f64::from).collect()
}

/// The keys that one query row sees under its block's layout, each with its probability.
fn probabilities(
    inputs: &AttentionInputs<'_>,
    layout: &KeyLayout,
    head: usize,
    token: usize,
) -> Vec<(usize, f64)> {
    let i = inputs.geometry().offset() + token;
    let kv_head = head / inputs.group_size();
    let query = read(inputs.q(), token, head);
    let score = |j: usize| {
        let key = read(inputs.k(), j, kv_head);
        let product: f64 = query.iter().zip(&key).map(|(q, k)| q * k).sum();
        (j, product * f64::from(inputs.scale()))
    };
    let scores: Vec<_> = (0..=i).filter(|&j| layout.contains(i, j)).map(score).collect();
    let maximum = scores.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|(_, score)| (score - maximum).exp()).sum();
    scores.into_iter().map(|(j, score)| (j, (score - maximum).exp() / sum)).collect()
}

/// Attention of one query row (a token of the chunk, not a position) of one head over the keys of
/// its block's layout, in `f64`. Returns `[head_dim]`.
pub fn attend_row(inputs: &AttentionInputs<'_>, layout: &KeyLayout, head: usize, token: usize) -> Vec<f64> {
    let mut output = vec![0.0; inputs.head_dim()];
    for (j, p) in probabilities(inputs, layout, head, token) {
        let value = read(inputs.v(), j, head / inputs.group_size());
        output.iter_mut().zip(value).for_each(|(o, v)| *o += p * v);
    }
    output
}

/// What the last `last_queries` queries of a head give each key together: the columns of
/// [`LineScores`](crate::backend::LineScores), in `f64`. Returns `[keys]`.
///
/// # Errors
/// None that valid inputs cause.
pub fn column_scores(inputs: &AttentionInputs<'_>, head: usize, last_queries: usize) -> Result<Vec<f64>> {
    let (geometry, dense) = (inputs.geometry(), SparseIndex::Dense);
    let lowering = Lowering::new(&dense, geometry)?;
    let mut columns = vec![0.0; geometry.keys()];
    for token in geometry.queries() - last_queries..geometry.queries() {
        for (j, p) in probabilities(inputs, &lowering.layout(token / BLOCK), head, token) {
            columns[j] += p;
        }
    }
    Ok(columns)
}

/// Attention of all heads under their indices, in `f64`: `[queries, heads, head_dim]`.
///
/// # Errors
/// Indices that don't fit the inputs.
pub fn attend(inputs: &AttentionInputs<'_>, indices: &[SparseIndex]) -> Result<Vec<f64>> {
    let geometry = inputs.geometry();
    let lowerings: Vec<Lowering<'_>> =
        indices.iter().map(|index| Lowering::new(index, geometry)).collect::<Result<_>>()?;
    let mut output = Vec::with_capacity(geometry.queries() * inputs.heads() * inputs.head_dim());
    for token in 0..geometry.queries() {
        for (head, lowering) in lowerings.iter().enumerate() {
            output.extend(attend_row(inputs, &lowering.layout(token / BLOCK), head, token));
        }
    }
    Ok(output)
}

/// What a plain implementation in `precision` gives for one row: inputs and probabilities are
/// rounded to it, products and sums are `f32`, in order. Kernels may be at most twice as far from
/// the oracle as this.
pub fn plain_row(
    inputs: &AttentionInputs<'_>,
    layout: &KeyLayout,
    head: usize,
    token: usize,
    precision: ElementType,
) -> Vec<f32> {
    let read = |tensor: crate::TensorView<'_>, token, head| -> Vec<f32> {
        let mut row = vec![0.0f32; inputs.head_dim()];
        tensor.read_row(token, head, &mut row);
        row.into_iter().map(|x| precision.round(x)).collect()
    };
    let i = inputs.geometry().offset() + token;
    let kv_head = head / inputs.group_size();
    let query = read(inputs.q(), token, head);
    let keys: Vec<usize> = (0..=i).filter(|&j| layout.contains(i, j)).collect();
    let scores: Vec<f32> = keys
        .iter()
        .map(|&j| {
            let key = read(inputs.k(), j, kv_head);
            query.iter().zip(&key).map(|(q, k)| q * k).sum::<f32>() * inputs.scale()
        })
        .collect();
    let maximum = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f32;
    let mut output = vec![0.0f32; inputs.head_dim()];
    for (&j, score) in keys.iter().zip(scores) {
        let p = (score - maximum).exp();
        sum += p;
        let p = precision.round(p);
        output.iter_mut().zip(read(inputs.v(), j, kv_head)).for_each(|(o, v)| *o += p * v);
    }
    output.iter_mut().for_each(|o| *o /= sum);
    output
}
