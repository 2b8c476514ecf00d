//! What an earlier run has found: samples and methods that need not be asked again.

use crate::methods::Variant;
use crate::results::AnswerRecord;
use std::collections::{HashMap, HashSet};

/// A sample's name, and a method.
pub(super) type Group = (String, String);

pub(super) fn group_of(record: &AnswerRecord) -> Group {
    (record.sample.clone(), record.method.clone())
}

/// The samples and methods of which each question is answered, once.
///
/// - `compares`: whether answers must have been held against dense attention's
pub(super) fn done_groups(records: &[AnswerRecord], compares: bool) -> HashSet<Group> {
    let mut answered: HashMap<Group, Vec<usize>> = HashMap::new();
    let mut lacking: HashSet<Group> = HashSet::new();
    for record in records {
        answered.entry(group_of(record)).or_default().push(record.question);
        let should_agree = compares && record.method != Variant::DENSE.to_string();
        if should_agree && record.dense.is_none() {
            lacking.insert(group_of(record));
        }
    }
    let is_done = |record: &&AnswerRecord| {
        let group = group_of(record);
        let mut questions = answered[&group].clone();
        questions.sort_unstable();
        questions.into_iter().eq(0..record.questions) && !lacking.contains(&group)
    };
    records.iter().filter(is_done).map(group_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{AnswerSeconds, DenseAgreement};

    fn record(sample: &str, method: &str, question: usize, is_compared: bool) -> AnswerRecord {
        let agreement = DenseAgreement { same: 1.0, same_score: Some(1.0), divergence: 0.0 };
        AnswerRecord {
            sample: sample.into(),
            question,
            questions: 2,
            task: "t".into(),
            length: 1,
            depth: None,
            method: method.into(),
            pattern: String::new(),
            fixed_by: None,
            prompt_tokens: 1,
            answer: String::new(),
            references: vec![],
            score: 0.0,
            dense: is_compared.then_some(agreement),
            computed_share: 1.0,
            cache: None,
            decode_tokens: None,
            seconds: AnswerSeconds::default(),
        }
    }

    #[test]
    fn only_complete_groups_are_done() {
        let records = [
            record("a", "dense", 1, false),
            record("a", "dense", 0, false),
            // cut short
            record("b", "dense", 0, false),
            // twice
            record("c", "dense", 0, false),
            record("c", "dense", 0, false),
            record("a", "minference", 0, true),
            record("a", "minference", 1, false),
        ];
        let groups = |compares| {
            let mut groups: Vec<Group> = done_groups(&records, compares).into_iter().collect();
            groups.sort();
            groups.iter().map(|(sample, method)| format!("{sample} {method}")).collect::<Vec<_>>()
        };
        assert_eq!(groups(false), ["a dense", "a minference"]);
        assert_eq!(groups(true), ["a dense"]);
    }
}
