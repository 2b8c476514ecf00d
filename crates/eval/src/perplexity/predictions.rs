//! [`Predictions`]: what a model predicted at each position of a text.

use crate::results::{DenseAgreement, LossBucket};
use minference_model::generation::logits::{divergence, likeliest, log_probabilities, surprise};
use rayon::prelude::*;
use std::ops::Range;

/// Positions whose whole distributions are held against dense attention's.
const SAMPLED: usize = 128;
/// Distributions that are in memory at most: a method's and dense attention's, and those on their
/// way there.
pub const KEPT_ROWS: usize = 3 * SAMPLED;
/// Bytes for each token of a text, of a method and of dense attention: its loss, and the likeliest
/// token.
pub const BYTES_PER_TOKEN: usize = 2 * (2 * size_of::<f64>() + size_of::<u32>());
/// Positions of the first bucket; each further one ends at twice the position.
const FIRST_BUCKET: usize = 1024;

/// What a model predicted at each position of a text.
pub(super) struct Predictions {
    vocabulary: usize,
    /// Of the tokens from the second one on.
    losses: Vec<f64>,
    likeliest: Vec<u32>,
    /// Distance of the positions whose distributions are kept.
    stride: usize,
    /// Logarithms of probabilities.
    distributions: Vec<Vec<f32>>,
}

impl Predictions {
    pub(super) fn new(vocabulary: usize, positions: usize) -> Self {
        let stride = positions.div_ceil(SAMPLED);
        Self { vocabulary, losses: vec![], likeliest: vec![], stride, distributions: vec![] }
    }

    /// Takes the logits of the next positions, `[rows, vocabulary]`.
    pub(super) fn take(&mut self, logits: &[f32], text: &[u32]) {
        let first = self.losses.len();
        let stride = self.stride;
        let rows: Vec<(f64, u32, Option<Vec<f32>>)> = logits
            .par_chunks_exact(self.vocabulary)
            .enumerate()
            .map(|(i, row)| {
                let position = first + i;
                let kept = position.is_multiple_of(stride).then(|| log_probabilities(row));
                (surprise(row, text[position + 1]), likeliest(row), kept)
            })
            .collect();
        for (loss, best, kept) in rows {
            self.losses.push(loss);
            self.likeliest.push(best);
            self.distributions.extend(kept);
        }
    }

    /// Mean losses by position of the predicted token.
    pub(super) fn buckets(&self) -> Vec<LossBucket> {
        let mean = |positions: Range<usize>| {
            let losses = &self.losses[positions.start - 1..positions.end - 1];
            let loss = losses.iter().sum::<f64>() / losses.len() as f64;
            LossBucket { from: positions.start, to: positions.end, loss }
        };
        bucket_positions(self.losses.len() + 1).into_iter().map(mean).collect()
    }

    pub(super) fn agreement(&self, dense: &Self) -> DenseAgreement {
        let same = self.likeliest.iter().zip(&dense.likeliest).filter(|(a, b)| a == b).count();
        let pairs = dense.distributions.iter().zip(&self.distributions);
        let sum: f64 = pairs.map(|(dense, own)| divergence(dense, own)).sum();
        DenseAgreement {
            same: same as f64 / self.likeliest.len().max(1) as f64,
            same_score: None,
            divergence: sum / self.distributions.len().max(1) as f64,
        }
    }
}

/// Positions 1 to `tokens`, cut at 1024, 2048, 4096 and so on.
fn bucket_positions(tokens: usize) -> Vec<Range<usize>> {
    let (mut from, mut end, mut buckets) = (1, FIRST_BUCKET, Vec::new());
    while from < tokens {
        let to = end.min(tokens);
        buckets.push(from..to);
        (from, end) = (to, 2 * end);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_predicted_position_once() {
        let ends = |tokens| -> Vec<(usize, usize)> {
            bucket_positions(tokens).iter().map(|bucket| (bucket.start, bucket.end)).collect()
        };
        assert_eq!(ends(2), [(1, 2)]);
        assert_eq!(ends(1024), [(1, 1024)]);
        assert_eq!(ends(3000), [(1, 1024), (1024, 2048), (2048, 3000)]);
        assert!(bucket_positions(1).is_empty());
    }

    #[test]
    fn predictions_are_compared_position_by_position() {
        let text = [0, 1, 2];
        let mut even = Predictions::new(4, 2);
        even.take(&[0.0; 8], &text);
        let mut sure = Predictions::new(4, 2);
        sure.take(&[0.0, 9.0, 0.0, 0.0], &text);
        sure.take(&[0.0, 0.0, 0.0, 9.0], &text);
        let bucket = even.buckets()[0];
        assert_eq!((bucket.from, bucket.to), (1, 3));
        assert!((bucket.loss - 4f64.ln()).abs() < 1e-6);
        // right of the first, wrong of the second
        let right = (1.0 + 3.0 * (-9f64).exp()).ln();
        assert!((sure.buckets()[0].loss - (right + 9.0 + right) / 2.0).abs() < 1e-6);
        let agreement = sure.agreement(&even);
        assert_eq!(agreement.same, 0.0);
        assert!(agreement.divergence > 1.0);
        assert_eq!(sure.agreement(&sure), DenseAgreement { same: 1.0, same_score: None, divergence: 0.0 });
    }
}
