//! Reading what runs left.

use super::{FORMAT, HEADER_FILE, RECORDS_FILE, RunHeader};
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

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
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
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
    let data = match std::fs::read(&path) {
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
