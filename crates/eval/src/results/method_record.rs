//! [`MethodRecord`]: what records of all evaluations have in common.

use super::{AnswerRecord, LatencyRecord, PerplexityRecord};

/// A record of one observation with one method.
pub(crate) trait MethodRecord {
    /// The method, as it was listed.
    fn method(&self) -> &str;
    /// The task; empty where an evaluation has no tasks.
    fn task(&self) -> &str {
        ""
    }
    /// Tokens that were asked for.
    fn length(&self) -> usize;
    /// Among records of one task, length and method: a sample's question, a document, a repetition.
    fn observation(&self) -> (&str, usize);
}

impl MethodRecord for AnswerRecord {
    fn method(&self) -> &str {
        &self.method
    }
    fn task(&self) -> &str {
        &self.task
    }
    fn length(&self) -> usize {
        self.length
    }
    fn observation(&self) -> (&str, usize) {
        (&self.sample, self.question)
    }
}

impl MethodRecord for PerplexityRecord {
    fn method(&self) -> &str {
        &self.method
    }
    fn length(&self) -> usize {
        self.length
    }
    fn observation(&self) -> (&str, usize) {
        (&self.document, 0)
    }
}

impl MethodRecord for LatencyRecord {
    fn method(&self) -> &str {
        &self.method
    }
    fn length(&self) -> usize {
        self.length
    }
    fn observation(&self) -> (&str, usize) {
        ("", self.repeat)
    }
}
