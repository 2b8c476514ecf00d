//! [`SampleRun`]: samples, one after the other, with the methods that are missing.

use super::answers::MethodAnswers;
use super::dense::{DenseAnswers, agreement};
use super::encoded::EncodedSample;
use super::{Evaluation, RunStep};
use crate::error::{Error, Result};
use crate::methods::{AttentionMethod, Planner, PromptFacts, Variant};
use crate::results::{AnswerRecord, References, ResultsFolder};
use crate::sample::{SampleSource, TaskSample};
use minference_attention::Progress;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run at work.
pub(super) struct SampleRun<'a> {
    pub(super) evaluation: &'a Evaluation<'a>,
    pub(super) planner: Planner<'a>,
    pub(super) references: References,
    pub(super) source: &'a dyn SampleSource,
    pub(super) names: &'a [String],
    pub(super) outside: Duration,
    pub(super) done: usize,
    pub(super) steps: usize,
}

impl SampleRun<'_> {
    /// Makes a sample and answers it with the methods that are missing.
    pub(super) fn sample(
        &mut self,
        number: usize,
        missing: &[Variant],
        folder: &mut ResultsFolder<AnswerRecord>,
    ) -> Result<()> {
        let before = self.outside;
        let encoded = self.encode(number)?;
        let sample = &encoded.sample;
        // divided among all records that this makes
        let outside = (self.outside - before).as_secs_f64() / (missing.len() * sample.questions.len()) as f64;

        let mut dense = None;
        if !missing.contains(&Variant::DENSE) {
            dense = self.dense_again(&encoded, folder.records())?;
        }
        for &variant in missing {
            let answers = self.answer(&encoded, variant, folder.records())?;
            let start = Instant::now();
            let mut records = answers.records(sample, variant, outside);
            if variant == Variant::DENSE {
                self.references.write(&sample.name, &answers.distributions)?;
                dense = Some(DenseAnswers::new(&records, answers.distributions));
            } else if let Some(dense) = &dense {
                for (record, distribution) in records.iter_mut().zip(&answers.distributions) {
                    record.dense = Some(agreement(record, distribution, dense));
                }
            }
            folder.append(&records)?;
            self.outside += start.elapsed();
            self.done += 1;
        }
        Ok(())
    }

    fn encode(&mut self, number: usize) -> Result<EncodedSample> {
        let start = Instant::now();
        let encoder = &self.evaluation.encoder;
        let sample = self.source.sample(number, encoder)?;
        let encoded =
            EncodedSample::new(sample, encoder, self.evaluation.context, self.evaluation.protocol.session);
        self.outside += start.elapsed();
        encoded
    }

    /// Dense attention's answers of an earlier run, if there are any, with distributions that were
    /// kept or are computed again.
    fn dense_again(
        &mut self,
        encoded: &EncodedSample,
        records: &[AnswerRecord],
    ) -> Result<Option<DenseAnswers>> {
        let sample = &encoded.sample;
        let records: Vec<AnswerRecord> = records_of(records, sample, Variant::DENSE).cloned().collect();
        if records.is_empty() {
            return Ok(None);
        }
        let distributions = match self.references.read(&sample.name, sample.questions.len()) {
            Some(distributions) => distributions,
            None => {
                let answers = self.answer(encoded, Variant::DENSE, &records)?;
                self.references.write(&sample.name, &answers.distributions)?;
                answers.distributions
            }
        };
        Ok(Some(DenseAnswers::new(&records, distributions)))
    }

    fn answer(
        &mut self,
        encoded: &EncodedSample,
        variant: Variant,
        records: &[AnswerRecord],
    ) -> Result<MethodAnswers> {
        let sample = &encoded.sample;
        let progress = &self.evaluation.progress;
        progress.begin(&RunStep { done: self.done, steps: self.steps, sample: &sample.name, variant });
        let group = format!("{}/{}", sample.task, sample.length);
        if variant.method == AttentionMethod::Static && self.planner.lacks_fixed(&group) {
            self.fix(&group, encoded, records)?;
        }
        let shares: Vec<f64> =
            records_of(records, sample, Variant::MINFERENCE).map(|record| record.computed_share).collect();
        let prompt = PromptFacts {
            tokens: encoded.prompts[0].len(),
            group: &group,
            share: (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64),
        };
        MethodAnswers::new(self.evaluation, encoded, &variant, self.planner.plan(variant.method, prompt)?)
    }

    /// Fixes the indices of a group: those of the sample that an earlier run used, or else of this
    /// one.
    fn fix(&mut self, group: &str, encoded: &EncodedSample, records: &[AnswerRecord]) -> Result<()> {
        let progress: Arc<dyn Progress> = self.evaluation.progress.clone();
        let sample = &encoded.sample;
        let earlier = records.iter().find_map(|record| {
            let same = record.task == sample.task && record.length == sample.length;
            record.fixed_by.as_ref().filter(|_| same)
        });
        let Some(name) = earlier.filter(|name| **name != sample.name) else {
            return self.planner.fix(group, &sample.name, &encoded.prompts[0], Some(&progress));
        };
        let Some(number) = self.names.iter().position(|other| other == name) else {
            let expected = format!("{name} among the samples, whose index the others have");
            return Err(Error::choice("samples for static", expected, "others"));
        };
        let first = self.encode(number)?;
        self.planner.fix(group, name, &first.prompts[0], Some(&progress))
    }
}

/// What was found for a sample with a method.
fn records_of<'a>(
    records: &'a [AnswerRecord],
    sample: &'a TaskSample,
    variant: Variant,
) -> impl Iterator<Item = &'a AnswerRecord> {
    let method = variant.to_string();
    records.iter().filter(move |record| record.sample == sample.name && record.method == method)
}
