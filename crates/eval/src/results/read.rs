//! Reading what runs left: to go on with it, and, with [`read_runs`], to report it.

use super::{EvaluationKind, EvaluationRun, FORMAT, HEADER_FILE, RECORDS_FILE, RunHeader, RunRecords};
use crate::error::{Error, Result};
use minference_attention::files;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// More bytes of results than any run has written.
const RECORDS_BYTES: u64 = 4 << 30;

/// Reads a folder of results, or all such folders in a folder, by their names.
///
/// A last line without its line break was left by an interrupted write. It is ignored, and
/// [`EvaluationRun::cut_line`] says.
///
/// # Errors
/// No results there, another format, a line that is no record of the evaluation.
pub fn read_runs(path: &Path) -> Result<Vec<EvaluationRun>> {
    if path.join(HEADER_FILE).is_file() {
        return Ok(vec![read_run(path)?]);
    }
    let unreadable = |source| Error::Read { path: path.to_path_buf(), source };
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if folder.join(HEADER_FILE).is_file() {
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        let expected = format!("a folder of results with {HEADER_FILE}, or a folder of such folders");
        return Err(Error::file(path, None, expected, "neither"));
    }
    folders.sort();
    folders.iter().map(|folder| read_run(folder)).collect()
}

fn read_run(folder: &Path) -> Result<EvaluationRun> {
    /// Its records, and the number of a cut line.
    fn whole<R: DeserializeOwned>(folder: &Path) -> Result<(Vec<R>, Option<usize>)> {
        let ReadRecords { records, was_cut, .. } = read_records(folder)?;
        let cut_line = was_cut.then_some(records.len() + 1);
        Ok((records, cut_line))
    }
    let header = read_header(folder)?;
    let (records, cut_line) = match header.evaluation {
        EvaluationKind::Needle | EvaluationKind::Ruler | EvaluationKind::InfiniteBench => {
            let (records, cut_line) = whole(folder)?;
            (RunRecords::Answers(records), cut_line)
        }
        EvaluationKind::Perplexity => {
            let (records, cut_line) = whole(folder)?;
            (RunRecords::Perplexity(records), cut_line)
        }
        EvaluationKind::Latency => {
            let (records, cut_line) = whole(folder)?;
            (RunRecords::Latency(records), cut_line)
        }
    };
    Ok(EvaluationRun { folder: folder.to_path_buf(), header, records, cut_line })
}

/// The records of a file.
#[derive(Debug)]
pub(super) struct ReadRecords<R> {
    pub(super) records: Vec<R>,
    /// Bytes of all whole lines.
    pub(super) bytes: u64,
    /// Whether there was more: a line without an end.
    pub(super) was_cut: bool,
}

/// What was run in a folder.
pub(super) fn read_header(folder: &Path) -> Result<RunHeader> {
    let path = folder.join(HEADER_FILE);
    let text = files::read_text(&path, files::SETTINGS_BYTES).map_err(Error::read(&path))?;
    let wrong = |error: serde_json::Error| {
        Error::file(&path, Some(error.line()), "a description of a run, as minference writes it", error)
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(wrong)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        found => {
            let found = found.map_or("none".into(), |format| format.to_string());
            return Err(Error::file(&path, None, format!("format {FORMAT}"), found));
        }
    }
    serde_json::from_value(value).map_err(wrong)
}

/// All records of a folder; none where there is no file yet.
pub(super) fn read_records<R: DeserializeOwned>(folder: &Path) -> Result<ReadRecords<R>> {
    let path = folder.join(RECORDS_FILE);
    let data = match files::read(&path, RECORDS_BYTES) {
        Ok(data) => data,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(Error::Read { path, source }),
    };
    let bytes = data.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut records = Vec::new();
    for (number, line) in data[..bytes].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let record = serde_json::from_slice(line).map_err(|error| {
            let expected = "a result as minference writes it (nothing was changed; take the line out, or start anew elsewhere)";
            Error::file(&path, Some(number + 1), expected, error)
        });
        records.push(record?);
    }
    Ok(ReadRecords { records, bytes: bytes as u64, was_cut: bytes < data.len() })
}
