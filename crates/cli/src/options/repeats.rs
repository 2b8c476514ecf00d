//! How often something is measured.

use crate::options::checked;
use anyhow::{Result, ensure};

/// Refuses a number of repeats that measures nothing, or never ends.
pub(crate) fn check_repeats(repeats: usize) -> Result<()> {
    const MAX_REPEATS: usize = 1_000_000;
    let check = || -> Result<()> {
        ensure!(
            (1..=MAX_REPEATS).contains(&repeats),
            "--repeats: expected 1 to {MAX_REPEATS}, found {repeats}"
        );
        Ok(())
    };
    checked(check())
}
