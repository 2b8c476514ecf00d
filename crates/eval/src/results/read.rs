//! [`read_runs`]: folders of results, as reports read them.

use super::{EvaluationKind, EvaluationRun, FORMAT, HEADER_FILE, RECORDS_FILE, RunHeader, RunRecords};
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Reads a folder of results, or all such folders in a folder, by their names.
///
/// A last line without its line break was left by an interrupted write. It is ignored, and [`EvaluationRun::cut_line`] tells.
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
    let path = folder.join(HEADER_FILE);
    let header: RunHeader = serde_json::from_str(&read(&path)?)
        .map_err(|error| Error::file(&path, Some(error.line()), "what was run, as JSON", error))?;
    if header.format != FORMAT {
        return Err(Error::file(
            &path,
            None,
            format!("format {FORMAT}"),
            format!("format {}", header.format),
        ));
    }
    let path = folder.join(RECORDS_FILE);
    let unreadable = |source| Error::Read { path: path.clone(), source };
    let data = if path.exists() { std::fs::read(&path).map_err(unreadable)? } else { Vec::new() };
    // a cut line may end within a character, so that it is cut off before the rest is read as text
    let whole = data.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let text = std::str::from_utf8(&data[..whole]).map_err(|error| {
        let line = 1 + data[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Error::file(&path, Some(line), "text in UTF-8", "other bytes")
    })?;
    let cut_line = (whole < data.len()).then(|| text.lines().count() + 1);
    let records = match header.evaluation {
        EvaluationKind::Needle | EvaluationKind::Ruler | EvaluationKind::InfiniteBench => {
            RunRecords::Answers(lines(&path, text)?)
        }
        EvaluationKind::Perplexity => RunRecords::Perplexity(lines(&path, text)?),
        EvaluationKind::Latency => RunRecords::Latency(lines(&path, text)?),
    };
    Ok(EvaluationRun { folder: folder.to_path_buf(), header, records, cut_line })
}

fn lines<T: DeserializeOwned>(path: &Path, text: &str) -> Result<Vec<T>> {
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| Error::file(path, Some(number + 1), "a result, as JSON", error))
    };
    text.lines().enumerate().map(parse).collect()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}
