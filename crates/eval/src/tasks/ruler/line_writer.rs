//! [`LineWriter`]: a file of JSON lines that is there as a whole or not at all.

use crate::error::{Error, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes beside the file, and puts it in its place in the end. What was not finished goes.
#[derive(Debug)]
pub(super) struct LineWriter {
    path: PathBuf,
    partial: PathBuf,
    out: BufWriter<File>,
}

impl LineWriter {
    /// A new file, with the folders that it lies in.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let partial = path.with_extension("partial");
        let create = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            File::create(&partial)
        };
        let out = BufWriter::new(create().map_err(|source| Error::Write { path: path.into(), source })?);
        Ok(Self { path: path.into(), partial, out })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let written = serde_json::to_writer(&mut self.out, line).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|source| self.failed(source))
    }

    /// Puts the file into its place, instead of one that may be there, and gives its path.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        let finished = self.out.flush().and_then(|()| std::fs::rename(&self.partial, &self.path));
        finished.map_err(|source| self.failed(source))?;
        Ok(self.path.clone())
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        // of a finished file there is none
        let _ = std::fs::remove_file(&self.partial);
    }
}
