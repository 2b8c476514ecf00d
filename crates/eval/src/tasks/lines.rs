//! [`FileLine`]: a line of a file of samples, found again without reading what stands before it.
//! Files may be larger than memory; one line of them is not.

use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::SampleSource;
use minference_attention::files;
use minference_attention::files::bytes_without_mark;
use minference_model::files::Fingerprint;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of a line at most; benchmarks' have a few million.
const LONGEST: u64 = 1 << 28;

/// Where a line lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileLine {
    /// From 1.
    pub(super) number: usize,
    start: u64,
    bytes: usize,
}

impl FileLine {
    /// Shows each line of a file that is not blank, in order, and gives a hash of the file's
    /// content.
    ///
    /// # Errors
    /// A file that can't be read, a line that is too long, and those of `show`.
    pub(super) fn each(path: &Path, mut show: impl FnMut(Self, &[u8]) -> Result<()>) -> Result<Fingerprint> {
        let failed = |source| Error::Read { path: path.to_path_buf(), source };
        let mut reader = BufReader::with_capacity(1 << 20, files::open(path).map_err(failed)?);
        let (mut start, mut text, mut content) = (0, Vec::new(), Fingerprint::of_bytes(&[]));
        for number in 1.. {
            text.clear();
            let bytes = reader.by_ref().take(LONGEST + 1).read_until(b'\n', &mut text).map_err(failed)?;
            if bytes == 0 {
                break;
            }
            if bytes as u64 > LONGEST {
                return Err(Error::file(path, Some(number), format!("at most {LONGEST} bytes"), "more"));
            }
            // before the first line may stand a byte-order mark
            let mark = if number == 1 { bytes - bytes_without_mark(&text).len() } else { 0 };
            text.drain(..mark);
            let (start_of_line, bytes_of_line) = (start + mark as u64, bytes - mark);
            if !text.trim_ascii().is_empty() {
                content = chained(content, Fingerprint::of_bytes(text.trim_ascii()));
                show(Self { number, start: start_of_line, bytes: bytes_of_line }, &text)?;
            }
            start += bytes as u64;
        }
        Ok(content)
    }

    /// Its text.
    ///
    /// # Errors
    /// A file that can't be read, or is shorter than it was.
    pub(super) fn read(self, path: &Path) -> Result<Vec<u8>> {
        let read = || -> io::Result<Vec<u8>> {
            let mut text = vec![0; self.bytes];
            let mut file = files::open(path)?;
            file.seek(SeekFrom::Start(self.start))?;
            file.read_exact(&mut text)?;
            Ok(text)
        };
        read().map_err(|source| Error::Read { path: path.to_path_buf(), source })
    }
}

/// The hash of one content after another.
pub(super) fn chained(first: Fingerprint, second: Fingerprint) -> Fingerprint {
    Fingerprint::of_bytes([first, second].map(|part| part.as_u64().to_le_bytes()).as_flattened())
}

/// Tokens of about the longest prompt with its longest answer: those of the sample whose line is
/// longest.
///
/// - `lines`: of the source's samples, in their order
pub(super) fn longest<'a>(
    source: &impl SampleSource,
    lines: impl Iterator<Item = &'a FileLine>,
    encoder: &PromptEncoder<'_>,
) -> Result<usize> {
    let Some((number, _)) = lines.enumerate().max_by_key(|(_, line)| line.bytes) else { return Ok(0) };
    let questions = source.sample(number, encoder)?.questions;
    let needed = questions.iter().map(|question| Ok(encoder.count(&question.prompt)? + question.max_tokens));
    Ok(needed.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &str) -> (Vec<(usize, String)>, Fingerprint) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        std::fs::write(&path, content).unwrap();
        let mut found = Vec::new();
        let show = |line: FileLine, text: &[u8]| {
            assert_eq!(line.read(&path)?, text);
            found.push((line.number, String::from_utf8_lossy(text).trim().to_string()));
            Ok(())
        };
        let content = FileLine::each(&path, show).unwrap();
        (found, content)
    }

    #[test]
    fn lines_are_found_again_and_blank_ones_are_none() {
        let (found, content) = lines("a\n \r\n\nb c\r\nd");
        assert_eq!(found, [(1, "a".into()), (4, "b c".into()), (5, "d".into())]);
        assert_eq!(lines("a\nb c\nd\n").1, content);
        assert_eq!(
            lines("\u{feff}a\nb c\nd\n"),
            (vec![(1, "a".into()), (2, "b c".into()), (3, "d".into())], content)
        );
        assert!(lines("\u{feff}\n").0.is_empty());
        for other in ["a\nb c", "a\nd\nb c", "a\nb c\nd\nd", "ab c\nd"] {
            assert_ne!(lines(other).1, content, "{other}");
        }
        assert!(lines("").0.is_empty());
        assert!(FileLine::each(Path::new("nowhere.jsonl"), |_, _| Ok(())).is_err());
    }
}
