//! [`ComparedAnswers`]: of each task and length the answers that can be compared, those to
//! questions that all of its methods answered.

use super::lengths::{LengthRange, Lengths};
use crate::results::AnswerRecord;
use std::collections::{BTreeMap, BTreeSet};

/// A sample's name, and the number of one of its questions.
type QuestionKey<'a> = (&'a str, usize);

/// Answers of one task and length.
pub(super) struct ComparedAnswers<'a> {
    pub(super) task: &'a str,
    pub(super) length: LengthRange,
    /// Questions that only some methods have answered.
    pub(super) left_out: usize,
    /// Each question once: the last answer counts.
    by_method: BTreeMap<&'a str, BTreeMap<QuestionKey<'a>, &'a AnswerRecord>>,
    common: BTreeSet<QuestionKey<'a>>,
}

impl<'a> ComparedAnswers<'a> {
    /// By length, and within it by task, tasks in the order in which they come.
    pub(super) fn of(records: &'a [AnswerRecord], lengths: Lengths) -> Vec<Self> {
        let mut groups: Vec<(&str, LengthRange, Vec<&AnswerRecord>)> = Vec::new();
        for range in lengths.ranges(records.iter().map(|record| record.length)) {
            let first = groups.len();
            for record in records.iter().filter(|record| range.contains(record.length)) {
                match groups[first..].iter_mut().find(|(task, ..)| *task == record.task) {
                    Some((.., of_task)) => of_task.push(record),
                    None => groups.push((&record.task, range, vec![record])),
                }
            }
        }
        groups.into_iter().map(|(task, length, records)| Self::of_group(task, length, &records)).collect()
    }

    fn of_group(task: &'a str, length: LengthRange, records: &[&'a AnswerRecord]) -> Self {
        let mut by_method: BTreeMap<&str, BTreeMap<QuestionKey<'_>, &AnswerRecord>> = BTreeMap::new();
        for record in records {
            let questions = by_method.entry(&record.method).or_default();
            questions.insert((&record.sample, record.question), record);
        }
        let all: BTreeSet<QuestionKey<'_>> =
            by_method.values().flat_map(|questions| questions.keys().copied()).collect();
        let is_common =
            |question: &QuestionKey<'_>| by_method.values().all(|questions| questions.contains_key(question));
        let common: BTreeSet<QuestionKey<'_>> = all.iter().copied().filter(is_common).collect();
        Self { task, length, left_out: all.len() - common.len(), by_method, common }
    }

    /// A method's; none where it answered nothing here.
    pub(super) fn of_method(&self, method: &str) -> Option<Vec<&'a AnswerRecord>> {
        let questions = self.by_method.get(method)?;
        Some(self.common.iter().filter_map(|question| questions.get(question).copied()).collect())
    }

    /// All methods'.
    pub(super) fn all(&self) -> Vec<&'a AnswerRecord> {
        self.by_method.keys().filter_map(|method| self.of_method(method)).flatten().collect()
    }

    /// How many samples the questions belong to.
    pub(super) fn samples(&self) -> usize {
        self.common.iter().map(|(sample, _)| sample).collect::<BTreeSet<_>>().len()
    }
}
