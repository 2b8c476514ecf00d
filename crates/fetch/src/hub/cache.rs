//! The layout that Hugging Face's own programs use, so that a model is on the disk once.
//!
//! ```text
//! models--owner--name/blobs/<hash>               contents, by SHA-256 or git's blob id
//! models--owner--name/snapshots/<commit>/<file>  links to them
//! models--owner--name/refs/<revision>            the commit that a branch or tag was when it was fetched last
//! .locks/models--owner--name/<hash>.lock
//! ```

use crate::digest::Expected;
use crate::partial::{create_parent, remove};
use crate::reference::is_commit;
use crate::{FetchError, Result};
use minference_attention::files;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct RepositoryCache {
    folder: PathBuf,
    locks: PathBuf,
}

const PREFIX: &str = "models--";

impl RepositoryCache {
    pub(super) fn new(hub: &Path, repository: &str) -> Self {
        let name = format!("{PREFIX}{}", repository.replace('/', "--"));
        Self { folder: hub.join(&name), locks: hub.join(".locks").join(name) }
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }
    pub(super) fn blob(&self, expected: &Expected) -> PathBuf {
        self.blobs().join(expected.digest.hex())
    }
    pub(super) fn lock(&self, expected: &Expected) -> PathBuf {
        self.locks.join(format!("{}.lock", expected.digest.hex()))
    }
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Whether a content is there in full. Contents get their name when they are whole; a size that
    /// differs means that something else wrote it.
    pub(super) fn has(&self, expected: &Expected) -> bool {
        fs::metadata(self.blob(expected)).is_ok_and(|found| found.is_file() && found.len() == expected.bytes)
    }

    /// Bytes of a content that an earlier attempt left.
    pub(super) fn partial_bytes(&self, expected: &Expected) -> u64 {
        let path = self.blobs().join(format!("{}.partial", expected.digest.hex()));
        fs::metadata(path).map_or(0, |found| found.len())
    }

    /// The commit that a branch or tag was.
    pub(super) fn commit_of(&self, revision: &str) -> Option<String> {
        let path = self.folder.join("refs").join(revision);
        let commit = files::read_text(&path, files::SETTINGS_BYTES).ok()?;
        Some(commit.trim().to_string()).filter(|commit| is_commit(commit))
    }

    /// Remembers it.
    pub(super) fn set_commit(&self, revision: &str, commit: &str) -> Result<()> {
        if revision == commit || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        create_parent(&path)?;
        files::write_bytes(&path, commit).map_err(|source| FetchError::io(&path, source, None))
    }

    /// Gives a content its name in a snapshot.
    pub(super) fn link(&self, commit: &str, file: &str, expected: &Expected) -> Result<()> {
        let (blob, path) = (self.blob(expected), self.snapshot(commit).join(file));
        if same_file(&blob, &path) {
            return Ok(());
        }
        create_parent(&path)?;
        remove(&path)?;
        link(&blob, file, &path).map_err(|source| FetchError::io(&path, source, None))
    }
}

fn same_file(blob: &Path, path: &Path) -> bool {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if is_link || cfg!(unix) {
        matches!((fs::canonicalize(blob), fs::canonicalize(path)), (Ok(blob), Ok(path)) if blob == path)
    } else {
        // a hard link
        matches!((fs::metadata(blob), fs::metadata(path)), (Ok(blob), Ok(path)) if blob.len() == path.len())
    }
}

/// Relative, so that the cache can be moved.
#[cfg(unix)]
fn link(blob: &Path, file: &str, path: &Path) -> std::io::Result<()> {
    let up = "../".repeat(2 + file.matches('/').count());
    let name = blob.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(PathBuf::from(up).join("blobs").join(name), path)
}

/// Symbolic links need a privilege on Windows; hard links don't.
#[cfg(not(unix))]
fn link(blob: &Path, _: &str, path: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, path)
}

/// Repositories that the cache has something of, as `hf:owner/name`.
pub(crate) fn cached_repositories(hub: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(hub)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("snapshots").is_dir())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (owner, name) = name.strip_prefix(PREFIX)?.split_once("--")?;
            Some(format!("hf:{owner}/{name}"))
        })
        .collect();
    found.sort();
    found
}
