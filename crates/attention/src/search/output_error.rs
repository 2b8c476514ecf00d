//! [`relative_errors`]: how far a sparse output is from the dense one.

use crate::error::{Error, Result};
use crate::view::TensorView;
use rayon::prelude::*;

/// For each head `‖output - dense‖ / ‖dense‖` in the Frobenius norm, over query rows from `from` on (all rows where there are no more).
/// Both are `[queries, heads, head_dim]`.
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
