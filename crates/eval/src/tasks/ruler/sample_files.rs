//! [`SampleFiles`]: the benchmark's own files of samples, one JSON object a line, `{"index", "input", "outputs", "length"}`. The input is
//! the whole prompt as text, with its template and the beginning of the answer.

use super::task::RulerTask;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{PromptText, Question, Sample, SampleSource};
use crate::tasks::grid::nth;
use crate::tasks::lines::{Line, both, longest};
use minference_model::source::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Lengths that a file doesn't name are rounded up to a multiple of this.
const ROUND: usize = 1024;

/// Folders that a file's length and task may be named by, wherever one begins to look: `4096/vt/validation.jsonl`.
const PARENTS: usize = 2;

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
    samples: Vec<Place>,
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
struct Place {
    /// Among the files.
    file: usize,
    index: u64,
    line: Line,
}

impl SampleFiles {
    /// A file, or all `.jsonl` files in a folder and the folders in it, in the order of their names.
    ///
    /// A file's task is its name (`vt.jsonl`), or that of the nearest folder that is called like a task (`vt/validation.jsonl`). Its length
    /// is the nearest folder that is a number (`4096/vt/validation.jsonl`), otherwise that of its longest sample, rounded up to a multiple of
    /// 1,024. Folders above `path` do not count, except for the two that are nearest to the file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::File`] with the line for what is no sample; no files, an unknown task, an index twice in a file.
    pub fn open(path: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        let root = if path.is_dir() {
            collect(path, &mut Vec::new(), &mut paths)?;
            path
        } else {
            paths.push(path.to_path_buf());
            path.parent().unwrap_or(Path::new(""))
        };
        let mut files = Self { files: Vec::new(), samples: Vec::new(), content: Fingerprint::of_bytes(&[]) };
        for found in paths {
            files.add(found, root)?;
        }
        if files.samples.is_empty() {
            let found = if files.files.is_empty() { "no such file" } else { "no samples" };
            return Err(Error::file(path, None, "files of samples, such as vt/validation.jsonl", found));
        }
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, root: &Path) -> Result<()> {
        let relative = path.strip_prefix(root).unwrap_or(&path).with_extension("");
        let name =
            relative.iter().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join("/");
        let looked_at = relative.iter().count().max(1 + PARENTS);
        let parts: Vec<String> = path
            .with_extension("")
            .iter()
            .rev()
            .take(looked_at)
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let task = parts.iter().find_map(|part| part.parse().ok()).ok_or_else(|| {
            let known: Vec<&str> = RulerTask::all().map(RulerTask::name).collect();
            let expected = format!("a task as name of the file or a folder: {}", known.join(", "));
            Error::file(&path, None, expected, "none")
        })?;
        let (mut indices, mut longest) = (HashSet::new(), None);
        let content = Line::each(&path, |line, text| {
            let SampleLine { index, length, .. } = parsed(&path, line, text)?;
            if !indices.insert(index) {
                let expected = "an index that no line before has";
                return Err(Error::file(&path, Some(line.number), expected, format!("index {index} again")));
            }
            longest = longest.max(length);
            self.samples.push(Place { file: self.files.len(), index, line });
            Ok(())
        })?;
        self.content = both(self.content, content);
        let folder = parts.iter().skip(1).find_map(|part| part.parse::<usize>().ok());
        let length = folder.or(longest.map(rounded));
        self.files.push(TaskFile { path, task, name, length });
        Ok(())
    }

    /// What tells their content from others.
    pub fn fingerprint(&self) -> Fingerprint {
        self.content
    }

    /// Tokens of about the longest prompt with its longest answer.
    ///
    /// # Errors
    /// What is wrong with that sample.
    pub fn longest(&self, encoder: &PromptEncoder<'_>) -> Result<usize> {
        longest(self, self.samples.iter().map(|place| &place.line), encoder)
    }
}

fn rounded(length: usize) -> usize {
    length.max(1).div_ceil(ROUND).saturating_mul(ROUND)
}

/// All `.jsonl` files below a folder, in the order of their names. Links are followed.
///
/// - `above`: where the folders that it lies in really are
fn collect(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |source| Error::Read { path: folder.to_path_buf(), source };
    let real = folder.canonicalize().map_err(failed)?;
    if above.contains(&real) {
        let expected = "a folder that doesn't lie in itself";
        return Err(Error::file(folder, None, expected, format!("a link to {}", real.display())));
    }
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    above.push(real);
    for path in paths {
        if path.is_dir() {
            collect(&path, above, found)?;
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    above.pop();
    Ok(())
}

fn parsed(path: &Path, line: Line, text: &[u8]) -> Result<SampleLine> {
    let wrong = |found: &dyn std::fmt::Display| Error::file(path, Some(line.number), LINE, found);
    let sample: SampleLine = serde_json::from_slice(text).map_err(|error| {
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

impl SampleSource for SampleFiles {
    fn names(&self) -> Vec<String> {
        self.samples.iter().map(|place| format!("{}/{}", self.files[place.file].name, place.index)).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<Sample> {
        let place = nth(&self.samples, number)?;
        let (file, line) = (&self.files[place.file], place.line);
        let SampleLine { index, input, outputs, .. } = parsed(&file.path, line, &line.read(&file.path)?)?;
        if index != place.index {
            let (expected, found) =
                (format!("index {}", place.index), format!("index {index}: it was changed"));
            return Err(Error::file(&file.path, Some(line.number), expected, found));
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
            context: String::new(),
            questions: vec![question],
        })
    }
}
