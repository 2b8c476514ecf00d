//! Answers in the benchmark's format, so that its own script (`eval/evaluate.py --data_dir FOLDER/METHOD/LENGTH`) scores them.

use super::sample_writer::{create, write_line};
use crate::error::{Error, Result};
use crate::results::AnswerRecord;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A line of predictions.
#[derive(Serialize)]
struct PredictionLine<'a> {
    index: u64,
    pred: &'a str,
    input: &'a str,
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

/// Writes answers as `FOLDER/METHOD/LENGTH/TASK.jsonl`, in the order of the records. Gives the files.
///
/// - `records`: answers to RULER's questions; of each file, indices count from 0
/// - `input`: a record's prompt as text; the official script shows it and doesn't score it, so it may be empty
///
/// # Errors
/// [`Error::Write`]: a file that exists is not overwritten. Those of `input`.
pub fn write_predictions(
    folder: &Path,
    records: &[AnswerRecord],
    mut input: impl FnMut(&AnswerRecord) -> Result<String>,
) -> Result<Vec<PathBuf>> {
    let mut files: BTreeMap<PathBuf, Vec<&AnswerRecord>> = BTreeMap::new();
    for record in records {
        let method = file_name(&record.method);
        let path = folder
            .join(method)
            .join(record.length.to_string())
            .join(format!("{}.jsonl", file_name(&record.task)));
        files.entry(path).or_default().push(record);
    }
    for (path, records) in &files {
        let mut writer = create(path)?;
        for (index, record) in (0..).zip(records) {
            let line = PredictionLine {
                index,
                pred: &record.answer,
                input: &input(record)?,
                outputs: &record.references,
                others: Others { id: &record.sample },
                truncation: -1,
                length: record.prompt_tokens,
            };
            write_line(&mut writer, &line, path)?;
        }
        writer.flush().map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    Ok(files.into_keys().collect())
}

/// A method may be a path or hold a colon.
fn file_name(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.,".contains(letter);
    let name: String = text.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    // neither the folder itself nor the one above
    if name.trim_matches('.').is_empty() { format!("_{name}") } else { name }
}
