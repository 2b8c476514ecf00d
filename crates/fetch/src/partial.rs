//! [`Partial`]: a file that is being made. It gets its final name when it is whole and its hash is
//! right, never before.

use super::digest::{Expected, Hasher, hash_file};
use super::progress::FetchProgress;
use super::{FetchError, Result};
use minference_attention::files;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) struct Partial<'a> {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    bytes: u64,
    expected: &'a Expected,
}

impl<'a> Partial<'a> {
    /// Opens what an earlier attempt left, or begins anew. What is there is hashed, so that the end
    /// needs no second reading.
    pub(super) fn open(path: PathBuf, expected: &'a Expected, progress: &dyn FetchProgress) -> Result<Self> {
        create_parent(&path)?;
        // before anything is written: a file that can't be finished is not begun
        let kept = std::fs::metadata(&path).map_or(0, |found| found.len());
        require_space(&path, expected.bytes.saturating_sub(kept))?;
        let failed = |source| FetchError::io(&path, source, Some(expected.bytes));
        files::check_regular_or_absent(&path).map_err(failed)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let left = file.metadata().map_err(failed)?.len();
        let mut partial = Self { file, hasher: Hasher::new(expected), bytes: left, expected, path };
        if left > expected.bytes {
            partial.restart()?;
        } else if left > 0 {
            hash_file(&partial.path, &mut partial.hasher, progress)?;
        }
        Ok(partial)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets all bytes.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|source| FetchError::io(&self.path, source, None))?;
        self.hasher = Hasher::new(self.expected);
        self.bytes = 0;
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let left = self.expected.bytes - self.bytes;
        self.file.write_all(bytes).map_err(|source| FetchError::io(&self.path, source, Some(left)))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Checks size and hash, and gives the file its name. A wrong one is removed.
    pub(super) fn finish(self, what: &str, target: &Path) -> Result<()> {
        let found = self.hasher.finish();
        if self.bytes != self.expected.bytes || found != self.expected.digest {
            drop(self.file);
            remove(&self.path)?;
            return Err(FetchError::WrongContent {
                what: what.to_string(),
                expected: format!("{} bytes, {}", self.expected.bytes, self.expected.digest.describe()),
                found: format!("{} bytes, {}", self.bytes, found.describe()),
            });
        }
        let failed = |source| FetchError::io(&self.path, source, None);
        // on disk before it has its name: a crash must not leave half a file under it
        self.file.sync_all().map_err(failed)?;
        drop(self.file);
        create_parent(target)?;
        std::fs::rename(&self.path, target).map_err(|source| FetchError::io(target, source, None))
    }

    /// Removes it from the disk.
    pub(super) fn discard(&mut self) -> Result<()> {
        remove(&self.path)
    }
}

/// Makes the folder that is to hold a file.
pub(super) fn create_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source, None))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FetchError::io(path, source, None))
        }
        _ => Ok(()),
    }
}

/// [`FetchError::NoSpace`] if so many bytes will not fit beside a file. A system that can't tell is
/// taken to have room.
pub(super) fn require_space(path: &Path, needed: u64) -> Result<()> {
    match path.parent().map(fs4::available_space) {
        Some(Ok(available)) if available < needed => Err(FetchError::NoSpace {
            path: path.to_path_buf(),
            needed: Some(needed),
            available: Some(available),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use std::io::ErrorKind;

    fn expected(bytes: u64) -> Expected {
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        Expected { bytes, digest: Digest::parse(sha256).unwrap() }
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("x.partial"), folder.path().join("deep/x"));
        let expected = expected(5);
        let mut partial = Partial::open(path.clone(), &expected, &()).unwrap();
        partial.append(b"hel").unwrap();
        drop(partial);
        assert!(!target.exists());
        let mut partial = Partial::open(path.clone(), &expected, &()).unwrap();
        assert_eq!(partial.bytes(), 3);
        partial.append(b"lo").unwrap();
        partial.finish("x", &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"hello");
        assert!(!path.exists());
    }

    #[test]
    fn a_wrong_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("x.partial"), folder.path().join("x"));
        let expected = expected(5);
        std::fs::write(&path, "far too long").unwrap();
        let mut partial = Partial::open(path.clone(), &expected, &()).unwrap();
        assert_eq!(partial.bytes(), 0);
        partial.append(b"hallo").unwrap();
        let error = partial.finish("x", &target).unwrap_err();
        assert!(matches!(error, FetchError::WrongContent { .. }), "{error}");
        assert!(!path.exists() && !target.exists());
    }

    #[test]
    fn a_disk_that_is_full_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let error = require_space(&file, u64::MAX).unwrap_err().to_string();
        assert!(error.contains(&u64::MAX.to_string()) && error.contains("MINFERENCE_CACHE"), "{error}");
        let error = FetchError::io(&file, ErrorKind::StorageFull.into(), Some(7)).to_string();
        assert!(error.contains("7 bytes are needed") && error.contains("are there"), "{error}");
        let error = FetchError::io(&file, ErrorKind::PermissionDenied.into(), None);
        assert!(matches!(error, FetchError::NoPermission { .. }));
        #[cfg(target_os = "linux")]
        if let Ok(mut full) = OpenOptions::new().write(true).open("/dev/full") {
            let source = full.write_all(b"x").unwrap_err();
            assert!(matches!(FetchError::io(&file, source, None), FetchError::NoSpace { .. }));
        }
    }
}
