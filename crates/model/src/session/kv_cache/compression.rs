//! [`KvCompression`]: keeping only the keys and values that later tokens are likely to need.
//!
//! | method | what is kept of each layer | source |
//! |---|---|---|
//! | [`StreamingLlm`] | the first tokens and the last | arXiv 2309.17453 |
//! | [`SnapKv`] | for each key-value head, what the last queries attend to, and the last tokens | arXiv 2404.14469 |
//! | [`PyramidKv`] | as SnapKV, more in the first layers and less in the last ones, as much in all | arXiv 2406.02069 |
//!
//! A layer is compressed as soon as its prompt was attended to, however that was done: dense or
//! sparse. The full cache of all layers then never exists. The keys keep the positions that they
//! had. Tokens that are read later are added to what was kept, and see nothing else of the prompt.
//!
//! A layer with a sliding window of its own keeps that window and nothing else, whatever the
//! method: no later token sees more, so that nothing is lost (but that a cache in 8 or 4 bits
//! rounds what it keeps to codes again).
//!
//! ```
//! use minference_model::session::kv_cache::{KvCompression, SnapKv};
//!
//! let compression = KvCompression::SnapKv(SnapKv::with_capacity(1024)?);
//! assert_eq!(compression.to_string(), "SnapKV (1024 tokens a layer, 32 queries vote)");
//! // 24 layers, 30,000 tokens: the same for each layer
//! assert_eq!(compression.kept_tokens(3, 24, 30_000), 1024);
//! // a window of 32 queries does not fit
//! assert!(SnapKv::with_capacity(16).is_err());
//! # Ok::<(), minference_model::Error>(())
//! ```

#[cfg(test)]
mod published;
mod pyramid_kv;
mod snap_kv;
mod streaming_llm;
#[cfg(test)]
mod tests;

pub use pyramid_kv::PyramidKv;
pub use snap_kv::{Pooling, SnapKv};
pub use streaming_llm::StreamingLlm;

use crate::error::Result;
use minference_attention::{AttentionBackend, AttentionInputs};
use std::fmt;

/// What to keep of a prompt's keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvCompression {
    /// The first tokens and the last.
    StreamingLlm(StreamingLlm),
    /// What the last queries attend to.
    SnapKv(SnapKv),
    /// As SnapKV, with budgets that fall from layer to layer.
    PyramidKv(PyramidKv),
}

/// Which tokens of a layer's cache stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeptKeys {
    /// All.
    All,
    /// For each key-value head, ascending; equally many for all.
    Chosen(Vec<Vec<u32>>),
}

/// A layer that is to be compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerState {
    /// Its number, of `layers`.
    pub(crate) layer: usize,
    pub(crate) layers: usize,
    /// Its own sliding window, also where that is longer than the text.
    pub(crate) window: Option<usize>,
    /// Tokens that were dropped earlier.
    pub(crate) dropped: usize,
}

impl KeptKeys {
    /// The same for all heads: the first `sink` of `keys` and the last `recent`.
    fn ends(kv_heads: usize, keys: usize, sink: usize, recent: usize) -> Self {
        if sink.saturating_add(recent) >= keys {
            return Self::All;
        }
        let kept: Vec<u32> = (0..sink).chain(keys - recent..keys).map(|key| key as u32).collect();
        Self::Chosen(vec![kept; kv_heads])
    }
}

impl KvCompression {
    /// Tokens that stay of the `tokens` that were read, of a layer without a window of its own.
    pub fn kept_tokens(&self, layer: usize, layers: usize, tokens: usize) -> usize {
        let capacity = match self {
            Self::StreamingLlm(streaming) => streaming.sink().saturating_add(streaming.recent()),
            Self::SnapKv(snap) => snap.capacity(),
            Self::PyramidKv(pyramid) => pyramid.capacity(layer, layers, tokens),
        };
        capacity.min(tokens)
    }

    /// How many of a prompt's last queries are needed to choose.
    pub fn voting_queries(&self) -> usize {
        match self {
            Self::StreamingLlm(_) => 0,
            Self::SnapKv(snap) => snap.window(),
            Self::PyramidKv(pyramid) => pyramid.votes().window(),
        }
    }

    /// What stays of a layer's keys, `[keys, kv_heads, head_dim]`, after the queries of `inputs`
    /// have attended to them.
    ///
    /// # Errors
    /// As for [`AttentionBackend::last_query_scores`].
    pub(crate) fn keep(
        &self,
        backend: &impl AttentionBackend,
        inputs: &AttentionInputs<'_>,
        of: LayerState,
    ) -> Result<KeptKeys> {
        let keys = inputs.geometry().keys();
        if let Some(window) = of.window {
            return Ok(KeptKeys::ends(inputs.kv_heads(), keys, 0, window));
        }
        // a budget is one for all tokens that were read, also if some of them were dropped before
        let capacity = self.kept_tokens(of.layer, of.layers, of.dropped + keys).min(keys);
        if capacity == keys {
            return Ok(KeptKeys::All);
        }
        match self {
            Self::StreamingLlm(streaming) => {
                Ok(KeptKeys::ends(inputs.kv_heads(), keys, streaming.sink(), streaming.recent()))
            }
            Self::SnapKv(snap) => snap.keep(backend, inputs, capacity),
            Self::PyramidKv(pyramid) => pyramid.votes().keep(backend, inputs, capacity),
        }
    }
}

impl fmt::Display for KvCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StreamingLlm(streaming) => {
                let (sink, recent) = (streaming.sink(), streaming.recent());
                write!(f, "StreamingLLM (the first {sink} tokens and the last {recent})")
            }
            Self::SnapKv(snap) => {
                write!(f, "SnapKV ({} tokens a layer, {} queries vote)", snap.capacity(), snap.window())
            }
            Self::PyramidKv(pyramid) => {
                let votes = pyramid.votes();
                let (mean, window) = (votes.capacity(), votes.window());
                write!(f, "PyramidKV ({mean} tokens a layer on average, {window} queries vote)")
            }
        }
    }
}
