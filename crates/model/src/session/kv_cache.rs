//! [`KvCache`]: keys and values of the tokens that were read, for every layer.
//!
//! Address space for the whole capacity is reserved at once, so that the cache is never copied as
//! it grows; memory is taken as tokens come in. A tensor is `[tokens, kv_heads, head_dim]`, which
//! the attention core reads as it lies.
//!
//! | module | what it holds |
//! |---|---|
//! | [`compression`] | which tokens need not stay |
//! | `format` | how rows are stored: as elements, or in 8 or 4 bits |
//! | `layer` | the rows of one layer |
//! | `noise` | rows that stand for a prompt, where only the time to go through them counts |

pub mod compression;
mod format;
mod layer;
mod noise;

pub use compression::{KvCompression, Pooling, PyramidKv, SnapKv, StreamingLlm};
pub use format::CacheFormat;
pub(crate) use layer::LayerCache;

use crate::decoder::config::ModelConfig;
use crate::error::{Error, Result};

/// Keys and values of all layers.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    capacity: usize,
    format: CacheFormat,
    /// Tokens that were read.
    tokens: usize,
    /// Tokens that were read when some were dropped; those after them are all there.
    compressed: usize,
}

impl KvCache {
    /// An empty cache for up to `capacity` tokens.
    ///
    /// # Errors
    /// Out of memory, where the system does not even promise it.
    pub fn new(config: &ModelConfig, capacity: usize, format: CacheFormat) -> Result<Self> {
        let layer = |_| LayerCache::new(config, capacity, format);
        let layers = config.layers.iter().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, capacity, format, tokens: 0, compressed: 0 })
    }

    /// Bytes that a token takes, over all layers.
    pub fn bytes_per_token(config: &ModelConfig, format: CacheFormat) -> usize {
        config.layers.len() * format.bytes_per_row([config.kv_heads, config.head_dim])
    }

    /// Tokens that were read, also those that were dropped since.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Tokens that it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How its keys and values are stored.
    pub fn format(&self) -> CacheFormat {
        self.format
    }

    /// Bytes of all keys and values that are in it.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(LayerCache::bytes).sum()
    }

    /// Bytes that keys and values of all tokens that were read would take.
    pub fn full_bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.bytes_of(self.tokens)).sum()
    }

    /// The fewest tokens that it can be [truncated](Self::truncate) to without being emptied: those
    /// that were read when it was compressed.
    pub fn compressed_tokens(&self) -> usize {
        self.compressed
    }

    /// Forgets all tokens from `tokens` on; all that it holds, if that is 0.
    ///
    /// # Errors
    /// [`Error::Shape`] for a length at which the cache was not compressed yet: what was dropped
    /// then can't be had back.
    pub fn truncate(&mut self, tokens: usize) -> Result<()> {
        if (1..self.compressed).contains(&tokens) {
            let expected =
                format!("0, or at least the {} that it had when it was compressed", self.compressed);
            return Err(Error::shape(
                "tokens to go back to in a compressed key-value cache",
                expected,
                tokens,
            ));
        }
        if tokens == 0 {
            self.clear();
        }
        self.layers.iter_mut().for_each(|layer| layer.truncate(tokens));
        self.tokens = self.tokens.min(tokens);
        Ok(())
    }

    fn clear(&mut self) {
        let capacity = self.capacity;
        self.layers.iter_mut().for_each(|layer| layer.clear(capacity));
        (self.tokens, self.compressed) = (0, 0);
    }

    /// Another cache with the keys and values of the first `tokens` tokens, or of all, and the same
    /// room. Only these are copied.
    ///
    /// # Errors
    /// As [`truncate`](Self::truncate), but for 0 tokens of a compressed cache, too; out of memory.
    pub fn fork_prefix(&self, tokens: usize) -> Result<Self> {
        if tokens < self.compressed {
            let expected = format!("at least the {} that it had when it was compressed", self.compressed);
            return Err(Error::shape("tokens to fork of a compressed key-value cache", expected, tokens));
        }
        let copy = |layer: &LayerCache| layer.copy(self.capacity, tokens);
        let layers = self.layers.iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { layers, tokens: self.tokens.min(tokens), ..*self })
    }

    /// From layers that were filled before.
    pub(crate) fn from_layers(
        layers: Vec<LayerCache>,
        format: CacheFormat,
        [capacity, tokens, compressed]: [usize; 3],
    ) -> Self {
        Self { layers, capacity, format, tokens, compressed }
    }

    pub(crate) fn layers(&self) -> &[LayerCache] {
        &self.layers
    }

    pub(crate) fn layers_mut(&mut self) -> &mut [LayerCache] {
        &mut self.layers
    }

    #[cfg(test)]
    pub(crate) fn layer_mut(&mut self, layer: usize) -> &mut LayerCache {
        &mut self.layers[layer]
    }

    /// Rows that were dropped so far, over all layers.
    pub(crate) fn dropped(&self) -> usize {
        self.layers.iter().map(|layer| layer.dropped).sum()
    }

    /// Ends a pass over `tokens` tokens.
    ///
    /// - `dropped`: what was [dropped](Self::dropped) before it
    pub(crate) fn finish_pass(&mut self, tokens: usize, dropped: usize) {
        self.tokens += tokens;
        if self.dropped() > dropped {
            self.compressed = self.tokens;
        }
    }

    /// Undoes what a pass that failed left in some layers. If it has dropped tokens, which can't be
    /// had back, the cache is empty afterwards.
    ///
    /// - `dropped`: what was [dropped](Self::dropped) before it
    pub(crate) fn undo_pass(&mut self, dropped: usize) {
        if self.dropped() > dropped {
            return self.clear();
        }
        let tokens = self.tokens;
        self.layers.iter_mut().for_each(|layer| layer.truncate(tokens));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::config::test_config;
    use compression::KeptKeys;

    fn append(cache: &mut KvCache, layer: usize) {
        cache.layer_mut(layer).keys.append(&[0.5; 32]);
        cache.layer_mut(layer).values.append(&[0.5; 32]);
    }

    fn filled(tokens: usize) -> KvCache {
        let config = test_config();
        let mut cache = KvCache::new(&config, 10, CacheFormat::F16).unwrap();
        (0..config.layers.len()).for_each(|layer| (0..tokens).for_each(|_| append(&mut cache, layer)));
        cache.finish_pass(tokens, 0);
        cache
    }

    #[test]
    fn a_cache_grows_within_its_capacity_and_forgets() {
        let mut cache = filled(3);
        assert_eq!((cache.tokens(), cache.capacity(), cache.bytes()), (3, 10, 3 * 2 * 2 * 32 * 2));
        // a pass that fails in the second layer
        append(&mut cache, 0);
        cache.undo_pass(0);
        assert_eq!((cache.tokens(), cache.layer_mut(0).rows()), (3, 3));
        cache.truncate(1).unwrap();
        assert_eq!((cache.tokens(), cache.layer_mut(0).rows()), (1, 1));
        cache.truncate(5).unwrap();
        assert_eq!(cache.tokens(), 1);
        assert_eq!(KvCache::bytes_per_token(&test_config(), CacheFormat::F16), 2 * 2 * 32 * 2);
    }

    #[test]
    fn what_was_dropped_can_not_be_had_back() {
        let mut cache = filled(6);
        for layer in 0..2 {
            append(&mut cache, layer);
            cache.layer_mut(layer).keep(&KeptKeys::Chosen(vec![vec![0, 6]; 2]), 3).unwrap();
        }
        cache.finish_pass(1, 0);
        append(&mut cache, 0);
        append(&mut cache, 1);
        let dropped = cache.dropped();
        cache.finish_pass(1, dropped);
        assert_eq!((cache.tokens(), cache.layer_mut(1).rows()), (8, 3));
        assert_eq!((cache.bytes(), cache.full_bytes()), (2 * 3 * 2 * 32 * 2, 2 * 8 * 2 * 32 * 2));
        let error = cache.truncate(6).unwrap_err().to_string();
        assert!(error.contains("at least the 7") && error.contains("found 6"), "{error}");
        cache.truncate(7).unwrap();
        assert_eq!((cache.tokens(), cache.layer_mut(1).rows()), (7, 2));
        let fork = cache.fork_prefix(usize::MAX).unwrap();
        cache.truncate(0).unwrap();
        assert_eq!((cache.tokens(), cache.compressed_tokens(), cache.bytes()), (0, 0, 0));
        assert_eq!((fork.tokens(), fork.compressed_tokens(), fork.bytes()), (7, 7, 2 * 2 * 2 * 32 * 2));
    }
}
