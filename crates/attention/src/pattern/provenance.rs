//! [`Provenance`] of a pattern file, and the [`Trial`]s behind a head's pattern: why a head got
//! what it got.

use super::HeadPattern;
use serde::{Deserialize, Serialize};

/// How the patterns of a file were found. It holds no date and no path, so that the same search
/// writes the same file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program that searched, with its version.
    pub program: String,
    /// The model as its user called it.
    pub model: String,
    /// What tells the model from others: 16 hexadecimal digits.
    pub fingerprint: String,
    /// What was searched for: candidates and target in the [notation](super::Notation) of patterns.
    pub objective: String,
    /// Type of queries, keys and values.
    pub element_type: String,
    /// The prompts that were read.
    pub calibration: Vec<CalibrationSource>,
    /// The first query row that counts in errors, in each prompt.
    pub errors_from: usize,
}

/// A prompt that a search read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSource {
    /// Where it came from, such as `key-values (seed 0)` or a file's name.
    pub source: String,
    /// Its length.
    pub tokens: usize,
    /// A hash of its tokens: 16 hexadecimal digits.
    pub hash: String,
}

/// One candidate for a head, as it was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// With its fitted budget.
    pub pattern: HeadPattern,
    /// Relative Frobenius error of the head's output against dense attention, averaged over the
    /// calibration prompts.
    pub error: f64,
    /// Computed share of the causal area, 0 to 1.
    pub share: f64,
    /// How near the budget came to what was wanted.
    pub fit: Fit,
}

/// How near a fitted budget's computed pairs are to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Within 2 %.
    Close,
    /// The nearest whole budget, and its neighbour is no nearer: a block or a diagonal more or less
    /// is more than 2 %.
    Nearest,
    /// Even the least budget computes more.
    AtLeast,
    /// Even the largest budget computes less.
    AtMost,
}

impl Fit {
    /// All of them.
    const ALL: [Self; 4] = [Self::Close, Self::Nearest, Self::AtLeast, Self::AtMost];

    /// As files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Nearest => "nearest",
            Self::AtLeast => "least",
            Self::AtMost => "most",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fit| fit.name() == name)
    }
}
