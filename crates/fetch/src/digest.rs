//! What a file must hash to, and hashing it as it comes.

use super::progress::{Activity, FetchProgress, FetchStep, check};
use super::{FetchError, Result};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// Bytes that are read or written at once.
pub(super) const CHUNK: usize = 1 << 18;

/// How the Hub names a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Digest {
    /// Large files: SHA-256 in hexadecimal.
    Sha256(String),
    /// Small files, which lie in git itself: git's id of the blob, in hexadecimal.
    GitBlob(String),
}

impl Digest {
    /// By its length, as it stands in an ETag.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match text.len() {
            64 => Some(Self::Sha256(text)),
            40 => Some(Self::GitBlob(text)),
            _ => None,
        }
    }

    /// In hexadecimal.
    pub(super) fn hex(&self) -> &str {
        let (Self::Sha256(text) | Self::GitBlob(text)) = self;
        text
    }

    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Sha256(text) => format!("sha256 {text}"),
            Self::GitBlob(text) => format!("git blob {text}"),
        }
    }
}

/// What a file must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) bytes: u64,
    pub(super) digest: Digest,
}

/// Hashes a file in the way in which the expected hash was made.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hasher {
    pub(super) fn new(expected: &Expected) -> Self {
        match expected.digest {
            Digest::Sha256(_) => Self::Sha256(Sha256::new()),
            // git hashes a header before the content
            Digest::GitBlob(_) => Self::GitBlob(Sha1::new_with_prefix(format!("blob {}\0", expected.bytes))),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitBlob(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(hex(&hasher.finalize())),
            Self::GitBlob(hasher) => Digest::GitBlob(hex(&hasher.finalize())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// [`FetchError::Io`] and its kin if the file can't be read, [`FetchError::Cancelled`].
pub fn sha256(path: &Path, progress: &dyn FetchProgress) -> Result<String> {
    let mut hasher = Hasher::Sha256(Sha256::new());
    hash_file(path, &mut hasher, progress)?;
    Ok(hasher.finish().hex().to_string())
}

/// Adds a file's bytes, and says how many.
pub(super) fn hash_file(path: &Path, hasher: &mut Hasher, progress: &dyn FetchProgress) -> Result<u64> {
    let failed = |source| FetchError::io(path, source, None);
    let mut file = minference_attention::files::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        check(progress)?;
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Ok(done);
        }
        hasher.update(&buffer[..count]);
        done += count as u64;
        progress.advance(&FetchStep { activity: Activity::Checking, what: &name, done, total: Some(total) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum_and_git() {
        let of = |digest: &str, text: &str| {
            let digest = Digest::parse(digest).unwrap();
            let mut hasher = Hasher::new(&Expected { bytes: text.len() as u64, digest });
            hasher.update(text.as_bytes());
            hasher.finish().hex().to_string()
        };
        // printf hello | sha256sum; printf hello | git hash-object --stdin
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let git = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        assert_eq!(of(sha256, "hello"), sha256);
        assert_eq!(of(git, "hello"), git);
        assert_eq!(Digest::parse(&format!("W/\"{git}\"")), Some(Digest::GitBlob(git.into())));
        assert_eq!(Digest::parse("abc"), None);
        assert_eq!(Digest::parse(&"x".repeat(64)), None);
    }
}
