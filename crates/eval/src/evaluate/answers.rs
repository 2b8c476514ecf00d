//! The answers to one sample's questions with one method.

use super::Evaluation;
use super::encoded::EncodedSample;
use super::reading::{QuestionRead, SampleReader};
use crate::error::Result;
use crate::methods::{PlannedMethod, Variant};
use crate::results::{AnswerRecord, AnswerSeconds, CacheBytes};
use crate::sample::TaskSample;
use minference_model::Session;
use minference_model::decoder::ForwardReport;
use minference_model::generation::logits::log_probabilities;
use minference_model::generation::{Answer, GenerationOptions, generate};
use std::ops::ControlFlow;
use std::time::Instant;

/// What a method answered to a sample's questions.
pub(super) struct MethodAnswers {
    pattern: String,
    fixed_by: Option<String>,
    answers: Vec<QuestionAnswer>,
    /// Of each answer's first token: logarithms of probabilities.
    pub(super) distributions: Vec<Vec<f32>>,
    prompt_tokens: Vec<usize>,
}

struct QuestionAnswer {
    answer: Answer,
    report: ForwardReport,
    cache: CacheBytes,
    seconds: AnswerSeconds,
}

impl MethodAnswers {
    /// Reads and answers.
    pub(super) fn new(
        evaluation: &Evaluation<'_>,
        encoded: &EncodedSample,
        variant: &Variant,
        planned: PlannedMethod,
    ) -> Result<Self> {
        let EncodedSample { sample, prompts, .. } = encoded;
        let PlannedMethod { plan, pattern, fixed_by } = planned;
        let mut reader = SampleReader::new(evaluation, encoded, variant, plan)?;
        let (mut answers, mut distributions) = (Vec::new(), Vec::new());
        for (number, question) in sample.questions.iter().enumerate() {
            let QuestionRead { mut session, logits, report, cache, seconds } = reader.read(number)?;
            distributions.push(log_probabilities(&logits));
            let start = Instant::now();
            let answer = answer(evaluation, session.get(), &prompts[number], logits, question.max_tokens)?;
            let seconds = AnswerSeconds { decode: start.elapsed().as_secs_f64(), ..seconds };
            answers.push(QuestionAnswer { answer, report, cache, seconds });
        }
        let prompt_tokens = prompts.iter().map(Vec::len).collect();
        Ok(Self { pattern: variant.describe(pattern), fixed_by, answers, distributions, prompt_tokens })
    }

    /// One record for each question, not yet held against dense attention.
    pub(super) fn records(&self, sample: &TaskSample, variant: Variant, outside: f64) -> Vec<AnswerRecord> {
        let record = |(i, timed): (usize, &QuestionAnswer)| {
            let question = &sample.questions[i];
            AnswerRecord {
                sample: sample.name.clone(),
                question: i,
                questions: sample.questions.len(),
                task: sample.task.clone(),
                length: sample.length,
                depth: question.depth,
                method: variant.to_string(),
                pattern: self.pattern.clone(),
                fixed_by: self.fixed_by.clone(),
                prompt_tokens: self.prompt_tokens[i],
                answer: timed.answer.text.clone(),
                references: question.references.clone(),
                score: question.scoring.score(&timed.answer.text, &question.references),
                dense: None,
                computed_share: timed.report.computed_share(),
                cache: Some(timed.cache),
                decode_tokens: Some(timed.answer.decoded.0),
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
    let options = GenerationOptions::greedy(max_tokens);
    let tokenizer = evaluation.model.tokenizer();
    let answer = generate(session, tokenizer, prompt, logits, &options, |_| {
        if evaluation.progress.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if evaluation.progress.cancelled() {
        return Err(minference_attention::Error::Cancelled.into());
    }
    Ok(answer)
}
