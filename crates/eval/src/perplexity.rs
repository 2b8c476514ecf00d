//! [`perplexity`]: how well a model predicts texts while it attends sparsely, by position.
//!
//! Each document is read in one pass with each method. The loss of a position is the negative
//! logarithm of the probability that the model gave to the token there, after all before it; the
//! exponential of its mean is the perplexity. Losses are summed up by position, in buckets that
//! double: what a method forgets of the distant past shows at late positions.
//!
//! Which keys matter is estimated from the last 64 queries of the document, and serves all of its
//! positions.

mod predictions;

use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, RunStep};
use crate::methods::{AttentionMethod, Methods, Planner, PromptFacts, Variant};
use crate::results::{PerplexityRecord, ResultsFolder};
use minference_attention::Progress;
use minference_model::{Session, SessionOptions};
use predictions::Predictions;
use std::sync::Arc;

pub use predictions::{BYTES_PER_TOKEN, KEPT_ROWS};

/// A text to predict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name, which no other document of the run has.
    pub name: String,
    /// Its tokens; of each length that many of them are read.
    pub tokens: Vec<u32>,
}

/// Predicts the first tokens of each document, for each length that it has, with each method,
/// unless the folder holds that already. What was not held against dense attention is predicted
/// again, if that is among the methods now.
///
/// # Errors
/// Methods in chunks or with compression, a length of less than 2 or beyond the context, a document
/// that is shorter than all lengths, no documents, results that can't be written, errors of the
/// model, cancelled. Results that were found before stay in the folder.
pub fn perplexity(
    evaluation: &Evaluation<'_>,
    documents: &[Document],
    lengths: &[usize],
    folder: &mut ResultsFolder<PerplexityRecord>,
) -> Result<()> {
    check(documents, lengths, evaluation.context)?;
    check_methods(evaluation.methods)?;
    let compares = evaluation.methods.contains(&Variant::DENSE);
    let dense = Variant::DENSE.to_string();
    folder.retain(|record| !compares || record.method == dense || record.dense.is_some())?;
    let texts: Vec<(&Document, usize)> = lengths
        .iter()
        .flat_map(|&length| documents.iter().map(move |document| (document, length)))
        .filter(|(document, length)| document.tokens.len() >= *length)
        .collect();
    let methods = evaluation.methods.in_order_of_running();
    let planner = Planner::new(evaluation.model, evaluation.compute, evaluation.cache, evaluation.minference);
    let mut run =
        DocumentRun { evaluation, planner, texts: &texts, done: 0, steps: texts.len() * methods.len() };
    for &(document, length) in &texts {
        let found = |method: &Variant| find(folder.records(), document, length, *method).is_some();
        let missing: Vec<Variant> = methods.iter().copied().filter(|method| !found(method)).collect();
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

/// Refuses variants that a single pass with all of its logits does not have.
///
/// # Errors
/// [`Error::Choice`] for methods in chunks or with compression.
pub fn check_methods(methods: &Methods) -> Result<()> {
    match methods.iter().find(|&&variant| variant != Variant::plain(variant.method)) {
        Some(variant) => {
            let expected = "neither chunks nor compression: a text is read in one pass, and compression drops what only later tokens would see";
            Err(Error::choice("methods of perplexity", expected, variant))
        }
        None => Ok(()),
    }
}

fn find<'a>(
    records: &'a [PerplexityRecord],
    document: &Document,
    length: usize,
    variant: Variant,
) -> Option<&'a PerplexityRecord> {
    let method = variant.to_string();
    records
        .iter()
        .find(|record| record.document == document.name && record.length == length && record.method == method)
}

struct DocumentRun<'a> {
    evaluation: &'a Evaluation<'a>,
    planner: Planner<'a>,
    texts: &'a [(&'a Document, usize)],
    done: usize,
    steps: usize,
}

impl DocumentRun<'_> {
    fn text(
        &mut self,
        document: &Document,
        length: usize,
        missing: &[Variant],
        folder: &mut ResultsFolder<PerplexityRecord>,
    ) -> Result<()> {
        let has_dense = find(folder.records(), document, length, Variant::DENSE).is_some();
        let mut dense = None;
        if has_dense && !missing.is_empty() {
            // its record is there, its distributions are not
            dense = Some(self.read(document, length, Variant::DENSE, folder.records())?.1);
        }
        for &variant in missing {
            let (mut record, predictions) = self.read(document, length, variant, folder.records())?;
            record.dense = dense.as_ref().map(|dense| predictions.agreement(dense));
            folder.append(&[record])?;
            if variant == Variant::DENSE {
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
        variant: Variant,
        records: &[PerplexityRecord],
    ) -> Result<(PerplexityRecord, Predictions)> {
        let Evaluation { model, compute, cache, progress, .. } = self.evaluation;
        progress.begin(&RunStep { done: self.done, steps: self.steps, sample: &document.name, variant });
        let watcher: Arc<dyn Progress> = progress.clone();
        let group = length.to_string();
        if variant.method == AttentionMethod::Static && self.planner.lacks_fixed(&group) {
            self.fix(document, length, records)?;
        }
        let share = find(records, document, length, Variant::MINFERENCE);
        let share = share.map(|record| record.computed_share);
        let planned =
            self.planner.plan(variant.method, PromptFacts { tokens: length, group: &group, share })?;
        let text = &document.tokens[..length];
        // the last token is predicted, not read
        let read = &text[..length - 1];
        let options = SessionOptions { capacity: read.len(), cache: *cache };
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
            method: variant.to_string(),
            pattern: planned.pattern,
            fixed_by: planned.fixed_by,
            buckets: predictions.buckets(),
            dense: None,
            computed_share: report.computed_share(),
            seconds: start.elapsed().as_secs_f64(),
        };
        Ok((record, predictions))
    }

    /// Fixes the indices of a length: those of the document that an earlier run used, or else of
    /// this one.
    fn fix(&mut self, document: &Document, length: usize, records: &[PerplexityRecord]) -> Result<()> {
        let watcher: Arc<dyn Progress> = self.evaluation.progress.clone();
        let earlier =
            records.iter().find_map(|record| record.fixed_by.as_ref().filter(|_| record.length == length));
        let first = match earlier {
            None => document,
            Some(name) => {
                let found = self.texts.iter().find(|(document, _)| document.name == *name);
                found.map(|(document, _)| *document).ok_or_else(|| {
                    let expected = format!("{name} among them, whose index the others have");
                    Error::choice("documents for static", expected, "others")
                })?
            }
        };
        self.planner.fix(&length.to_string(), &first.name, &first.tokens[..length], Some(&watcher))
    }
}
