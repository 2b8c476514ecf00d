//! Samples in the benchmark's format, for other programs.

use super::line_writer::LineWriter;
use super::sample_line::SampleLine;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::SampleSource;
use minference_attention::Progress;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in a task's folder.
const SUBSET: &str = "validation";

/// Writes a source's samples as `FOLDER/LENGTH/TASK/validation.jsonl`: what the official harness
/// takes for `FOLDER/LENGTH`. Gives the files. A sample of several questions becomes several lines.
///
/// - `progress`: counts samples, and may cancel between them
///
/// # Errors
/// Those of the source; cancelled; [`Error::Write`], also for a file that exists: it is not
/// overwritten. No file is there then that was not there before.
pub fn write_samples(
    folder: &Path,
    source: &dyn SampleSource,
    encoder: &PromptEncoder<'_>,
    progress: &dyn Progress,
) -> Result<Vec<PathBuf>> {
    let mut files: Vec<(LineWriter, u64)> = Vec::new();
    let samples = source.names().len();
    for number in 0..samples {
        if progress.cancelled() {
            return Err(minference_attention::Error::Cancelled.into());
        }
        let sample = source.sample(number, encoder)?;
        let path =
            folder.join(sample.length.to_string()).join(&sample.task).join(SUBSET).with_extension("jsonl");
        let place = match files.iter().position(|(file, _)| file.path() == path) {
            Some(place) => place,
            None => {
                files.push((create(&path)?, 0));
                files.len() - 1
            }
        };
        let (file, index) = &mut files[place];
        for question in sample.questions {
            let length = encoder.count(&question.prompt)? + question.max_tokens;
            let input = encoder.text(&question.prompt)?;
            file.write(&SampleLine::new(*index, input, question.references, length))?;
            *index += 1;
        }
        progress.advance(number as u64 + 1, samples as u64);
    }
    files.into_iter().map(|(file, _)| file.finish()).collect()
}

/// Others may have written that file, with care.
fn create(path: &Path) -> Result<LineWriter> {
    if path.exists() {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "it exists; choose another folder");
        return Err(Error::Write { path: path.into(), source });
    }
    LineWriter::create(path)
}
