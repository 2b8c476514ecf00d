//! [`disagreements`]: answers that are not dense attention's.

use super::DENSE;
use crate::results::AnswerRecord;
use std::collections::BTreeMap;

/// An answer that is not dense attention's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disagreement<'a> {
    /// The method's.
    pub record: &'a AnswerRecord,
    /// Dense attention's, to the same question.
    pub dense: &'a AnswerRecord,
}

/// Answers with other scores than dense attention's, worse ones first, and then those that only
/// read differently.
pub fn disagreements(records: &[AnswerRecord]) -> Vec<Disagreement<'_>> {
    fn question(record: &AnswerRecord) -> (&str, usize, &str, usize) {
        (&record.task, record.length, &record.sample, record.question)
    }
    let dense = records.iter().filter(|record| record.method == DENSE);
    let dense: BTreeMap<_, &AnswerRecord> = dense.map(|record| (question(record), record)).collect();
    let mut found: Vec<Disagreement<'_>> = records
        .iter()
        .filter_map(|record| Some(Disagreement { record, dense: dense.get(&question(record)).copied()? }))
        // white space around an answer makes no difference, as in its agreement
        .filter(|found| found.record.answer.trim() != found.dense.answer.trim())
        .collect();
    // a stable sort: otherwise as they were answered
    let gain = |found: &Disagreement<'_>| found.record.score - found.dense.score;
    found.sort_by(|a, b| gain(a).total_cmp(&gain(b)));
    let (changed, same): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| gain(found) != 0.0);
    changed.into_iter().chain(same).collect()
}
