//! Samples in the benchmark's format, for other programs.

use super::sample_files::SampleLine;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::SampleSource;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The file's name in a task's folder.
const SUBSET: &str = "validation";

/// Writes a source's samples as `FOLDER/LENGTH/TASK/validation.jsonl`: what the official harness takes for `FOLDER/LENGTH`. Gives the files.
/// A sample of several questions becomes several lines.
///
/// # Errors
/// Those of the source; [`Error::Write`]; a file that exists is not overwritten.
pub fn write_samples(
    folder: &Path,
    source: &dyn SampleSource,
    encoder: &PromptEncoder<'_>,
) -> Result<Vec<PathBuf>> {
    let mut written: Vec<(PathBuf, BufWriter<File>, u64)> = Vec::new();
    for number in 0..source.names().len() {
        let sample = source.sample(number, encoder)?;
        let path =
            folder.join(sample.length.to_string()).join(&sample.task).join(SUBSET).with_extension("jsonl");
        let place = match written.iter().position(|(other, ..)| *other == path) {
            Some(place) => place,
            None => {
                written.push((path.clone(), create(&path)?, 0));
                written.len() - 1
            }
        };
        let (_, writer, index) = &mut written[place];
        for question in sample.questions {
            let line = SampleLine {
                index: *index,
                input: encoder.text(&question.prompt)?,
                length: Some(encoder.count(&question.prompt)? + question.max_tokens),
                outputs: question.references,
            };
            write_line(writer, &line, &path)?;
            *index += 1;
        }
    }
    for (path, writer, _) in &mut written {
        writer.flush().map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    Ok(written.into_iter().map(|(path, ..)| path).collect())
}

/// A new file, with the folders that it lies in.
pub(super) fn create(path: &Path) -> Result<BufWriter<File>> {
    let failed = |source| Error::Write { path: path.to_path_buf(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    Ok(BufWriter::new(File::create_new(path).map_err(failed)?))
}

pub(super) fn write_line(writer: &mut impl Write, line: &impl Serialize, path: &Path) -> Result<()> {
    let written = serde_json::to_writer(&mut *writer, line).map_err(std::io::Error::from);
    let written = written.and_then(|()| writer.write_all(b"\n"));
    written.map_err(|source| Error::Write { path: path.to_path_buf(), source })
}
