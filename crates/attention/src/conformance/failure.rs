//! What a backend that fails the battery is told.

use crate::element::ElementType;
use crate::error::Error;
use std::fmt;

/// A case that a backend failed.
#[derive(Debug, thiserror::Error)]
pub enum FailedCase {
    /// The backend refused valid inputs.
    #[error("{case}: {source}")]
    Refused {
        /// The case.
        case: String,
        /// What it said.
        source: Error,
    },
    /// The result is too far from the oracle.
    #[error("{case}: relative error {error:.2e}, but a plain implementation in {precision} has {plain:.2e}")]
    Inaccurate {
        /// The case.
        case: String,
        /// The backend's error.
        error: f64,
        /// The plain implementation's.
        plain: f64,
        /// What that one rounds to.
        precision: ElementType,
    },
    /// What lies behind an attention sink is lost.
    #[error("{case}: the {what} has a relative error of {error:.2e}, {limit:.2e} is allowed")]
    BehindSink {
        /// The case.
        case: String,
        /// The output, or an estimate.
        what: &'static str,
        /// The backend's error.
        error: f64,
        /// What is allowed.
        limit: f64,
    },
    /// The reported pair count is not that of the canonical layout.
    #[error("{case}: {found} pairs reported, {expected} counted")]
    Pairs {
        /// The case.
        case: String,
        /// By brute force.
        expected: u64,
        /// By the backend.
        found: u64,
    },
}

/// All cases that a backend failed.
#[derive(Debug)]
pub struct FailedCases(pub Vec<FailedCase>);

impl fmt::Display for FailedCases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cases failed", self.0.len())?;
        self.0.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl std::error::Error for FailedCases {}
