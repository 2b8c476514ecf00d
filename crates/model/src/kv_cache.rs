//! [`KvCache`]: keys and values of the tokens that were read, for every layer.
//!
//! Address space for the whole capacity is reserved at once, so that the cache is never copied as it grows; memory is taken as
//! tokens come in. A tensor is `[tokens, kv_heads, head_dim]`, which the attention core reads as it lies.

use crate::config::ModelConfig;
use crate::error::Result;
use crate::token_rows::TokenRows;
use minference_attention::ElementType;

/// Keys and values of all layers.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    capacity: usize,
    element_type: ElementType,
}

/// Keys and values of one layer, both `[tokens, kv_heads, head_dim]`.
#[derive(Debug)]
pub(crate) struct LayerCache {
    pub(crate) keys: TokenRows,
    pub(crate) values: TokenRows,
}

impl KvCache {
    /// An empty cache for up to `capacity` tokens.
    ///
    /// # Errors
    /// Out of memory, where the system does not even promise it.
    pub fn new(config: &ModelConfig, capacity: usize, element_type: ElementType) -> Result<Self> {
        let layer = |_| LayerCache::new(config, capacity, element_type);
        let layers = config.layers.iter().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, capacity, element_type })
    }

    /// Bytes that a token takes, over all layers.
    pub fn bytes_per_token(config: &ModelConfig, element_type: ElementType) -> usize {
        2 * config.layers.len() * config.kv_heads * config.head_dim * element_type.bytes()
    }

    /// Tokens in the cache.
    pub fn tokens(&self) -> usize {
        // During a forward pass the first layers are ahead of the last.
        self.layers.last().map_or(0, |layer| layer.values.tokens())
    }

    /// Tokens that it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Type of its elements.
    pub fn element_type(&self) -> ElementType {
        self.element_type
    }

    /// Forgets all tokens from `tokens` on, in all layers, also in those that a failed forward pass left ahead.
    pub fn truncate(&mut self, tokens: usize) {
        self.layers.iter_mut().for_each(|layer| layer.truncate(tokens));
    }

    pub(crate) fn layer_mut(&mut self, layer: usize) -> &mut LayerCache {
        &mut self.layers[layer]
    }
}

impl LayerCache {
    /// Empty, for up to `capacity` tokens.
    pub(crate) fn new(config: &ModelConfig, capacity: usize, element_type: ElementType) -> Result<Self> {
        let shape = [config.kv_heads, config.head_dim];
        let rows = || TokenRows::with_capacity("the key-value cache", capacity, shape, element_type);
        Ok(Self { keys: rows()?, values: rows()? })
    }

    /// Forgets all tokens from `tokens` on.
    pub(crate) fn truncate(&mut self, tokens: usize) {
        self.keys.truncate(tokens);
        self.values.truncate(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_config;

    #[test]
    fn a_cache_grows_within_its_capacity_and_forgets() {
        let config = test_config();
        let mut cache = KvCache::new(&config, 10, ElementType::F16).unwrap();
        for layer in 0..config.layers.len() {
            for _ in 0..3 {
                cache.layer_mut(layer).keys.append(&[0.5; 32]);
                cache.layer_mut(layer).values.append(&[0.5; 32]);
            }
        }
        assert_eq!((cache.tokens(), cache.capacity()), (3, 10));
        cache.layer_mut(0).keys.append(&[0.5; 32]);
        cache.truncate(1);
        assert_eq!((cache.tokens(), cache.layer_mut(0).keys.tokens()), (1, 1));
        assert_eq!(KvCache::bytes_per_token(&config, ElementType::F16), 2 * 2 * 32 * 2);
    }
}
