//! [`EvaluationRun`]: a folder of results, read.

use super::{AnswerRecord, EvaluationKind, LatencyRecord, PerplexityRecord, RunHeader};
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
    /// The number of a last line, from 1, that an interrupted write left half done: it counts for nothing.
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

    /// The methods, each once, in the order in which they come first.
    pub fn methods(&self) -> Vec<&str> {
        match self {
            Self::Answers(records) => distinct(records.iter().map(|record| &*record.method)),
            Self::Perplexity(records) => distinct(records.iter().map(|record| &*record.method)),
            Self::Latency(records) => distinct(records.iter().map(|record| &*record.method)),
        }
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

impl EvaluationKind {
    /// What readers call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Needle => "Needle in a haystack",
            Self::Ruler => "RULER",
            Self::InfiniteBench => "InfiniteBench",
            Self::Perplexity => "Perplexity",
            Self::Latency => "Time to the first token",
        }
    }
}
