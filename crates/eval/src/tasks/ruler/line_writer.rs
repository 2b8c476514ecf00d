//! [`LineWriter`]: a file of JSON lines that is there as a whole or not at all.

use crate::error::{Error, Result};
use minference_attention::files::{WholeFile, make_folder_of};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a [`WholeFile`]. What was not finished goes.
#[derive(Debug)]
pub(super) struct LineWriter {
    path: PathBuf,
    out: WholeFile,
}

impl LineWriter {
    /// A new file, with the folders that it lies in.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let out = make_folder_of(path).and_then(|()| WholeFile::create(path)).map_err(Error::write(path))?;
        Ok(Self { path: path.into(), out })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let written = serde_json::to_writer(&mut self.out, line).map_err(std::io::Error::from);
        written.and_then(|()| self.out.write_all(b"\n")).map_err(Error::write(&self.path))
    }

    /// Puts the file into its place, instead of one that may be there, and gives its path.
    pub(super) fn finish(self) -> Result<PathBuf> {
        self.out.finish().map_err(Error::write(&self.path))?;
        Ok(self.path)
    }
}
