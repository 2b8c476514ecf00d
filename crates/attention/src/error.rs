//! What can go wrong, with what was expected and what was found.
//!
//! An error's text does not repeat that of its source: a chain of errors is printed as one
//! sentence, such as anyhow's `{:#}` does, in which every cause and every path stands once.

use crate::element::ElementType;
use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor, or a part of the inputs, has the wrong shape.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which tensor or dimension.
        what: &'static str,
        /// What would have been right.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A view reaches beyond its data.
    #[error(
        "a view of shape {shape:?} with strides {strides:?} needs {needed} elements, but its data holds {available}"
    )]
    OutOfBounds {
        /// `[tokens, heads, head_dim]`
        shape: [usize; 3],
        /// Elements from one token to the next, and from one head to the next.
        strides: [usize; 2],
        /// Elements that the shape and strides reach.
        needed: usize,
        /// Elements that are there.
        available: usize,
    },
    /// An output view whose rows overlap, so that two threads would write the same element.
    #[error("an output of shape {shape:?} with strides {strides:?} has rows that overlap")]
    OverlappingOutput {
        /// `[tokens, heads, head_dim]`
        shape: [usize; 3],
        /// Elements from one token to the next, and from one head to the next.
        strides: [usize; 2],
    },
    /// NaN or infinity in an input.
    #[error("{tensor} holds NaN or infinity at token {token}, head {head}: expected finite numbers")]
    NotFinite {
        /// `"q"`, `"k"`, `"v"`, or what else a caller names.
        tensor: &'static str,
        /// Row of the tensor.
        token: usize,
        /// Head of the tensor (of K and V: the key-value head).
        head: usize,
    },
    /// Finite inputs so large that scores or sums could overflow `f32`.
    #[error(
        "the largest {what} may reach {found:e}: expected at most {limit:e}, so that f32 sums stay exact enough"
    )]
    TooLarge {
        /// `"score"` or `"value"`.
        what: &'static str,
        /// The bound on it.
        found: f64,
        /// The largest that is computed.
        limit: f64,
    },
    /// A parameter is outside its range.
    #[error("{name}: expected {expected}, found {found}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What would have been right.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A sparse index that breaks its own rules.
    #[error("sparse index: expected {expected}, found {found}")]
    Index {
        /// The rule.
        expected: &'static str,
        /// What broke it.
        found: String,
    },
    /// Not enough memory for the working buffers.
    #[error("not enough memory: {bytes} bytes for {what}")]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much was asked for.
        bytes: usize,
    },
    /// The machine lacks an instruction set that was asked for.
    #[error("this machine has no {wanted}: it has {available}")]
    InstructionSet {
        /// What was asked for.
        wanted: String,
        /// What can be used.
        available: String,
    },
    /// The thread pool could not be started.
    #[error("can't start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// The caller's [`Progress`](crate::Progress) asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A device other than the CPU failed, or lacks what it would need.
    #[error("the device can't compute this")]
    Device {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Different element types where one is needed.
    #[error("{what}: expected elements of type {expected}, found {found}")]
    ElementType {
        /// Which tensor.
        what: &'static str,
        /// The type of the others.
        expected: ElementType,
        /// Its own.
        found: ElementType,
    },
    /// A pattern file that can't be read or written.
    #[error("can't access the pattern file {path}")]
    PatternFileIo {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A pattern file that is not what it should be.
    #[error("pattern file{}: {place}: expected {expected}, found {found}", path.as_ref().map(|p| format!(" {}", p.display())).unwrap_or_default())]
    PatternFile {
        /// The file, where one was read.
        path: Option<PathBuf>,
        /// Where in it, for example `layer 3, head 7`.
        place: String,
        /// What would have been right.
        expected: String,
        /// What was there.
        found: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
