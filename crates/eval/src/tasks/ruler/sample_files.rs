//! [`SampleFiles`]: the benchmark's own files of samples, one JSON object a line, `{"index", "input", "outputs", "length"}`. The input is
//! the whole prompt as text, with its template and the beginning of the answer.

use super::task::RulerTask;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{PromptText, Question, Sample, SampleSource};
use minference_model::source::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Lengths that a file doesn't name are rounded up to a multiple of this.
const ROUND: usize = 1024;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SampleLine {
    pub(super) index: u64,
    pub(super) input: String,
    pub(super) outputs: Vec<String>,
    /// Tokens of the prompt and of the longest answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<usize>,
}

const LINE: &str = "a JSON object with `index`, `input` (a text) and `outputs` (a list of texts)";

/// Samples in files of the official generator, or of [`write_samples`](super::write_samples).
///
/// Names of special tokens in inputs are special tokens, as the official harness reads them. Files are read through once to check them;
/// inputs are read when they are needed.
#[derive(Debug)]
pub struct SampleFiles {
    files: Vec<TaskFile>,
    /// A file's place, and a line's.
    lines: Vec<(usize, Line)>,
    content: Fingerprint,
}

#[derive(Debug)]
struct TaskFile {
    path: PathBuf,
    task: RulerTask,
    /// What names begin with.
    name: String,
    length: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    index: u64,
    start: u64,
    bytes: usize,
    number: usize,
}

impl SampleFiles {
    /// A file, or all `.jsonl` files in a folder and the folders in it, in the order of their names.
    ///
    /// A file's task is its name (`vt.jsonl`), or that of the nearest folder that is called like a task (`vt/validation.jsonl`), unless it is
    /// given. Its length is the nearest folder that is a number (`4096/vt/validation.jsonl`), otherwise that of its longest sample,
    /// rounded up to a multiple of 1,024.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::File`] with the line for what is no sample; no files, an unknown task, an index twice in a file.
    pub fn open(path: &Path, task: Option<RulerTask>) -> Result<Self> {
        let mut paths = Vec::new();
        let root = if path.is_dir() {
            collect(path, &mut paths)?;
            path
        } else {
            paths.push(path.to_path_buf());
            path.parent().unwrap_or(Path::new(""))
        };
        let mut files = Self { files: Vec::new(), lines: Vec::new(), content: Fingerprint::of_tokens(&[]) };
        for found in paths {
            files.add(found, root, task)?;
        }
        if files.lines.is_empty() {
            let found = if files.files.is_empty() { "no such file" } else { "no samples" };
            return Err(Error::file(path, None, "files of samples, such as vt/validation.jsonl", found));
        }
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, root: &Path, task: Option<RulerTask>) -> Result<()> {
        let parts: Vec<String> = path
            .with_extension("")
            .components()
            .rev()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let named = parts.iter().find_map(|part| part.parse().ok());
        let task = task.or(named).ok_or_else(|| {
            let known: Vec<&str> = RulerTask::all().map(RulerTask::name).collect();
            Error::file(
                &path,
                None,
                format!("a task as name of the file or a folder: {}", known.join(", ")),
                "none",
            )
        })?;
        let (lines, content) = read_lines(&path)?;
        let both = [self.content, content].map(|part| part.as_u64().to_le_bytes());
        self.content = Fingerprint::of_bytes(both.as_flattened());
        let longest = lines.iter().filter_map(|(_, length)| *length).max();
        let folder = parts.iter().skip(1).find_map(|part| part.parse::<usize>().ok());
        let length = folder.or(longest.map(rounded));
        let relative = path.strip_prefix(root).unwrap_or(&path).with_extension("");
        let name =
            relative.iter().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join("/");
        let place = self.files.len();
        self.lines.extend(lines.into_iter().map(|(line, _)| (place, line)));
        self.files.push(TaskFile { path, task, name, length });
        Ok(())
    }

    /// What tells their content from others.
    pub fn fingerprint(&self) -> Fingerprint {
        self.content
    }

    fn line(&self, number: usize) -> Result<(&TaskFile, Line)> {
        let line = self.lines.get(number).ok_or_else(|| {
            Error::choice("number of a sample", format!("less than {}", self.lines.len()), number)
        })?;
        Ok((&self.files[line.0], line.1))
    }
}

fn rounded(length: usize) -> usize {
    length.max(1).div_ceil(ROUND).saturating_mul(ROUND)
}

/// All `.jsonl` files below a folder, in the order of their names.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |source| Error::Read { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        // a link to a folder above would never end
        if path.is_dir() && !path.is_symlink() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    Ok(())
}

/// A sample's place, and its length if it says it.
type Measured = (Line, Option<usize>);

/// The places of a file's samples, and what tells the content from others.
fn read_lines(path: &Path) -> Result<(Vec<Measured>, Fingerprint)> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let (mut lines, mut indices, mut content) = (Vec::new(), HashSet::new(), Vec::new());
    let (mut start, mut bytes) = (0, Vec::new());
    for number in 1.. {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes).map_err(failed)?;
        if read == 0 {
            break;
        }
        if !bytes.trim_ascii().is_empty() {
            let SampleLine { index, length, .. } = parsed(path, number, &bytes)?;
            if !indices.insert(index) {
                return Err(Error::file(
                    path,
                    Some(number),
                    "an index that no line before has",
                    format!("index {index} again"),
                ));
            }
            content.extend(Fingerprint::of_bytes(&bytes).as_u64().to_le_bytes());
            lines.push((Line { index, start, bytes: read, number }, length));
        }
        start += read as u64;
    }
    Ok((lines, Fingerprint::of_bytes(&content)))
}

fn parsed(path: &Path, number: usize, bytes: &[u8]) -> Result<SampleLine> {
    let wrong = |found: &dyn std::fmt::Display| Error::file(path, Some(number), LINE, found);
    let line: SampleLine = serde_json::from_slice(bytes).map_err(|error| {
        // the error counts lines from the beginning of this one
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        wrong(&format!("{what} (column {})", error.column()))
    })?;
    if line.outputs.is_empty() {
        return Err(wrong(&"no outputs"));
    }
    Ok(line)
}

impl SampleSource for SampleFiles {
    fn names(&self) -> Vec<String> {
        self.lines.iter().map(|(file, line)| format!("{}/{}", self.files[*file].name, line.index)).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<Sample> {
        let (file, line) = self.line(number)?;
        let failed = |source| Error::Read { path: file.path.clone(), source };
        let mut reader = File::open(&file.path).map_err(failed)?;
        reader.seek(SeekFrom::Start(line.start)).map_err(failed)?;
        let mut bytes = vec![0; line.bytes];
        reader.read_exact(&mut bytes).map_err(failed)?;
        let SampleLine { index, input, outputs, .. } = parsed(&file.path, line.number, &bytes)?;
        if index != line.index {
            let found = format!("index {index}: it was changed");
            return Err(Error::file(&file.path, Some(line.number), format!("index {}", line.index), found));
        }
        let prompt = PromptText::Rendered(input);
        let length = match file.length {
            Some(length) => length,
            None => rounded(encoder.count(&prompt)? + file.task.max_tokens()),
        };
        let (scoring, max_tokens) = (file.task.scoring(), file.task.max_tokens());
        let question = Question { prompt, references: outputs, scoring, max_tokens, depth: None };
        Ok(Sample {
            name: format!("{}/{index}", file.name),
            task: file.task.name().into(),
            length,
            questions: vec![question],
        })
    }
}
