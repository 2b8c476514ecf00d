//! [`PlannedSession`]: a prompt that a session reads.

use super::pass::PassSizes;
use super::{FIXED, MemoryForecast};
use crate::decoder::LOGIT_ROWS;
use crate::decoder::config::{LayerConfig, ModelConfig};
use crate::device::compute::Compute;
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::{CacheFormat, KvCompression};

/// A session, and the prompt that it will read.
#[derive(Debug, Clone, Copy)]
pub struct PlannedSession<'a> {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Of these, tokens whose keys and values are in the cache before.
    pub known: usize,
    /// Tokens that are read at once, if not all.
    pub chunk: Option<usize>,
    /// Tokens that there is room for, prompt and answer together.
    pub capacity: usize,
    /// What stays of the prompt's keys and values, if not all.
    pub compression: Option<KvCompression>,
    /// How keys and values are stored.
    pub cache: CacheFormat,
    /// Which pattern each head gets.
    pub plan: &'a AttentionPlan,
    /// What it runs on.
    pub compute: &'a Compute,
}

impl PlannedSession<'_> {
    /// Tokens of the last pass, the largest there is.
    fn at_once(&self) -> usize {
        let new = self.prompt.saturating_sub(self.known);
        self.chunk.map_or(new, |chunk| chunk.min(new))
    }

    /// Bytes of keys and values at their peak. What is compressed is so in the last pass, layer by
    /// layer: the layers before have what stays, one has all and a copy of what stays, those behind
    /// have what was there before the pass.
    fn cache_bytes(&self, config: &ModelConfig) -> u64 {
        let layers = config.layers.len();
        let bytes = |tokens: usize| self.cache.bytes(tokens, [config.kv_heads, config.head_dim]) as u64;
        let Some(compression) = self.compression else {
            return bytes(self.capacity).saturating_mul(layers as u64);
        };
        let before = bytes(self.prompt - self.at_once());
        let answer = self.capacity.saturating_sub(self.prompt);
        let kept = |(layer, of): (usize, &LayerConfig)| {
            let kept = compression.kept_tokens(layer, layers, self.prompt);
            bytes(of.window.map_or(kept, |window| window.min(self.prompt)).saturating_add(answer))
        };
        let kept: Vec<u64> = config.layers.iter().enumerate().map(kept).collect();
        let mut behind = before.saturating_mul(layers as u64);
        let (mut done, mut most) = (0u64, 0u64);
        for kept in kept {
            behind = behind.saturating_sub(before);
            let now = [done, bytes(self.prompt), kept, behind];
            most = most.max(now.into_iter().fold(0, u64::saturating_add));
            done = done.saturating_add(kept);
        }
        most
    }

    /// Bytes of keys and values of the known tokens.
    fn known_bytes(&self, config: &ModelConfig) -> u64 {
        let layer = self.cache.bytes(self.known, [config.kv_heads, config.head_dim]) as u64;
        layer.saturating_mul(config.layers.len() as u64)
    }
}

impl MemoryForecast {
    /// For a session and its prompt.
    pub fn new(config: &ModelConfig, weight_bytes: u64, session: &PlannedSession<'_>) -> Self {
        let PlannedSession { prompt, cache, compute, compression, .. } = *session;
        let pass = PassSizes {
            config,
            compute,
            element_type: cache.element_type(),
            tokens: session.at_once(),
            keys: prompt,
        };
        let mut patterns = pass.patterns(session.plan);
        if compression.is_some_and(|compression| compression.voting_queries() > 0) {
            // votes of a head's group, pooled and ranked
            let votes = (prompt * (2 * size_of::<f32>() + size_of::<u64>())) as u64;
            let voting = compute.cpu().line_estimate_bytes(prompt).saturating_add(votes);
            patterns.estimate = patterns.estimate.max(voting);
        }
        let tokens = (4 * prompt * size_of::<u32>()) as u64;
        // rows of a chunk are gone while heads attend
        let computing = pass.attention(patterns).max(pass.chunk());
        let parts = [FIXED, tokens, pass.rotations(), pass.products(), computing];
        Self {
            weights: weight_bytes,
            cache: session.cache_bytes(config),
            activations: pass.residual().saturating_add(pass.queries().saturating_mul(2)),
            working: parts.into_iter().fold(0, u64::saturating_add),
        }
    }

    /// What a session takes more than it has already: its weights, and keys and values of the known
    /// tokens.
    pub fn going_on(config: &ModelConfig, session: &PlannedSession<'_>) -> Self {
        let whole = Self::new(config, 0, session);
        Self { cache: whole.cache.saturating_sub(session.known_bytes(config)), ..whole }
    }

    /// Keys and values that come from a context file, and what else a session of so many tokens
    /// has; no prompt is read.
    ///
    /// - `rows`: bytes of keys and values
    pub fn for_context(tokens: usize, rows: u64) -> Self {
        let history = (2 * tokens * size_of::<u32>()) as u64;
        Self { weights: 0, cache: rows, activations: 0, working: history }
    }

    /// For a text of which all logits are wanted, some rows at a time.
    ///
    /// - `kept`: rows of the vocabulary that are kept beside them
    pub fn with_all_logits(self, config: &ModelConfig, kept: usize) -> Self {
        let row = (config.vocabulary + 2 * config.hidden) * size_of::<f32>();
        self.with_more((LOGIT_ROWS + kept) as u64 * row as u64)
    }
}
