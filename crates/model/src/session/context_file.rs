//! Contexts in files: what a [`Session`] has read is saved, and another run goes on from there
//! instead of reading it again.
//!
//! ```no_run
//! use minference_model::session::context_file::{ContextFile, LoadOptions};
//! use minference_model::{Compute, Model, PrefillOptions, Session, SessionOptions};
//! # fn example(model: &Model, compute: Compute, first: &[u32], second: &[u32]) -> minference_model::Result<()> {
//! let mut session = Session::new(model.decoder().clone(), compute.clone(), SessionOptions::for_tokens(40_000))?;
//! session.prefill(first, &PrefillOptions::default())?;
//! session.save("book.ctx", &model.fingerprint())?;
//!
//! // another day, another question about the same book
//! let file = ContextFile::open("book.ctx")?;
//! let known = file.reusable(second, model.decoder().config());
//! println!("{known} of {} tokens are known", second.len());
//! let options = LoadOptions {
//!     tokens: Some(known),
//!     ..LoadOptions::all(SessionOptions::for_tokens(40_000))
//! };
//! let mut session = file.load(model.decoder().clone(), compute, &model.fingerprint(), &options)?;
//! session.prefill(&second[session.tokens()..], &PrefillOptions::default())?;
//! # Ok(())
//! # }
//! ```
//!
//! A file is for one model, one type of keys and values and one encoding of positions; everything
//! else is refused. It is written as a whole or not at all, and a checksum guards each of its
//! sections: the header, the tokens' ids, and each layer.
//!
//! | place | what it holds |
//! |---|---|
//! | `context_file/opening.rs` | magic number, version, and the way to the header |
//! | `context_file/header.rs` | the header: what is in the file, as JSON |
//! | `context_file/sections.rs` | where ids, keys and values lie behind it |
//! | `context_file/checksum.rs` | XXH3 |
//! | `context_file/save.rs`, `context_file/load.rs` | from a session, and to one |

mod checksum;
mod header;
mod load;
mod opening;
mod save;
mod sections;

use crate::decoder::Decoder;
use crate::decoder::config::ModelConfig;
use crate::device::compute::Compute;
use crate::error::{Error, Result};
use crate::files::Fingerprint;
use crate::files::regular_file::{map, starts_with};
use crate::session::{Session, SessionOptions, reusable};
use checksum::Checksum;
use header::Header;
use memmap2::Mmap;
use sections::Sections;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A context on disk whose header and token ids were read and found right; keys and values stay in
/// the mapped file.
#[derive(Debug)]
pub struct ContextFile {
    path: PathBuf,
    map: Arc<Mmap>,
    header: Header,
    sections: Sections,
}

/// Choices for [`ContextFile::load`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadOptions {
    /// The session to make. Its cache must be of the file's type.
    pub session: SessionOptions,
    /// How many of the first tokens are loaded; all without it.
    pub tokens: Option<usize>,
}

impl LoadOptions {
    /// All tokens of a file, into such a session.
    pub fn all(session: SessionOptions) -> Self {
        Self { session, tokens: None }
    }
}

impl ContextFile {
    /// Opens a file that [`Session::save`] wrote.
    ///
    /// The file is mapped: a program that changes or truncates the open file changes what is
    /// loaded, or crashes the process.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that can't be read; [`Error::File`] for one that is no context, is
    /// of another version, was cut or damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = map(path, "a context")?;
        let (header, sections) = opening::read(path, &map)?;
        let file = Self { path: path.into(), map, header, sections };
        let history = Checksum::of([&file.map[file.sections.padded_history.clone()]]);
        file.check("history", file.header.history, history)?;
        Ok(file)
    }

    /// Whether a file begins as every context does: one that may be replaced by another. No more of
    /// it is read, so that it can still be damaged.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that can't be read, or is not there, and for a folder, a pipe or a
    /// device.
    pub fn is_context(path: impl AsRef<Path>) -> Result<bool> {
        starts_with(path.as_ref(), opening::MAGIC)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.sections.end
    }

    /// The program that wrote it.
    pub fn program(&self) -> &str {
        &self.header.program
    }

    /// The model in words: its family, its shape, its fingerprint.
    pub fn model(&self) -> String {
        self.header.model.to_string()
    }

    /// Tokens that were read.
    pub fn tokens(&self) -> usize {
        self.header.tokens
    }

    /// Their ids.
    pub fn history(&self) -> &[u32] {
        // a map begins at a page, and a section at a multiple of 64 bytes
        bytemuck::cast_slice(&self.map[self.sections.history.clone()])
    }

    /// Tokens that were read when the cache was compressed; 0 if it was not. Only a prompt that
    /// begins with all of them can go on from it.
    pub fn compressed_tokens(&self) -> usize {
        self.header.compressed
    }

    /// How keys and values are stored, such as `f16`.
    pub fn cache_format(&self) -> &str {
        &self.header.cache_format
    }

    /// What was [saved beside](Session::save_with) the context; null if nothing was.
    pub fn about(&self) -> &Value {
        &self.header.about
    }

    /// How many tokens of a prompt need not be read again by a model, as [`Session::reuse`] counts
    /// them.
    pub fn reusable(&self, prompt: &[u32], config: &ModelConfig) -> usize {
        let read = (self.history(), &self.header.positions.readings);
        reusable(config, read, self.compressed_tokens(), prompt)
    }

    /// A session that has read what is in the file.
    ///
    /// Keys and values are checked and copied; the session does not need the file any more.
    ///
    /// # Errors
    /// [`Error::File`] for another model, type of keys and values or encoding of positions, and for
    /// a file that was damaged; [`Error::Shape`] for a capacity below the tokens that are loaded,
    /// for more tokens than there are, or fewer than those that were compressed (but 0); out of
    /// memory.
    pub fn load(
        &self,
        decoder: Arc<Decoder>,
        compute: Compute,
        fingerprint: &Fingerprint,
        options: &LoadOptions,
    ) -> Result<Session> {
        load::load(self, decoder, compute, *fingerprint, options)
    }

    /// Bytes of its keys and values, which is what they take in a session.
    pub fn cache_bytes(&self) -> u64 {
        self.sections.layers.iter().map(|layer| layer.whole.len() as u64).sum()
    }

    /// Looks for whatever [`load`](Self::load) would refuse, all checksums included, without taking
    /// memory for it.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for memory.
    pub fn check_load(
        &self,
        decoder: &Decoder,
        fingerprint: &Fingerprint,
        options: &LoadOptions,
    ) -> Result<()> {
        load::check(self, decoder, *fingerprint, options).map(|_| ())
    }

    fn wrong(&self, place: &str, expected: impl Into<String>, found: impl std::fmt::Display) -> Error {
        Error::file(&self.path, place, expected, found)
    }

    fn check(&self, place: &str, expected: Checksum, found: Checksum) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let found = format!("{found}: the file was damaged; {}", opening::READ_AGAIN);
        Err(self.wrong(place, format!("the checksum {expected}"), found))
    }
}

impl Session {
    /// Writes what was read into a file, as a whole or not at all; one that was there is replaced.
    ///
    /// # Errors
    /// A session that has read nothing; [`Error::Io`] where the file can't be written, which then
    /// is as it was.
    pub fn save(&self, path: impl AsRef<Path>, fingerprint: &Fingerprint) -> Result<()> {
        self.save_with(path, fingerprint, Value::Null)
    }

    /// The same with something that [`ContextFile::about`] gives back, such as the messages of a
    /// conversation.
    ///
    /// # Errors
    /// As [`save`](Self::save), and for more than 16 MiB of it.
    pub fn save_with(&self, path: impl AsRef<Path>, fingerprint: &Fingerprint, about: Value) -> Result<()> {
        save::save(self, path.as_ref(), *fingerprint, about)
    }

    /// A session that has read what is in a file; its header alone is read by
    /// [`ContextFile::open`].
    ///
    /// # Errors
    /// As [`ContextFile::open`] and [`ContextFile::load`].
    pub fn load(
        path: impl AsRef<Path>,
        decoder: Arc<Decoder>,
        compute: Compute,
        fingerprint: &Fingerprint,
        options: &LoadOptions,
    ) -> Result<Self> {
        ContextFile::open(path)?.load(decoder, compute, fingerprint, options)
    }
}
