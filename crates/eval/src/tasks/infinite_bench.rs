//! InfiniteBench (arXiv 2402.13718): the ten tasks that MInference's paper reports, with its
//! prompts, truncation and scores.
//!
//! [`BenchmarkFiles`] reads the official files, [`GeneratedSamples`] makes the four synthetic tasks
//! at any length.
//!
//! ```
//! use minference_eval::sample::SampleSource;
//! use minference_eval::tasks::infinite_bench::{GeneratedSamples, InfiniteBenchTask};
//!
//! let task: InfiniteBenchTask = "kv_retrieval".parse()?;
//! assert_eq!(task.longest_answer(), 50);
//! assert_eq!(task.file_name(), "kv_retrieval.jsonl");
//! let samples = GeneratedSamples::new(&[task], &[4096, 16384], 2, 0)?;
//! assert_eq!(samples.names()[3], "kv_retrieval/16384/1");
//! # Ok::<(), minference_eval::Error>(())
//! ```
//!
//! **Prompts** are those of MInference's `experiments/infinite_bench`, which asks every model with
//! the templates that InfiniteBench wrote for YaRN-Mistral: texts that the answer continues ("The
//! pass key is"). As a raw prompt the text is exactly that. In a chat template the part that begins
//! the answer stands in the answer.
//!
//! **Truncation** is the benchmark's: where prompt and longest answer exceed the limit, tokens are
//! removed from the middle, so that the first and the last half of the limit remain. The original
//! cuts the whole prompt; here only the context is cut, at the same two places, so that
//! instruction, question and options always survive, and a prompt never exceeds the limit after the
//! halves are joined.
//!
//! **Scores** are those of MInference's `compute_scores.py`; see the variants of [`Scoring`].

mod example;
mod files;
mod frame;
mod generate;
mod table;
mod truncate;

pub use files::BenchmarkFiles;
pub use generate::GeneratedSamples;

use crate::error::{Error, Result};
use crate::scoring::Scoring;
use std::fmt;
use std::str::FromStr;
use table::{TASKS, TaskDefinition};

/// A task of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InfiniteBenchTask {
    /// Five digits in a text that repeats itself.
    Passkey,
    /// Ten digits with repetitions in such a text.
    NumberString,
    /// The value of a key of a large JSON object.
    KeyValueRetrieval,
    /// The summary of a novel.
    BookSummary,
    /// A question about a novel, with four options.
    BookChoice,
    /// A question about an English novel.
    BookQuestionEnglish,
    /// A question about a Chinese novel.
    BookQuestionChinese,
    /// The name of a character that was masked in a script.
    DialogueName,
    /// The largest, second largest, ... number of a long list, or its median.
    MathFind,
    /// Which of four functions of a large program has an error.
    CodeDebug,
}

impl InfiniteBenchTask {
    /// All ten.
    pub fn all() -> impl Iterator<Item = Self> {
        TASKS.iter().map(|definition| definition.task)
    }

    /// Those that can be generated.
    pub fn generated() -> impl Iterator<Item = Self> {
        TASKS.iter().filter(|definition| definition.is_synthetic).map(|definition| definition.task)
    }

    /// The benchmark's name.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The official file's name.
    pub fn file_name(self) -> String {
        format!("{}.jsonl", self.name())
    }

    /// Longest answer, in tokens.
    pub fn longest_answer(self) -> usize {
        self.definition().longest_answer
    }

    /// How answers are judged.
    pub fn scoring(self) -> Scoring {
        self.definition().scoring
    }

    fn definition(self) -> &'static TaskDefinition {
        &TASKS[self as usize]
    }
}

impl fmt::Display for InfiniteBenchTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InfiniteBenchTask {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::all().find(|task| task.name() == name);
        found.ok_or_else(|| {
            Error::choice("task of InfiniteBench", format!("one of {}", names(Self::all())), name)
        })
    }
}

/// Names, for messages.
fn names(tasks: impl Iterator<Item = InfiniteBenchTask>) -> String {
    tasks.map(InfiniteBenchTask::name).collect::<Vec<_>>().join(", ")
}
