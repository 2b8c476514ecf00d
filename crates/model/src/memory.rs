//! How much memory a prompt will take, told before anything is loaded; and how much was taken.

use crate::config::{LayerConfig, ModelConfig};
use crate::decoder::CHUNK;
use crate::error::{Error, Result};
use crate::kv_cache::{CacheFormat, KvCompression};
use std::fmt;

/// What there is whatever the prompt: code, vocabulary, threads, tiles.
const FIXED: u64 = 1 << 27;

/// The memory that a session takes at its peak, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryForecast {
    /// Weights as they are stored.
    pub weights: u64,
    /// Keys and values of all tokens.
    pub cache: u64,
    /// The residual stream in `f32`, queries and attention's output of one layer in the cache's type.
    pub activations: u64,
    /// Sines and cosines of all positions, one head's packed keys and values and its estimate, a chunk's rows in the MLP.
    pub working: u64,
}

/// A session, and the prompt that it will read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSession {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens that are read at once, if not all.
    pub chunk: Option<usize>,
    /// Tokens that there is room for, prompt and answer together.
    pub capacity: usize,
    /// What stays of the prompt's keys and values, if not all.
    pub compression: Option<KvCompression>,
    /// How keys and values are stored.
    pub cache: CacheFormat,
}

impl PlannedSession {
    /// Bytes of keys and values at their peak. A prompt that is read in one piece is compressed layer by layer, so that one layer's are all there
    /// beside what stays of the others; one that is read in chunks has all of them before its last chunk.
    fn cache_bytes(&self, config: &ModelConfig) -> u64 {
        let layers = config.layers.len();
        let bytes = |tokens: usize| self.cache.bytes(tokens, [config.kv_heads, config.head_dim]) as u64;
        let is_chunked = self.chunk.is_some_and(|chunk| chunk < self.prompt);
        match self.compression {
            Some(compression) if !is_chunked => {
                let answer = self.capacity - self.prompt.min(self.capacity);
                let kept = |(layer, of): (usize, &LayerConfig)| {
                    let kept = compression.kept_tokens(layer, layers, self.prompt);
                    bytes(of.window.map_or(kept, |window| window.min(self.prompt)).saturating_add(answer))
                };
                let kept = config.layers.iter().enumerate().map(kept);
                kept.fold(bytes(self.prompt), u64::saturating_add)
            }
            _ => bytes(self.capacity).saturating_mul(layers as u64),
        }
    }
}

impl MemoryForecast {
    /// For a session and its prompt.
    pub fn new(config: &ModelConfig, weight_bytes: u64, session: &PlannedSession) -> Self {
        let PlannedSession { prompt, chunk, cache, .. } = *session;
        let at_once = chunk.map_or(prompt, |chunk| chunk.min(prompt)) as u64;
        let heads = (config.heads * config.head_dim * cache.element_type().bytes()) as u64;
        let residual = (config.hidden * size_of::<f32>()) as u64;
        Self {
            weights: weight_bytes,
            cache: session.cache_bytes(config),
            activations: at_once.saturating_mul(residual + 2 * heads),
            working: working(config, at_once, prompt as u64),
        }
    }

    /// For a search of patterns on prompts of some lengths, which go through the layers together: of each the residual stream, and of one
    /// layer queries, keys, values, the dense output and a trial's in `f32`.
    pub fn for_search(
        config: &ModelConfig,
        weight_bytes: u64,
        prompts: &[usize],
        cache: CacheFormat,
    ) -> Self {
        let tokens = prompts.iter().fold(0u64, |sum, tokens| sum.saturating_add(*tokens as u64));
        let longest = prompts.iter().copied().max().unwrap_or(0) as u64;
        let queries = (config.heads * config.head_dim) as u64;
        let pair = cache.bytes_per_row([config.kv_heads, config.head_dim]) as u64;
        let row =
            (config.hidden * size_of::<f32>()) as u64 + 2 * queries * cache.element_type().bytes() as u64;
        let output = queries * size_of::<f32>() as u64;
        // an estimate of each head, and its index
        let estimates = config.heads as u64 * 4 * size_of::<f32>() as u64;
        Self {
            weights: weight_bytes,
            cache: tokens.saturating_mul(pair),
            activations: tokens
                .saturating_mul(row + estimates)
                .saturating_add(longest.saturating_mul(output)),
            working: working(config, longest, longest),
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

/// What a pass over `at_once` tokens takes beside weights, cache and whole activations, with `keys` tokens in the cache at its end.
fn working(config: &ModelConfig, at_once: u64, keys: u64) -> u64 {
    const F32: u64 = size_of::<f32>() as u64;
    let [hidden, intermediate, head_dim] =
        [config.hidden, config.intermediate, config.head_dim].map(|x| x as u64);
    let pairs: u64 = config.ropes.iter().map(|rope| rope.rotary_dim as u64 / 2).sum();
    let rotations = 2 * F32 * pairs;
    // keys, values and a norm of each; columns, diagonals and kept exponentials of the last 64 queries
    let head = F32 * (2 * head_dim + 1) + F32 * (2 + 64);
    let heads = (config.heads + 2 * config.kv_heads) as u64 * head_dim;
    // gate, up, and inputs of the products as they are and packed
    let row = F32 * (3 * intermediate.max(hidden) + 2 * hidden + heads);
    [
        at_once.saturating_mul(rotations),
        keys.saturating_mul(head),
        at_once.min(CHUNK as u64).saturating_mul(row),
    ]
    .iter()
    .fold(FIXED, |sum, x| sum.saturating_add(*x))
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
    let available = Some(system.available_memory()).filter(|&bytes| bytes > 0)?;
    let limits = system.cgroup_limits().map(|limits| (limits.total_memory, limits.rss));
    Some(within_limit(available, limits))
}

/// What can be taken where a container has a limit, of which it holds some. Only what processes hold counts: files that were read stay in
/// memory as long as nobody else wants it, and they count as used, too.
fn within_limit(available: u64, limit_and_held: Option<(u64, u64)>) -> u64 {
    limit_and_held.map_or(available, |(limit, held)| available.min(limit.saturating_sub(held)))
}

/// The most memory that this process had at once, in bytes; none where the system doesn't say.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Lets [`peak`] count anew from here. Where the system can't do that (only Linux can), the peak stays that of the whole process.
pub fn forget_peak() {
    // proc(5): 5 sets the peak of the resident set to what is resident now
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_config;
    use crate::kv_cache::SnapKv;
    use crate::rope::RopeConfig;

    /// A prompt, and no room for an answer.
    fn planned(prompt: usize, chunk: Option<usize>) -> PlannedSession {
        PlannedSession { prompt, chunk, capacity: prompt, compression: None, cache: CacheFormat::F16 }
    }

    /// Qwen2.5 0.5B: what `benchmarks/kv_cache.md` says.
    #[test]
    fn a_million_tokens_fit_into_15_gib_with_codes() {
        let small = test_config();
        let config = ModelConfig {
            hidden: 896,
            intermediate: 4864,
            heads: 14,
            kv_heads: 2,
            head_dim: 64,
            layers: vec![small.layers[0].clone(); 24],
            ropes: vec![RopeConfig { rotary_dim: 64, ..small.ropes[0].clone() }],
            ..small
        };
        let gib = |chunk, cache| {
            let session = PlannedSession { cache, ..planned(1 << 20, chunk) };
            MemoryForecast::new(&config, 400_000_000, &session).total() as f64 / f64::from(1 << 30)
        };
        assert!(gib(None, CacheFormat::Int8) < 15.0, "{}", gib(None, CacheFormat::Int8));
        assert!(gib(Some(1 << 16), CacheFormat::Int8) < 8.2, "{}", gib(Some(1 << 16), CacheFormat::Int8));
        assert!(gib(None, CacheFormat::F16) > 20.0);
    }

    #[test]
    fn one_layer_is_whole_while_the_others_are_compressed() {
        let compression = Some(KvCompression::SnapKv(SnapKv::with_capacity(100).unwrap()));
        let cache = |session: PlannedSession| MemoryForecast::new(&test_config(), 0, &session).cache;
        let row = 2 * 32 * 2;
        let whole = PlannedSession { capacity: 1010, compression, ..planned(1000, None) };
        assert_eq!(cache(whole), row * (2 * 100 + 1000 + 2 * 10));
        let chunked = PlannedSession { chunk: Some(100), ..whole };
        assert_eq!(cache(chunked), row * 2 * 1010);
        assert_eq!(cache(PlannedSession { chunk: Some(1000), ..whole }), cache(whole));
    }

    #[test]
    fn a_prompt_that_fits_nowhere_is_refused_with_the_numbers() {
        let forecast = MemoryForecast::new(&test_config(), 1 << 20, &planned(1 << 40, None));
        assert_eq!(forecast.cache, (2 * 2 * 32 * 2) << 40);
        if available().is_some() {
            let error = forecast.check().unwrap_err().to_string();
            assert!(error.contains("key-value cache (") && error.contains("bytes are needed"), "{error}");
        }
        let small = PlannedSession { capacity: 200, cache: CacheFormat::F32, ..planned(100, Some(10)) };
        let small = MemoryForecast::new(&test_config(), 1 << 20, &small);
        assert_eq!(small.activations, 10 * (64 * 4 + 2 * 64 * 4));
        assert!(small.total() < 1 << 28);
        small.check().unwrap();
    }

    #[test]
    fn what_grows_with_the_prompt_counts() {
        let at = |tokens| MemoryForecast::new(&test_config(), 0, &planned(tokens, None)).working;
        // 8 pairs of sines and cosines, keys and values of 16 and a norm, 64 exponentials and two sums
        assert_eq!(at(1_000_000) - at(100_000), 900_000 * 4 * (16 + 33 + 66));
        let chunked = MemoryForecast::new(&test_config(), 0, &planned(1_000_000, Some(1000)));
        assert!(chunked.working < at(1_000_000) && chunked.working > 1_000_000 * 4 * (33 + 66));
    }

    #[test]
    fn a_search_holds_one_layer_of_each_prompt() {
        let of = |prompts: &[usize]| MemoryForecast::for_search(&test_config(), 7, prompts, CacheFormat::F16);
        let (one, two) = (of(&[1000]), of(&[1000, 1000]));
        assert_eq!((one.weights, one.cache), (7, 1000 * 2 * 2 * 16 * 2));
        assert_eq!(two.cache, 2 * one.cache);
        // the trial's output is there once
        assert_eq!(two.activations, 2 * one.activations - 1000 * 4 * 16 * 4);
        assert_eq!(two.working, one.working);
    }

    #[test]
    fn files_in_memory_do_not_count_against_a_limit() {
        assert_eq!(within_limit(1000, None), 1000);
        assert_eq!(within_limit(1000, Some((4000, 10))), 1000);
        assert_eq!(within_limit(1000, Some((400, 10))), 390);
        assert_eq!(within_limit(1000, Some((400, 500))), 0);
    }

    #[test]
    fn the_peak_is_at_least_what_is_held() {
        let held = vec![1u8; 1 << 24];
        assert!(peak().is_none_or(|peak| peak >= held.len() as u64));
    }
}
