//! [`perplexity`]: how well a model predicts texts while it attends sparsely, by position.
//!
//! Each document is read in one pass with each method. The loss of a position is the negative logarithm of the probability that the model
//! gave to the token there, after all before it; the exponential of its mean is the perplexity. Losses are summed up by position, in buckets
//! that double: what a method forgets of the distant past shows at late positions.
//!
//! Which keys matter is estimated from the last 64 queries of the document, and serves all of its positions.

use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, RunStep};
use crate::methods::{Method, Planner, length_class};
use crate::results::{DenseAgreement, LossBucket, PerplexityRecord, ResultsFolder};
use half::f16;
use minference_attention::Progress;
use minference_model::logits::{divergence, likeliest, log_probabilities, surprise};
use minference_model::{Session, SessionOptions};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Positions whose whole distributions are held against dense attention's.
const SAMPLED: usize = 256;
/// Positions of the first bucket; each further one ends at twice the position.
const FIRST_BUCKET: usize = 1024;

/// A text to predict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name, which no other document of the run has.
    pub name: String,
    /// Its tokens; of each length that many of them are read.
    pub tokens: Vec<u32>,
}

/// Predicts the first tokens of each document, for each length that it has, with each method, unless the folder holds that already.
///
/// # Errors
/// A length of less than 2 or beyond the context, a document that is shorter than all lengths, no documents, results that can't be written,
/// whatever the model refuses, cancelled. What was found before stays in the folder.
pub fn perplexity(
    evaluation: &Evaluation<'_>,
    documents: &[Document],
    lengths: &[usize],
    folder: &mut ResultsFolder<PerplexityRecord>,
) -> Result<()> {
    check(documents, lengths, evaluation.context)?;
    let texts: Vec<(&Document, usize)> = lengths
        .iter()
        .flat_map(|&length| documents.iter().map(move |document| (document, length)))
        .filter(|(document, length)| document.tokens.len() >= *length)
        .collect();
    let methods = evaluation.methods.in_order_of_running();
    let planner =
        Planner::new(evaluation.model, evaluation.compute, evaluation.element_type, evaluation.minference);
    let mut run = Run { evaluation, planner, texts: &texts, done: 0, steps: texts.len() * methods.len() };
    for &(document, length) in &texts {
        let found = |method: &Method| find(folder.records(), document, length, *method).is_some();
        let missing: Vec<Method> = methods.iter().copied().filter(|method| !found(method)).collect();
        run.done += methods.len() - missing.len();
        run.text(document, length, &missing, folder)?;
    }
    Ok(())
}

fn check(documents: &[Document], lengths: &[usize], context: usize) -> Result<()> {
    if documents.is_empty() {
        return Err(Error::choice("documents", "at least one", "none"));
    }
    if lengths.is_empty() {
        return Err(Error::choice("lengths", "at least one", "none"));
    }
    if let Some(length) = lengths.iter().find(|&&length| length < 2 || length > context) {
        return Err(Error::choice("length", format!("2 to {context} tokens, the context"), length));
    }
    let shortest = lengths.iter().copied().min().unwrap_or(0);
    match documents.iter().find(|document| document.tokens.len() < shortest) {
        Some(Document { name, tokens }) => Err(Error::choice(
            format!("document {name}"),
            format!("at least {shortest} tokens"),
            tokens.len(),
        )),
        None => Ok(()),
    }
}

fn find<'a>(
    records: &'a [PerplexityRecord],
    document: &Document,
    length: usize,
    method: Method,
) -> Option<&'a PerplexityRecord> {
    let method = method.to_string();
    records
        .iter()
        .find(|record| record.document == document.name && record.length == length && record.method == method)
}

struct Run<'a> {
    evaluation: &'a Evaluation<'a>,
    planner: Planner<'a>,
    texts: &'a [(&'a Document, usize)],
    done: usize,
    steps: usize,
}

impl Run<'_> {
    fn text(
        &mut self,
        document: &Document,
        length: usize,
        missing: &[Method],
        folder: &mut ResultsFolder<PerplexityRecord>,
    ) -> Result<()> {
        let mut dense = None;
        if self.evaluation.methods.contains(&Method::Dense)
            && !missing.is_empty()
            && !missing.contains(&Method::Dense)
        {
            // its record is there, its distributions are not
            dense = Some(self.read(document, length, Method::Dense, None)?.1);
        }
        for &method in missing {
            let share = find(folder.records(), document, length, Method::Minference);
            let (mut record, predictions) =
                self.read(document, length, method, share.map(|record| record.computed_share))?;
            record.dense = dense.as_ref().map(|dense| predictions.agreement(dense));
            folder.append(&[record])?;
            if method == Method::Dense {
                dense = Some(predictions);
            }
            self.done += 1;
        }
        Ok(())
    }

    /// Reads a text with a method.
    fn read(
        &mut self,
        document: &Document,
        length: usize,
        method: Method,
        share: Option<f64>,
    ) -> Result<(PerplexityRecord, Predictions)> {
        let Evaluation { model, compute, element_type, progress, .. } = self.evaluation;
        progress.begin(&RunStep { done: self.done, steps: self.steps, sample: &document.name, method });
        let watcher: Arc<dyn Progress> = progress.clone();
        if method == Method::Static && self.planner.lacks_fixed(length) {
            let class = length_class(length);
            let first = self.texts.iter().find(|(_, length)| length_class(*length) == class);
            let (first, tokens) = first.map_or((document, length), |&(first, tokens)| (first, tokens));
            self.planner.fix(length, &first.tokens[..tokens], Some(&watcher))?;
        }
        let planned = self.planner.plan(method, length, length, share)?;
        let text = &document.tokens[..length];
        // the last token is predicted, not read
        let read = &text[..length - 1];
        let options = SessionOptions {
            capacity: read.len(),
            rope_tokens: Some(read.len()),
            element_type: *element_type,
        };
        let mut session = Session::new(model.decoder().clone(), (*compute).clone(), options)?;
        let mut predictions = Predictions::new(model.decoder().config().vocabulary, read.len());
        let start = std::time::Instant::now();
        let report = session.score(read, &planned.plan, Some(watcher), &mut |logits| {
            predictions.take(logits, text);
            Ok(())
        })?;
        let record = PerplexityRecord {
            document: document.name.clone(),
            length,
            method: method.to_string(),
            pattern: planned.pattern,
            buckets: predictions.buckets(),
            dense: None,
            computed_share: report.computed_share(),
            seconds: start.elapsed().as_secs_f64(),
        };
        Ok((record, predictions))
    }
}

/// What a model predicted at each position of a text.
struct Predictions {
    vocabulary: usize,
    /// Of the tokens from the second one on.
    losses: Vec<f64>,
    likeliest: Vec<u32>,
    /// Distance of the positions whose distributions are kept.
    stride: usize,
    /// Logarithms of probabilities; in 16 bits, as they are many.
    distributions: Vec<Vec<f16>>,
}

impl Predictions {
    fn new(vocabulary: usize, positions: usize) -> Self {
        let stride = positions.div_ceil(SAMPLED);
        Self { vocabulary, losses: vec![], likeliest: vec![], stride, distributions: vec![] }
    }

    /// Takes the logits of the next positions, `[rows, vocabulary]`.
    fn take(&mut self, logits: &[f32], text: &[u32]) {
        let first = self.losses.len();
        let stride = self.stride;
        let rows: Vec<(f64, u32, Option<Vec<f16>>)> = logits
            .par_chunks_exact(self.vocabulary)
            .enumerate()
            .map(|(i, row)| {
                let position = first + i;
                let kept = position
                    .is_multiple_of(stride)
                    .then(|| log_probabilities(row).into_iter().map(f16::from_f32).collect());
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
    fn buckets(&self) -> Vec<LossBucket> {
        let mean = |positions: Range<usize>| {
            let losses = &self.losses[positions.start - 1..positions.end - 1];
            let loss = losses.iter().sum::<f64>() / losses.len() as f64;
            LossBucket { from: positions.start, to: positions.end, loss }
        };
        bucket_positions(self.losses.len() + 1).into_iter().map(mean).collect()
    }

    fn agreement(&self, dense: &Self) -> DenseAgreement {
        let same = self.likeliest.iter().zip(&dense.likeliest).filter(|(a, b)| a == b).count();
        let wide = |row: &[f16]| -> Vec<f32> { row.iter().map(|value| value.to_f32()).collect() };
        let pairs = dense.distributions.par_iter().zip(&self.distributions);
        let sum: f64 =
            pairs.map(|(dense, own)| divergence(&wide(dense), &wide(own))).collect::<Vec<_>>().iter().sum();
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
        assert_eq!(bucket_positions(2), [1..2]);
        assert_eq!(bucket_positions(1024), [1..1024]);
        assert_eq!(bucket_positions(3000), [1..1024, 1024..2048, 2048..3000]);
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
