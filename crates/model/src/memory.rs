//! How much memory a prompt will take, told before anything is loaded; and how much was taken.
//!
//! A forecast counts what grows with the prompt, and what weights and threads take; it is never
//! below what is taken, and beyond [`FIXED`] at most a quarter above it for prompts that fill more
//! than that (`tests/memory.rs` holds it against the process's peak).
//!
//! | module | what is forecast |
//! |---|---|
//! | `session` | [`PlannedSession`]: a prompt that is read, as a whole or in chunks, compressed or not, beside what is there already |
//! | `walk` | prompts that go through the layers side by side: searches, inspections, indices for other prompts |
//! | `pass` | what both are made of: the parts of a pass over some tokens |

mod pass;
mod session;
#[cfg(test)]
mod tests;
mod walk;

pub use session::PlannedSession;
pub use walk::PlannedWalk;

use crate::error::{Error, Result};
use std::fmt;

/// What every prompt needs: code, vocabulary, threads.
pub const FIXED: u64 = 1 << 27;

/// The memory that is taken at its peak, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryForecast {
    /// Weights as they are stored.
    pub weights: u64,
    /// Keys and values: of all tokens, or of one layer where prompts only pass through.
    pub cache: u64,
    /// The residual stream in `f32`, queries and attention's output of one layer in the cache's
    /// type.
    pub activations: u64,
    /// All that is needed to compute: sines and cosines of all positions, packed keys and values,
    /// estimates and indices, a chunk's rows in the MLP; and [`FIXED`].
    pub working: u64,
}

impl MemoryForecast {
    /// All of it.
    pub fn total(&self) -> u64 {
        [self.cache, self.activations, self.working]
            .iter()
            .fold(self.weights, |sum, x| sum.saturating_add(*x))
    }

    /// Refuses what will not fit.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] with the forecast, where the system says how much memory there is,
    /// and it is less.
    pub fn check(&self) -> Result<()> {
        self.check_freeing(0)
    }

    /// As [`check`](Self::check), where `freed` bytes that are taken now will have been given back.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_freeing(&self, freed: u64) -> Result<()> {
        match available().map(|available| available.saturating_add(freed)) {
            Some(available) if self.total() > available => {
                Err(Error::OutOfMemory { what: self.to_string(), needed: self.total(), available })
            }
            _ => Ok(()),
        }
    }

    /// The same with more to compute with.
    #[must_use]
    pub fn with_more(self, working: u64) -> Self {
        Self { working: self.working.saturating_add(working), ..self }
    }
}

impl fmt::Display for MemoryForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        write!(
            f,
            "weights ({:.2} GiB), key-value cache ({:.2}), activations ({:.2}) and buffers ({:.2})",
            gib(self.weights),
            gib(self.cache),
            gib(self.activations),
            gib(self.working)
        )
    }
}

/// Memory that can be taken now without swapping, in bytes, limits of a container included; none
/// where the system doesn't say.
pub fn available() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let available = Some(system.available_memory()).filter(|&bytes| bytes > 0)?;
    let limits = system.cgroup_limits().map(|limits| (limits.total_memory, limits.rss));
    Some(within_limit(available, limits))
}

/// What can be taken where a container has a limit, of which it holds some. Only what processes
/// hold counts: files that were read stay in memory until other programs want it, and they count
/// as used, too.
fn within_limit(available: u64, limit_and_held: Option<(u64, u64)>) -> u64 {
    limit_and_held.map_or(available, |(limit, held)| available.min(limit.saturating_sub(held)))
}

/// The most memory that this process had at once, in bytes; none where the system doesn't say.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Lets [`peak`] count anew from here. Where the system can't do that (only Linux can), the peak
/// stays that of the whole process.
pub fn reset_peak() {
    // proc(5): 5 sets the peak of the resident set to what is resident now
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
