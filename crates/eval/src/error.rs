//! What can go wrong, with what was expected and what was found. Texts of errors don't repeat their
//! source's ([`minference_attention::error`] says why).

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that can't be written.
    #[error("can't write {path}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder that can't be read.
    #[error("can't read {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of samples, texts or results that is not what it should be.
    #[error("{path}{}: expected {expected}, found {found}", place(*line))]
    File {
        /// Which one.
        path: PathBuf,
        /// The line, counted from 1, where there is one.
        line: Option<usize>,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A choice that makes no sense: an unknown task or method, a length that is too short, no
    /// samples.
    #[error("{what}: expected {expected}, found {found}")]
    Choice {
        /// What was chosen.
        what: String,
        /// What could have been.
        expected: String,
        /// What was.
        found: String,
    },
    /// The model refused, or can't go on.
    #[error(transparent)]
    Model(#[from] minference_model::Error),
    /// A figure whose SVG can't be drawn.
    #[error("figure {name}: expected an SVG, found {reason}")]
    Svg {
        /// The figure.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A scale at which a figure has no pixels, or too many.
    #[error("figure {name}: expected a scale that gives sides of 1 to {limit} pixels, found {scale}")]
    Scale {
        /// The figure.
        name: String,
        /// The scale that was asked for.
        scale: f32,
        /// The longest side.
        limit: u32,
    },
}

fn place(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

impl Error {
    /// For `map_err` of calls that read a file.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Read { path: path.into(), source }
    }

    /// For `map_err` of calls that write a file.
    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Write { path: path.into(), source }
    }

    /// A wrong choice.
    pub(crate) fn choice(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Choice { what: what.into(), expected: expected.into(), found: found.to_string() }
    }

    /// A wrong file.
    pub(crate) fn file(
        path: &Path,
        line: Option<usize>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::File { path: path.to_path_buf(), line, expected: expected.into(), found: found.to_string() }
    }
}

impl From<minference_attention::Error> for Error {
    fn from(error: minference_attention::Error) -> Self {
        Self::Model(error.into())
    }
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
