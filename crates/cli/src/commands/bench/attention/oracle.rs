//! How far a method's output is from the float64 oracle's, on some of its rows.

use crate::terminal::Interrupt;
use anyhow::Result;
use minference_attention::conformance::relative_square;
use minference_attention::index::BLOCK;
use minference_attention::synthetic::Random;
use minference_attention::{AttentionInputs, Lowering, SparseIndex, reference};

/// Rows that are compared with the oracle, as (token, head): the last one and some others, of two
/// heads at most.
pub(super) fn sample_rows(inputs: &AttentionInputs<'_>) -> Vec<(usize, usize)> {
    let tokens = inputs.q().tokens();
    let mut random = Random::new(tokens as u64);
    let mut rows = vec![tokens - 1];
    rows.extend((0..7).map(|_| random.below(tokens)));
    let heads = [0, inputs.heads() - 1];
    rows.iter().enumerate().map(|(i, &token)| (token, heads[i % 2])).collect()
}

/// The oracle's output for the sampled rows.
pub(super) fn oracle_rows(
    inputs: &AttentionInputs<'_>,
    indices: &[SparseIndex],
    sampled: &[(usize, usize)],
    interrupt: &Interrupt,
) -> Result<Vec<Vec<f64>>> {
    let row = |&(token, head): &(usize, usize)| {
        interrupt.check()?;
        let lowering = Lowering::new(&indices[head], inputs.geometry())?;
        Ok(reference::attend_row(inputs, &lowering.layout(token / BLOCK), head, token))
    };
    sampled.iter().map(row).collect()
}

/// Root of the mean over rows of squared relative errors.
pub(super) fn relative_error(rows: &[Vec<f32>], expected: &[Vec<f64>]) -> f64 {
    let sum: f64 = rows.iter().zip(expected).map(|(row, expected)| relative_square(row, expected)).sum();
    (sum / rows.len() as f64).sqrt()
}
