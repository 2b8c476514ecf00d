//! [`SampleLine`]: a line of the benchmark's own files of samples, a JSON object.
//!
//! | field | meaning |
//! |---|---|
//! | `index` | the sample's number; beside `token_position_answer` it is the place of the answer in the input, which several samples may share |
//! | `input` | the prompt as text, with its template, and in files of before 2025 with the beginning of the answer |
//! | `answer_prefix` | since 2025: how the answer begins, with which the prompt ends |
//! | `outputs` | what a right answer holds |
//! | `length`, `length_w_model_temp` | tokens of prompt and longest answer, the latter with a template that the input was not put into |
//! | `token_position_answer`, `others`, `truncation` | not read, as they change neither prompts nor scores |
//!
//! Any other field is refused by name: what it says might belong to the prompt, as `gen_prefix` of
//! another harness does, or to the score.

use crate::error::{Error, Result};
use crate::tasks::lines::FileLine;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::Path;

const EXPECTED: &str = "a JSON object with `index`, `input` (a text), `outputs` (a list of texts), perhaps `answer_prefix`, and no field that would \
                        change a prompt or a score unread (`others` holds what is not part of a sample)";

/// A line as the official generator writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SampleLine {
    pub(super) index: u64,
    pub(super) input: String,
    /// What the prompt ends with, behind the input and its template.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) answer_prefix: String,
    pub(super) outputs: Vec<String>,
    /// Tokens of the prompt and of the longest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<usize>,
    /// The same with those of a template that harnesses put around the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length_w_model_temp: Option<usize>,
    #[serde(default, skip_serializing)]
    token_position_answer: Option<IgnoredAny>,
    #[serde(default, skip_serializing, rename = "others")]
    _others: IgnoredAny,
    #[serde(default, skip_serializing, rename = "truncation")]
    _truncation: IgnoredAny,
}

impl SampleLine {
    /// A sample whose input is the whole prompt.
    ///
    /// - `length`: tokens of the prompt and of the longest answer
    pub(super) fn new(index: u64, input: String, outputs: Vec<String>, length: usize) -> Self {
        Self {
            index,
            input,
            answer_prefix: String::new(),
            outputs,
            length: Some(length),
            length_w_model_temp: None,
            token_position_answer: None,
            _others: IgnoredAny,
            _truncation: IgnoredAny,
        }
    }

    /// Reads a line of a file.
    ///
    /// # Errors
    /// [`Error::File`] with the place for what is no sample.
    pub(super) fn parse(path: &Path, line: FileLine, text: &[u8]) -> Result<Self> {
        let wrong = |found: &dyn Display| Error::file(path, Some(line.number), EXPECTED, found);
        let sample: Self = serde_json::from_slice(text).map_err(|error| {
            // the error counts lines from the beginning of this one
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message);
            wrong(&format!("{what} (column {})", error.column()))
        })?;
        if sample.outputs.is_empty() {
            return Err(wrong(&"no outputs"));
        }
        Ok(sample)
    }

    /// Tokens that the generator left for a template which the input was not put into, if it says
    /// so.
    pub(super) fn template_tokens(&self) -> usize {
        let without = self.length.unwrap_or(0);
        self.length_w_model_temp.map_or(0, |with| with.saturating_sub(without))
    }

    /// Tokens of the prompt in its template and of the longest answer, as far as the line says it.
    pub(super) fn whole_length(&self) -> Option<usize> {
        self.length.max(self.length_w_model_temp)
    }

    /// Whether its index is the place of the answer, which several samples may share.
    pub(super) fn index_is_a_place(&self) -> bool {
        self.token_position_answer.is_some()
    }
}
