//! [`BenchmarkFiles`]: samples from the official files.

use super::example::{Example, Fault};
use super::frame::Frame;
use super::truncate::within;
use super::{Task, distinct, names};
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{Question, Sample, SampleSource};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes of a line at most; official ones have a few million.
const LONGEST_LINE: usize = 1 << 28;

/// Samples from a folder with the official files, one for each task: a line `{"id": ..., "context": ..., "input": ..., "answer": ...,
/// "options": ...}` for each sample.
///
/// Only one line is in memory at a time. Names are `task/number` (`passkey/12`), counted from 0 as the official files do; a sample's length is
/// that of its prompt, after truncation.
#[derive(Debug, Clone)]
pub struct BenchmarkFiles {
    lines: Vec<Place>,
    limit: usize,
}

/// Where a sample's line lies.
#[derive(Debug, Clone)]
struct Place {
    task: Task,
    path: PathBuf,
    /// Among the task's samples, from 0.
    number: usize,
    /// In the file, from 1.
    line: usize,
    start: u64,
    bytes: usize,
}

impl BenchmarkFiles {
    /// Finds the samples of some tasks.
    ///
    /// - `samples`: of each task the first so many; all by default
    /// - `limit`: tokens of prompt and longest answer together; longer prompts lose their middle
    ///
    /// # Errors
    /// No tasks or samples, files that are missing, empty or not to be read.
    pub fn open(folder: &Path, tasks: &[Task], samples: Option<usize>, limit: usize) -> Result<Self> {
        if samples == Some(0) {
            return Err(Error::choice("samples of each task", "at least 1", 0));
        }
        let mut lines = Vec::new();
        for task in distinct(tasks)? {
            let path = folder.join(task.file_name());
            let places = scan(task, &path, samples.unwrap_or(usize::MAX)).map_err(|source| {
                if source.kind() == io::ErrorKind::NotFound {
                    missing(task, &path)
                } else {
                    Error::Read { path: path.clone(), source }
                }
            })?;
            if places.is_empty() {
                return Err(Error::file(&path, None, "a line for each sample", "an empty file"));
            }
            lines.extend(places);
        }
        Ok(Self { lines, limit })
    }
}

impl SampleSource for BenchmarkFiles {
    fn names(&self) -> Vec<String> {
        self.lines.iter().map(Place::name).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<Sample> {
        let place = self.lines.get(number).ok_or_else(|| {
            Error::choice("number of a sample", format!("less than {}", self.lines.len()), number)
        })?;
        let task = place.task;
        let line = place.read()?;
        let example = Example::read(task, &line).map_err(|fault| place.fault(fault))?;
        let frame = Frame::new(task, &example).map_err(|fault| place.fault(fault))?;
        let limits = (self.limit, task.longest_answer());
        let (prompt, length) = within(&frame, &example.context, limits, encoder)?;
        let question = Question {
            prompt,
            references: example.references,
            scoring: task.scoring(),
            max_tokens: task.longest_answer(),
            depth: None,
        };
        Ok(Sample { name: place.name(), task: task.name().into(), length, questions: vec![question] })
    }
}

impl Place {
    fn name(&self) -> String {
        format!("{}/{}", self.task, self.number)
    }

    fn read(&self) -> Result<Vec<u8>> {
        if self.bytes > LONGEST_LINE {
            return Err(self.fault(Fault::new(format!("at most {LONGEST_LINE} bytes"), self.bytes)));
        }
        let read = || -> io::Result<Vec<u8>> {
            let mut line = vec![0; self.bytes];
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.start))?;
            file.read_exact(&mut line)?;
            Ok(line)
        };
        read().map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    fn fault(&self, fault: Fault) -> Error {
        Error::file(&self.path, Some(self.line), fault.expected, fault.found)
    }
}

fn missing(task: Task, path: &Path) -> Error {
    let expected = format!(
        "the file of the task {task} from the InfiniteBench data set, which has to be there beforehand: it can't be had otherwise (only {} can \
         be generated)",
        names(Task::generated())
    );
    Error::file(path, None, expected, "no such file")
}

/// Finds the first lines that are not blank.
fn scan(task: Task, path: &Path, most: usize) -> io::Result<Vec<Place>> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut places: Vec<Place> = Vec::new();
    let (mut start, mut line) = (0, 0);
    while places.len() < most {
        let (bytes, is_blank) = skip_line(&mut reader)?;
        if bytes == 0 {
            break;
        }
        line += 1;
        if !is_blank {
            places.push(Place { task, path: path.into(), number: places.len(), line, start, bytes });
        }
        start += bytes as u64;
    }
    Ok(places)
}

/// Bytes of the next line with its end, and whether it is blank; the line is not kept.
fn skip_line(reader: &mut impl BufRead) -> io::Result<(usize, bool)> {
    let (mut bytes, mut is_blank) = (0, true);
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let read = end.map_or(buffer.len(), |end| end + 1);
        is_blank = is_blank && buffer[..read].iter().all(u8::is_ascii_whitespace);
        reader.consume(read);
        bytes += read;
        if end.is_some() || read == 0 {
            return Ok((bytes, is_blank));
        }
    }
}
