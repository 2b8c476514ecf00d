//! [`SampleFiles`]: the benchmark's own files of samples, one JSON object a line.

use super::sample_line::SampleLine;
use super::task::RulerTask;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{Question, QuestionPrompt, SampleSource, TaskSample};
use crate::tasks::grid::nth;
use crate::tasks::lines::{FileLine, chained, longest};
use minference_model::files::Fingerprint;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Lengths that a file doesn't name are rounded up to a multiple of this.
const ROUND: usize = 1024;

/// Folders that a file's length and task may be named by, wherever one begins to look:
/// `4096/vt/validation.jsonl`.
const PARENTS: usize = 2;

/// How samples of files become prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SampleForm {
    /// As the official harness asks them: the input as it stands, and behind it the answer's
    /// prefix. Names of special tokens are special tokens.
    #[default]
    Whole,
    /// For files whose inputs were not put into a template: the input is a user's message in the
    /// form that the encoder has, and the answer's prefix is how the answer to it begins.
    Message,
}

/// Samples in files of the official generator, or of [`write_samples`](super::write_samples).
///
/// Files are read through once to check them; inputs are read when they are needed.
#[derive(Debug)]
pub struct SampleFiles {
    form: SampleForm,
    files: Vec<TaskFile>,
    samples: Vec<SampleLinePlace>,
    content: Fingerprint,
    has_prefixes: bool,
}

#[derive(Debug)]
struct TaskFile {
    path: PathBuf,
    task: RulerTask,
    /// What names begin with.
    name: String,
    length: Option<usize>,
    /// Whether its samples are counted, since their indices are not all different.
    is_counted: bool,
}

#[derive(Debug, Clone, Copy)]
struct SampleLinePlace {
    /// Among the files.
    file: usize,
    /// Among the file's samples.
    number: u64,
    index: u64,
    line: FileLine,
}

impl SampleFiles {
    /// A file, or all `.jsonl` files in a folder and the folders in it, in the order of their
    /// names, asked as they stand ([`SampleForm::Whole`]).
    ///
    /// # Errors
    /// As [`open_as`](Self::open_as).
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, SampleForm::Whole)
    }

    /// A file, or all `.jsonl` files in a folder and the folders in it, in the order of their
    /// names.
    ///
    /// A file's task is its name (`vt.jsonl`), or that of the nearest folder that is called like a
    /// task (`vt/validation.jsonl`). Its length is the nearest folder that is a number
    /// (`4096/vt/validation.jsonl`), otherwise that of its longest sample, rounded up to a multiple
    /// of 1,024. Folders above `path` do not count, except for the two that are nearest to the
    /// file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::File`] with the line for what is no sample, for a field that is
    /// not read, and for a sample that needs a template where none was chosen; no files, an
    /// unknown task, an index twice in a file.
    pub fn open_as(path: &Path, form: SampleForm) -> Result<Self> {
        let mut paths = Vec::new();
        let root = if path.is_dir() {
            collect(path, &mut Vec::new(), &mut paths)?;
            path
        } else {
            paths.push(path.to_path_buf());
            path.parent().unwrap_or(Path::new(""))
        };
        let content = Fingerprint::of_bytes(&[]);
        let mut files = Self { form, files: Vec::new(), samples: Vec::new(), content, has_prefixes: false };
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
        let (mut indices, mut longest, mut is_counted) = (HashSet::new(), None, false);
        let mut numbers = 0..;
        let content = FileLine::each(&path, |line, text| {
            let sample = SampleLine::parse(&path, line, text)?;
            let index = sample.index;
            if !indices.insert(index) && !sample.index_is_a_place() {
                let expected = "an index that no line before has";
                return Err(Error::file(&path, Some(line.number), expected, format!("index {index} again")));
            }
            if self.form == SampleForm::Whole && sample.template_tokens() > 0 {
                let expected = "a choice of the template (`--template model`, or raw for none), as the input was left without one";
                let found = format!(
                    "none, and {} tokens kept free for it (length_w_model_temp)",
                    sample.template_tokens()
                );
                return Err(Error::file(&path, Some(line.number), expected, found));
            }
            is_counted |= sample.index_is_a_place();
            self.has_prefixes |= !sample.answer_prefix.is_empty();
            longest = longest.max(sample.whole_length());
            let number = numbers.next().unwrap_or(u64::MAX);
            self.samples.push(SampleLinePlace { file: self.files.len(), number, index, line });
            Ok(())
        })?;
        self.content = chained(self.content, content);
        let folder = parts.iter().skip(1).find_map(|part| part.parse::<usize>().ok());
        let length = folder.or(longest.map(rounded));
        self.files.push(TaskFile { path, task, name, length, is_counted });
        Ok(())
    }

    /// A hash of their content.
    pub fn fingerprint(&self) -> Fingerprint {
        self.content
    }

    /// What a run's settings say about them: all that changes prompts, their content included.
    pub fn description(&self) -> String {
        let prefixes = if self.has_prefixes { " with answer prefixes" } else { "" };
        let form = match self.form {
            SampleForm::Whole => "",
            SampleForm::Message => ", each a message",
        };
        format!("files of samples{prefixes} ({}){form}", self.content)
    }

    /// A sample's name: its file's, and its index there, or its number where indices are places.
    fn name(&self, place: &SampleLinePlace) -> String {
        let file = &self.files[place.file];
        format!("{}/{}", file.name, if file.is_counted { place.number } else { place.index })
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

impl SampleSource for SampleFiles {
    fn names(&self) -> Vec<String> {
        self.samples.iter().map(|place| self.name(place)).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<TaskSample> {
        let place = nth(&self.samples, number)?;
        let (file, line) = (&self.files[place.file], place.line);
        let sample = SampleLine::parse(&file.path, line, &line.read(&file.path)?)?;
        let SampleLine { index, input, answer_prefix, outputs, .. } = sample;
        if index != place.index {
            let (expected, found) =
                (format!("index {}", place.index), format!("index {index}: it was changed"));
            return Err(Error::file(&file.path, Some(line.number), expected, found));
        }
        let prompt = match self.form {
            SampleForm::Whole => QuestionPrompt::Rendered(input + &answer_prefix),
            SampleForm::Message => QuestionPrompt::Asked { user: input, answer_prefix },
        };
        let length = match file.length {
            Some(length) => length,
            None => rounded(encoder.count(&prompt)? + file.task.max_tokens()),
        };
        let (scoring, max_tokens) = (file.task.scoring(), file.task.max_tokens());
        let question = Question { prompt, references: outputs, scoring, max_tokens, depth: None };
        Ok(TaskSample::of_question(self.name(place), file.task.name(), length, question))
    }
}
