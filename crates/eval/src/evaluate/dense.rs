//! [`DenseAnswers`]: what other methods' answers are held against.

use crate::results::{AnswerRecord, DenseAgreement};
use minference_model::generation::logits::divergence;

/// Dense attention's answers to a sample's questions.
pub(super) struct DenseAnswers {
    /// By question.
    records: Vec<AnswerRecord>,
    /// Logarithms of probabilities of each answer's first token.
    distributions: Vec<Vec<f32>>,
}

impl DenseAnswers {
    /// - `records`: of all questions
    pub(super) fn new(records: &[AnswerRecord], distributions: Vec<Vec<f32>>) -> Self {
        let mut records = records.to_vec();
        records.sort_by_key(|record| record.question);
        Self { records, distributions }
    }
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
