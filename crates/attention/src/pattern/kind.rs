//! [`PatternKind`]: which pattern, without its budget.

use super::HeadPattern;
use std::fmt;

/// Kinds of [`HeadPattern`], as files and commands name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum PatternKind {
    /// All keys.
    Dense,
    /// The first keys and the nearest.
    AShape,
    /// The same, and everything for the last queries.
    TriShape,
    /// The best columns and diagonals, as the last 64 queries see them.
    VerticalSlash,
    /// The best blocks of 64 keys for each block of 64 queries.
    BlockSparse,
}

impl PatternKind {
    /// As files and commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::AShape => "a-shape",
            Self::TriShape => "tri-shape",
            Self::VerticalSlash => "vertical-slash",
            Self::BlockSparse => "block-sparse",
        }
    }
}

impl fmt::Display for PatternKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl HeadPattern {
    /// The kind, without the budget.
    pub fn kind(&self) -> PatternKind {
        match self {
            Self::Dense => PatternKind::Dense,
            Self::AShape { .. } => PatternKind::AShape,
            Self::TriShape { .. } => PatternKind::TriShape,
            Self::VerticalSlash { .. } => PatternKind::VerticalSlash,
            Self::BlockSparse { .. } => PatternKind::BlockSparse,
        }
    }
}
