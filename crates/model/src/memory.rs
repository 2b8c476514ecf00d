//! How much memory a prompt will take, told before anything is loaded; and how much was taken.

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::kv_cache::KvCache;
use minference_attention::ElementType;
use std::fmt;

/// What attention and chunks of rows need at most beside what is counted: packed keys and values, widened weights, buffers.
const WORKING: u64 = 1 << 30;

/// The memory that a session takes at its peak, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryForecast {
    /// Weights as they are stored.
    pub weights: u64,
    /// Keys and values of all tokens.
    pub cache: u64,
    /// The residual stream in `f32`, queries and attention's output of one layer in the cache's type.
    pub activations: u64,
    /// Buffers that don't grow with the model.
    pub working: u64,
}

impl MemoryForecast {
    /// For a prompt of `prompt` tokens read in one piece (or in chunks of `chunk`), in a session with room for `capacity` tokens.
    pub fn new(
        config: &ModelConfig,
        weight_bytes: u64,
        (prompt, chunk): (usize, Option<usize>),
        capacity: usize,
        element_type: ElementType,
    ) -> Self {
        let at_once = chunk.map_or(prompt, |chunk| chunk.min(prompt)) as u64;
        let heads = (config.heads * config.head_dim * element_type.bytes()) as u64;
        let residual = (config.hidden * size_of::<f32>()) as u64;
        let cache = KvCache::bytes_per_token(config, element_type) as u64;
        Self {
            weights: weight_bytes,
            cache: cache.saturating_mul(capacity as u64),
            activations: at_once.saturating_mul(residual + 2 * heads),
            working: WORKING.min((1 << 28) + at_once.saturating_mul(1 << 12)),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        [self.cache, self.activations, self.working]
            .iter()
            .fold(self.weights, |sum, x| sum.saturating_add(*x))
    }

    /// Refuses what will not fit.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] with the forecast, where the system says how much memory there is, and it is less.
    pub fn check(&self) -> Result<()> {
        match available() {
            Some(available) if self.total() > available => {
                Err(Error::OutOfMemory { what: self.to_string(), needed: self.total(), available })
            }
            _ => Ok(()),
        }
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

/// Memory that can be taken now without swapping, in bytes, limits of a container included; none where the system doesn't say.
pub fn available() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let limit = system.cgroup_limits().map(|limits| limits.free_memory);
    let available = Some(system.available_memory()).filter(|&bytes| bytes > 0)?;
    Some(limit.map_or(available, |limit| available.min(limit)))
}

/// The most memory that this process had at once, in bytes; none where the system doesn't say.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_config;

    #[test]
    fn a_prompt_that_fits_nowhere_is_refused_with_the_numbers() {
        let forecast =
            MemoryForecast::new(&test_config(), 1 << 20, (1 << 40, None), 1 << 40, ElementType::F16);
        assert_eq!(forecast.cache, (2 * 2 * 32 * 2) << 40);
        if available().is_some() {
            let error = forecast.check().unwrap_err().to_string();
            assert!(error.contains("key-value cache (") && error.contains("bytes are needed"), "{error}");
        }
        let small = MemoryForecast::new(&test_config(), 1 << 20, (100, Some(10)), 200, ElementType::F32);
        assert_eq!(small.activations, 10 * (64 * 4 + 2 * 64 * 4));
        assert!(small.total() < 1 << 29);
        small.check().unwrap();
    }

    #[test]
    fn the_peak_is_at_least_what_is_held() {
        let held = vec![1u8; 1 << 24];
        assert!(peak().is_none_or(|peak| peak >= held.len() as u64));
    }
}
