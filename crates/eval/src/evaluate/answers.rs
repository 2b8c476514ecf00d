//! The answers to one sample's questions with one method.

use super::{DenseAnswers, Evaluation};
use crate::error::{Error, Result};
use crate::methods::{Method, PlannedMethod};
use crate::prompt::PromptEncoder;
use crate::results::{AnswerRecord, AnswerSeconds, DenseAgreement};
use crate::sample::Sample;
use minference_attention::Progress;
use minference_model::decoder::ForwardReport;
use minference_model::generate::{Answer, GenerationOptions, generate};
use minference_model::logits::{divergence, log_probabilities};
use minference_model::{PrefillOptions, SamplingOptions, Session, SessionOptions};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// A sample with the tokens of its prompts.
pub(super) struct EncodedSample {
    pub(super) sample: Sample,
    /// One for each question.
    pub(super) prompts: Vec<Vec<u32>>,
    /// Tokens that all of them begin with, and that are read once; none for a single question.
    shared: usize,
}

impl EncodedSample {
    /// - `context`: tokens that a prompt and its answer may have together
    pub(super) fn new(sample: Sample, encoder: &PromptEncoder<'_>, context: usize) -> Result<Self> {
        if sample.questions.is_empty() {
            return Err(Error::choice(
                format!("questions of sample {}", sample.name),
                "at least one",
                "none",
            ));
        }
        let prompts: Vec<Vec<u32>> = sample
            .questions
            .iter()
            .map(|question| encoder.encode(&question.prompt))
            .collect::<Result<_>>()?;
        for (prompt, question) in prompts.iter().zip(&sample.questions) {
            if prompt.is_empty() {
                return Err(Error::choice(format!("prompt of sample {}", sample.name), "a text", "none"));
            }
            let needed = prompt.len() + question.max_tokens;
            if needed > context {
                let expected = format!(
                    "at most {context} tokens with its answer, the context (--context and --rope-scaling stretch it; shorter \
                     --lengths fit)"
                );
                return Err(Error::choice(format!("sample {}", sample.name), expected, needed));
            }
        }
        let shared = if prompts.len() == 1 { 0 } else { shared_tokens(&prompts) };
        Ok(Self { sample, prompts, shared })
    }
}

/// How many tokens all begin with; of each at least one more remains.
fn shared_tokens(prompts: &[Vec<u32>]) -> usize {
    let first = &prompts[0];
    let same = |other: &Vec<u32>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    let shortest = prompts.iter().map(Vec::len).min().unwrap_or(0);
    prompts.iter().map(same).min().unwrap_or(0).min(shortest.saturating_sub(1))
}

/// What a method answered to a sample's questions.
pub(super) struct MethodAnswers {
    pattern: String,
    fixed_by: Option<String>,
    answers: Vec<TimedAnswer>,
    /// Of each answer's first token: logarithms of probabilities.
    pub(super) distributions: Vec<Vec<f32>>,
    prompt_tokens: Vec<usize>,
}

struct TimedAnswer {
    answer: Answer,
    report: ForwardReport,
    seconds: AnswerSeconds,
}

impl MethodAnswers {
    /// Reads and answers.
    pub(super) fn new(
        evaluation: &Evaluation<'_>,
        encoded: &EncodedSample,
        planned: PlannedMethod,
    ) -> Result<Self> {
        let EncodedSample { sample, prompts, shared } = encoded;
        let questions = sample.questions.len();
        let needed = prompts
            .iter()
            .zip(&sample.questions)
            .map(|(prompt, question)| prompt.len() + question.max_tokens);
        let options = SessionOptions {
            capacity: needed.max().unwrap_or(1),
            rope_tokens: prompts.iter().map(Vec::len).max(),
            cache: evaluation.cache,
        };
        let decoder = evaluation.model.decoder();
        let mut session = Session::new(decoder.clone(), evaluation.compute.clone(), options)?;
        let progress: Arc<dyn Progress> = evaluation.progress.clone();
        let options = PrefillOptions {
            plan: planned.plan.clone(),
            chunk: None,
            compression: None,
            progress: Some(progress),
        };
        let start = Instant::now();
        let shared_report = match *shared {
            0 => ForwardReport::default(),
            shared => session.prefill(&prompts[0][..shared], &options)?.report,
        };
        let context = start.elapsed().as_secs_f64() / questions as f64;
        let (mut answers, mut distributions) = (Vec::new(), Vec::new());
        for (prompt, question) in prompts.iter().zip(&sample.questions) {
            session.truncate(*shared)?;
            let start = Instant::now();
            let forward = session.prefill(&prompt[*shared..], &options)?;
            let read = start.elapsed();
            let mut report = shared_report.clone();
            report.add(&forward.report);
            distributions.push(log_probabilities(&forward.logits));
            let start = Instant::now();
            let answer = answer(evaluation, &mut session, prompt, forward.logits, question.max_tokens)?;
            let seconds = AnswerSeconds {
                context,
                question: read.as_secs_f64(),
                decode: start.elapsed().as_secs_f64(),
                outside: 0.0,
            };
            answers.push(TimedAnswer { answer, report, seconds });
        }
        let prompt_tokens = prompts.iter().map(Vec::len).collect();
        let PlannedMethod { pattern, fixed_by, .. } = planned;
        Ok(Self { pattern, fixed_by, answers, distributions, prompt_tokens })
    }

    /// One record for each question, not yet held against dense attention.
    pub(super) fn records(&self, sample: &Sample, method: Method, outside: f64) -> Vec<AnswerRecord> {
        let record = |(i, timed): (usize, &TimedAnswer)| {
            let question = &sample.questions[i];
            AnswerRecord {
                sample: sample.name.clone(),
                question: i,
                questions: sample.questions.len(),
                task: sample.task.clone(),
                length: sample.length,
                depth: question.depth,
                method: method.to_string(),
                pattern: self.pattern.clone(),
                fixed_by: self.fixed_by.clone(),
                prompt_tokens: self.prompt_tokens[i],
                answer: timed.answer.text.clone(),
                references: question.references.clone(),
                score: question.scoring.score(&timed.answer.text, &question.references),
                dense: None,
                computed_share: timed.report.computed_share(),
                seconds: AnswerSeconds { outside, ..timed.seconds },
            }
        };
        self.answers.iter().enumerate().map(record).collect()
    }
}

/// The likeliest tokens, until the model ends.
fn answer(
    evaluation: &Evaluation<'_>,
    session: &mut Session,
    prompt: &[u32],
    logits: Vec<f32>,
    max_tokens: usize,
) -> Result<Answer> {
    let options = GenerationOptions { max_tokens, stops: vec![], sampling: SamplingOptions::default() };
    let tokenizer = evaluation.model.tokenizer();
    let answer = generate(session, tokenizer, prompt, logits, &options, |_| {
        if evaluation.progress.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if evaluation.progress.cancelled() {
        return Err(minference_attention::Error::Cancelled.into());
    }
    Ok(answer)
}

/// How far an answer is dense attention's.
///
/// - `distribution`: of the answer's first token
pub(super) fn agreement(record: &AnswerRecord, distribution: &[f32], dense: &DenseAnswers) -> DenseAgreement {
    let as_number = |is_so: bool| f64::from(u8::from(is_so));
    let reference = &dense.records[record.question];
    DenseAgreement {
        same: as_number(record.answer.trim() == reference.answer.trim()),
        same_score: Some(as_number(record.score == reference.score)),
        divergence: divergence(&dense.distributions[record.question], distribution),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prompts_share_leaves_each_a_token() {
        let shared = |prompts: &[&[u32]]| {
            shared_tokens(&prompts.iter().map(|prompt| prompt.to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(shared(&[&[1, 2, 3], &[1, 2, 4]]), 2);
        assert_eq!(shared(&[&[1, 2], &[1, 2]]), 1);
        assert_eq!(shared(&[&[1, 2], &[1, 2, 3]]), 1);
        assert_eq!(shared(&[&[1], &[2]]), 0);
    }
}
