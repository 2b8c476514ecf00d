//! [`EvaluationRun`]: a folder of results, read.

use super::{AnswerRecord, LatencyRecord, PerplexityRecord, RunHeader};
use crate::summary::method_names;
use std::path::PathBuf;

/// What lies in a folder of results.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationRun {
    /// Where it lies.
    pub folder: PathBuf,
    /// What was run.
    pub header: RunHeader,
    /// What was found.
    pub records: RunRecords,
    /// The number of a last line, from 1, that an interrupted write left half done: it counts for
    /// nothing.
    pub cut_line: Option<usize>,
}

/// The records of a run, all of the kind that its evaluation leaves.
#[derive(Debug, Clone, PartialEq)]
pub enum RunRecords {
    /// Answers to questions.
    Answers(Vec<AnswerRecord>),
    /// Losses on texts.
    Perplexity(Vec<PerplexityRecord>),
    /// Times to the first token.
    Latency(Vec<LatencyRecord>),
}

impl RunRecords {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Answers(records) => records.len(),
            Self::Perplexity(records) => records.len(),
            Self::Latency(records) => records.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The methods, each once: dense attention, and the others in the order in which they come
    /// first.
    pub fn methods(&self) -> Vec<String> {
        match self {
            Self::Answers(records) => method_names(records),
            Self::Perplexity(records) => method_names(records),
            Self::Latency(records) => method_names(records),
        }
    }
}
