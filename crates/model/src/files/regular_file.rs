//! Reading files from elsewhere: only regular ones (a pipe would block for
//! ever), and never more than a limit.

use crate::error::{Error, Result};
use memmap2::Mmap;
use minference_attention::files;
use minference_attention::files::bytes_without_mark;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// More than any file has that describes a model, such as `config.json`.
pub(crate) const SIDE_FILE_BYTES: u64 = files::SETTINGS_BYTES;
/// More than any vocabulary's file.
pub(crate) const VOCABULARY_BYTES: u64 = 256 << 20;

/// All of a text file that has at most `limit` bytes, whatever the system says about its length;
/// without a byte-order mark.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = files::read(path, limit).map_err(Error::io(path))?;
    let mark = bytes.len() - bytes_without_mark(&bytes).len();
    bytes.drain(..mark);
    Ok(bytes)
}

/// Whether a file begins with some bytes; the others are not read.
pub(crate) fn starts_with(path: &Path, beginning: &[u8]) -> Result<bool> {
    let mut bytes = Vec::new();
    let file = files::open(path).map_err(Error::io(path))?;
    file.take(beginning.len() as u64).read_to_end(&mut bytes).map_err(Error::io(path))?;
    Ok(bytes == beginning)
}

/// Maps a file that is not empty.
///
/// - `what`: what it should hold, for the error of one that is
pub(crate) fn map(path: &Path, what: &str) -> Result<Arc<Mmap>> {
    let file = files::open(path).map_err(Error::io(path))?;
    if file.metadata().map_err(Error::io(path))?.len() == 0 {
        return Err(Error::file(path, "file", format!("a file with {what}"), "an empty file"));
    }
    // SAFETY: the map is read-only and keeps the file open. Another process that writes to the file
    // while it is mapped could change bytes under a shared reference; every program that maps
    // weights lives with that, and `ModelFiles::open` and `ContextFile::open` say it.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
    Ok(Arc::new(map))
}
