//! [`relative_errors`]: how far a sparse output is from the dense one.

use crate::backend::{AttentionBackend, HeadCost};
use crate::error::{Error, Result};
use crate::index::SparseIndex;
use crate::inputs::AttentionInputs;
use crate::view::{TensorView, TensorViewMut};
use rayon::prelude::*;

/// Attends with an index for each head, and compares with the dense output, as [`relative_errors`]
/// does; what the heads took beside it.
///
/// # Errors
/// As for [`AttentionBackend::attend`], and out of memory for the output.
pub fn attention_errors(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    indices: &[SparseIndex],
    dense: TensorView<'_>,
    from: usize,
) -> Result<(Vec<f64>, Vec<HeadCost>)> {
    let shape = inputs.q().shape();
    let elements = shape.iter().product();
    let mut output: Vec<f32> = Vec::new();
    let bytes = size_of::<f32>().saturating_mul(elements);
    output
        .try_reserve_exact(elements)
        .map_err(|_| Error::OutOfMemory { what: "attention's output", bytes })?;
    output.resize(elements, 0.0);
    let costs = backend.attend(inputs, indices, &mut TensorViewMut::new(&mut output, shape)?)?;
    Ok((relative_errors(dense, TensorView::new(&output, shape)?, from)?, costs))
}

/// For each head `‖output - dense‖ / ‖dense‖` in the Frobenius norm, over query rows from `from` on
/// (all rows where there are no more). Both are `[queries, heads, head_dim]`.
///
/// # Errors
/// [`Error::Shape`] where the shapes differ.
pub fn relative_errors(dense: TensorView<'_>, output: TensorView<'_>, from: usize) -> Result<Vec<f64>> {
    if dense.shape() != output.shape() {
        let (expected, found) = (format!("{:?}", dense.shape()), format!("{:?}", output.shape()));
        return Err(Error::Shape { what: "sparse output", expected, found });
    }
    let [tokens, heads, head_dim] = dense.shape();
    let from = if from < tokens { from } else { 0 };
    // A head is one task, its rows in order: sums do not depend on the number of threads.
    let error = |head: usize| {
        let (mut expected, mut found) = (vec![0.0; head_dim], vec![0.0; head_dim]);
        let (mut difference, mut norm) = (0.0f64, 0.0f64);
        for token in from..tokens {
            dense.read_row(token, head, &mut expected);
            output.read_row(token, head, &mut found);
            let (mut row_difference, mut row_norm) = (0.0f32, 0.0f32);
            for (expected, found) in expected.iter().zip(&found) {
                row_difference += (found - expected) * (found - expected);
                row_norm += expected * expected;
            }
            difference += f64::from(row_difference);
            norm += f64::from(row_norm);
        }
        if difference == 0.0 { 0.0 } else { (difference / norm.max(f64::MIN_POSITIVE)).sqrt() }
    };
    Ok((0..heads).into_par_iter().map(error).collect())
}
