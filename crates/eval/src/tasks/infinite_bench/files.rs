//! [`BenchmarkFiles`]: samples from the official files.

use super::example::{Example, Fault};
use super::frame::Frame;
use super::truncate::within;
use super::{InfiniteBenchTask, names};
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{Question, SampleSource, TaskSample};
use crate::tasks::grid::{distinct, nth};
use crate::tasks::lines::{FileLine, longest};
use minference_model::files::Fingerprint;
use std::path::{Path, PathBuf};

/// Samples from a folder with the official files, one for each task: a line `{"id": ..., "context":
/// ..., "input": ..., "answer": ..., "options": ...}` for each sample.
///
/// Files are read through once, and every line that will be asked is checked then; later only one
/// line is in memory at a time. Names are `task/number` (`passkey/12`), counted from 0 as the
/// official files do; a sample's length is that of its prompt, after truncation.
#[derive(Debug, Clone)]
pub struct BenchmarkFiles {
    folder: PathBuf,
    samples: Vec<ExamplePlace>,
    contents: Vec<(InfiniteBenchTask, Fingerprint)>,
    limit: usize,
}

/// Where a sample's line lies.
#[derive(Debug, Clone, Copy)]
struct ExamplePlace {
    task: InfiniteBenchTask,
    /// Among the task's samples, from 0.
    number: usize,
    line: FileLine,
}

impl BenchmarkFiles {
    /// Finds the samples of some tasks. Prompts are as long as they are; see
    /// [`with_limit`](Self::with_limit).
    ///
    /// - `samples`: of each task the first so many; all by default
    ///
    /// # Errors
    /// No tasks or samples; files that are missing, empty or not to be read; a line that is no
    /// sample.
    pub fn open(folder: &Path, tasks: &[InfiniteBenchTask], samples: Option<usize>) -> Result<Self> {
        for (what, is_empty) in [("tasks", tasks.is_empty()), ("samples of each task", samples == Some(0))] {
            if is_empty {
                return Err(Error::choice(what, "at least one", "none"));
            }
        }
        let mut files =
            Self { folder: folder.into(), samples: Vec::new(), contents: Vec::new(), limit: usize::MAX };
        for task in distinct(tasks) {
            files.add(task, samples.unwrap_or(usize::MAX))?;
        }
        for task in InfiniteBenchTask::all().filter(|task| !tasks.contains(task)) {
            let path = files.path(task);
            if path.is_file() {
                files.contents.push((task, FileLine::each(&path, |_, _| Ok(()))?));
            }
        }
        files.contents.sort();
        Ok(files)
    }

    /// With prompts that lose their middle where they are too long.
    ///
    /// - `limit`: tokens of prompt and longest answer together
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// A hash of the content of each official file in the folder, also of those whose
    /// tasks were not chosen: a later run may choose them, and must find what it would have found
    /// before.
    pub fn contents(&self) -> &[(InfiniteBenchTask, Fingerprint)] {
        &self.contents
    }

    /// Tokens of about the longest prompt with its longest answer.
    ///
    /// # Errors
    /// What is wrong with that sample.
    pub fn longest(&self, encoder: &PromptEncoder<'_>) -> Result<usize> {
        longest(self, self.samples.iter().map(|place| &place.line), encoder)
    }

    /// Checks a file and finds its first samples.
    fn add(&mut self, task: InfiniteBenchTask, most: usize) -> Result<()> {
        let path = self.path(task);
        if !path.exists() {
            return Err(missing(task, &path));
        }
        let mut number = 0;
        let content = FileLine::each(&path, |line, text| {
            if number < most {
                read(task, text).map_err(|fault| fault.at(&path, line))?;
                self.samples.push(ExamplePlace { task, number, line });
                number += 1;
            }
            Ok(())
        })?;
        if number == 0 {
            return Err(Error::file(&path, None, "a line for each sample", "an empty file"));
        }
        self.contents.push((task, content));
        Ok(())
    }

    fn path(&self, task: InfiniteBenchTask) -> PathBuf {
        self.folder.join(task.file_name())
    }
}

impl SampleSource for BenchmarkFiles {
    fn names(&self) -> Vec<String> {
        self.samples.iter().map(ExamplePlace::name).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<TaskSample> {
        let place = nth(&self.samples, number)?;
        let ExamplePlace { task, line, .. } = *place;
        let path = self.path(task);
        let (example, frame) = read(task, &line.read(&path)?).map_err(|fault| fault.at(&path, line))?;
        let limits = (self.limit, task.longest_answer());
        let (prompt, length) = within(&frame, &example.context, limits, encoder)?;
        let question = Question {
            prompt,
            references: example.references,
            scoring: task.scoring(),
            max_tokens: task.longest_answer(),
            depth: None,
        };
        Ok(TaskSample::of_question(place.name(), task.name(), length, question))
    }
}

impl ExamplePlace {
    fn name(&self) -> String {
        format!("{}/{}", self.task, self.number)
    }
}

impl Fault {
    fn at(self, path: &Path, line: FileLine) -> Error {
        Error::file(path, Some(line.number), self.expected, self.found)
    }
}

/// A sample, and what stands around its context.
fn read(task: InfiniteBenchTask, line: &[u8]) -> std::result::Result<(Example, Frame), Fault> {
    let example = Example::read(task, line)?;
    let frame = Frame::new(task, &example)?;
    Ok((example, frame))
}

fn missing(task: InfiniteBenchTask, path: &Path) -> Error {
    let expected = format!(
        "the file of the task {task} from the InfiniteBench data set, which has to be there beforehand: it can't be had otherwise (only {} can \
         be generated)",
        names(InfiniteBenchTask::generated())
    );
    Error::file(path, None, expected, "no such file")
}
