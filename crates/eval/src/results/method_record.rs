//! [`MethodRecord`]: what records of all evaluations have in common.

use super::{AnswerRecord, LatencyRecord, PerplexityRecord};

/// What a record is about.
pub(crate) struct RecordKey<'a> {
    /// The method, as it was listed.
    pub(crate) method: &'a str,
    /// The task; empty where an evaluation has no tasks.
    pub(crate) task: &'a str,
    /// Tokens that were asked for.
    pub(crate) length: usize,
    /// Among records of one method, task and length: a sample's question, a document, a repetition.
    pub(crate) observation: (&'a str, usize),
}

/// A record of one observation with one method.
pub(crate) trait MethodRecord {
    fn key(&self) -> RecordKey<'_>;
}

impl MethodRecord for AnswerRecord {
    fn key(&self) -> RecordKey<'_> {
        let Self { method, task, length, sample, question, .. } = self;
        RecordKey { method, task, length: *length, observation: (sample, *question) }
    }
}

impl MethodRecord for PerplexityRecord {
    fn key(&self) -> RecordKey<'_> {
        let Self { method, length, document, .. } = self;
        RecordKey { method, task: "", length: *length, observation: (document, 0) }
    }
}

impl MethodRecord for LatencyRecord {
    fn key(&self) -> RecordKey<'_> {
        let Self { method, length, repeat, .. } = self;
        RecordKey { method, task: "", length: *length, observation: ("", *repeat) }
    }
}
