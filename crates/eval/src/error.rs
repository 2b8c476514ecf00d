//! What can go wrong, with what was expected and what was found.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
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

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
