//! [`UsageError`]: options that no model and no machine could make sense of, found out after they
//! were parsed.

use anyhow::Result;
use std::fmt;

/// Exit status of the command line's parser for wrong options, and so of this program for all of
/// them.
pub(crate) const WRONG_OPTIONS: u8 = 2;

/// An error in the command line, which ends the program with [`WRONG_OPTIONS`].
#[derive(Debug)]
pub(crate) struct UsageError(anyhow::Error);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<anyhow::Error> for UsageError {
    fn from(error: anyhow::Error) -> Self {
        Self(error)
    }
}

/// What a check of options says, as an error of usage.
pub(crate) fn checked<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| UsageError(error).into())
}

/// Whether an error is one.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<UsageError>()
}
