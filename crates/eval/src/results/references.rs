//! [`References`]: dense attention's next-token distributions, kept beside the results, so that a
//! method that is added later can be held against them.
//!
//! A file for each sample in the folder `references`: a row for each distribution, natural
//! logarithms of the probabilities as `f32`, little-endian: 600 KB a question for a vocabulary of
//! 150,000. They may be deleted; what needs them then runs dense attention again.

use crate::error::{Error, Result};
use minference_attention::files;
use std::path::{Path, PathBuf};

/// The folder of distributions of a run.
#[derive(Debug)]
pub struct References {
    folder: PathBuf,
    vocabulary: usize,
}

impl References {
    /// Beside the results of a run.
    ///
    /// - `vocabulary`: logits of a token
    pub fn beside(results: &Path, vocabulary: usize) -> Self {
        Self { folder: results.join("references"), vocabulary }
    }

    /// The distributions of a sample; none where they were not kept, or not completely.
    pub fn read(&self, sample: &str, rows: usize) -> Option<Vec<Vec<f32>>> {
        let whole = rows * self.vocabulary * size_of::<f32>();
        let bytes = files::read(&self.path(sample), whole as u64).ok()?;
        if bytes.len() != whole {
            return None;
        }
        let row = |bytes: &[u8]| {
            bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect()
        };
        Some(bytes.chunks_exact(self.vocabulary * size_of::<f32>()).map(row).collect())
    }

    /// Keeps the distributions of a sample.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, sample: &str, rows: &[Vec<f32>]) -> Result<()> {
        let path = self.path(sample);
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        let written = files::make_folder_of(&path).and_then(|()| files::write_bytes(&path, bytes));
        written.map_err(Error::write(&path))
    }

    /// Names of samples have slashes, and may be those of files.
    fn path(&self, sample: &str) -> PathBuf {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
        let readable: String = sample.chars().map(plain).take(80).collect();
        let hash = minference_model::files::Fingerprint::of_bytes(sample.as_bytes());
        self.folder.join(format!("{readable}-{hash}.f32"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_and_what_is_broken_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let references = References::beside(folder.path(), 3);
        let rows = [vec![-0.5, -1.0, -20.25], vec![-2.0, -1.5, -0.75]];
        assert_eq!(references.read("a/b", 2), None);
        references.write("a/b", &rows).unwrap();
        references.write("a-b", &rows[..1]).unwrap();
        assert_eq!(references.read("a/b", 2).unwrap(), rows);
        assert_eq!(references.read("a-b", 1).unwrap(), rows[..1]);
        assert_eq!(references.read("a/b", 3), None);
        std::fs::write(references.path("a/b"), [0; 5]).unwrap();
        assert_eq!(references.read("a/b", 2), None);
    }
}
