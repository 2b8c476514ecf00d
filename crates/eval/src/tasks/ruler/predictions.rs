//! Answers in the benchmark's format, so that its own script (`eval/evaluate.py --data_dir
//! FOLDER/METHOD/LENGTH`) scores them.

use super::line_writer::LineWriter;
use crate::error::Result;
use crate::results::AnswerRecord;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A line of predictions.
#[derive(Serialize)]
struct PredictionLine<'a> {
    index: u64,
    pred: &'a str,
    /// Empty: the script shows prompts and does not score them.
    input: &'static str,
    outputs: &'a [String],
    others: Others<'a>,
    truncation: i64,
    length: usize,
}

/// What the official script copies into its table of answers.
#[derive(Serialize)]
struct Others<'a> {
    id: &'a str,
}

/// Writes answers as `FOLDER/METHOD/LENGTH/TASK.jsonl`, in the order of the records. Gives the
/// files. Those of an earlier time are replaced, each as a whole.
///
/// - `records`: answers to RULER's questions; of each file, indices count from 0
///
/// # Errors
/// [`Error::Write`](crate::Error::Write).
pub fn write_predictions(folder: &Path, records: &[AnswerRecord]) -> Result<Vec<PathBuf>> {
    let mut files: BTreeMap<PathBuf, Vec<&AnswerRecord>> = BTreeMap::new();
    for record in records {
        let method = file_name(&record.method);
        let path = folder
            .join(method)
            .join(record.length.to_string())
            .join(format!("{}.jsonl", file_name(&record.task)));
        files.entry(path).or_default().push(record);
    }
    let write = |(path, records): (PathBuf, Vec<&AnswerRecord>)| {
        let mut file = LineWriter::create(&path)?;
        for (index, record) in (0..).zip(records) {
            file.write(&PredictionLine {
                index,
                pred: &record.answer,
                input: "",
                outputs: &record.references,
                others: Others { id: &record.sample },
                truncation: -1,
                length: record.prompt_tokens,
            })?;
        }
        file.finish()
    };
    files.into_iter().map(write).collect()
}

/// A method may be a path or hold a colon.
fn file_name(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.,".contains(letter);
    let name: String = text.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    // neither the folder itself nor the one above
    if name.trim_matches('.').is_empty() { format!("_{name}") } else { name }
}
