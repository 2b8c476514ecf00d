//! Keys and values that stand for a prompt, for benchmarks of decoding.

use super::{KvCache, KvCompression, LayerCache};
use crate::decoder::config::ModelConfig;
use crate::error::{Error, Result};
use minference_attention::synthetic::Random;

/// Rows that are made at once, and then repeated: as many as no cache of a processor holds.
const ROWS: usize = 4096;

impl KvCache {
    /// Fills an empty cache as a prompt of `tokens` tokens would, with numbers between -1 and 1.
    ///
    /// - `compression`: what stays of them, if not all
    ///
    /// # Errors
    /// More tokens than there is room for, a cache that is not empty.
    pub(crate) fn fill_with_noise(
        &mut self,
        config: &ModelConfig,
        tokens: usize,
        compression: Option<&KvCompression>,
    ) -> Result<()> {
        if tokens > self.capacity || self.tokens > 0 {
            let expected = format!("at most {} tokens, in an empty cache", self.capacity);
            return Err(Error::shape("noise", expected, tokens));
        }
        let width = config.kv_heads * config.head_dim;
        let noise = noise(ROWS.min(tokens) * width);
        let layers = self.layers.len();
        for (i, (layer, of)) in self.layers.iter_mut().zip(&config.layers).enumerate() {
            let kept = match (compression, of.window) {
                (None, _) => tokens,
                (Some(_), Some(window)) => window.min(tokens),
                (Some(compression), None) => compression.kept_tokens(i, layers, tokens),
            };
            layer.append_noise(&noise, kept, width);
            layer.dropped = tokens - kept;
        }
        self.finish_pass(tokens, 0);
        Ok(())
    }
}

impl LayerCache {
    /// Appends `rows` rows of `width` numbers.
    fn append_noise(&mut self, noise: &[f32], rows: usize, width: usize) {
        for first in (0..rows).step_by(ROWS) {
            let noise = &noise[..ROWS.min(rows - first) * width];
            self.keys.append(noise);
            self.values.append(noise);
        }
    }
}

/// Numbers between -1 and 1.
fn noise(count: usize) -> Vec<f32> {
    let mut random = Random::new(1);
    (0..count).map(|_| (random.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::config::test_config;
    use crate::session::kv_cache::{CacheFormat, SnapKv};

    #[test]
    fn noise_takes_the_place_that_a_prompt_would() {
        let config = test_config();
        let cache = || KvCache::new(&config, 10_000, CacheFormat::F16).unwrap();
        let mut full = cache();
        full.fill_with_noise(&config, 9000, None).unwrap();
        assert_eq!((full.tokens(), full.bytes()), (9000, 9000 * 2 * 2 * 32 * 2));
        let snap = KvCompression::SnapKv(SnapKv::with_capacity(100).unwrap());
        let mut compressed = cache();
        compressed.fill_with_noise(&config, 9000, Some(&snap)).unwrap();
        assert_eq!((compressed.tokens(), compressed.bytes()), (9000, 100 * 2 * 2 * 32 * 2));
        assert_eq!(compressed.full_bytes(), full.bytes());
        assert!(cache().fill_with_noise(&config, 10_001, None).is_err());
        assert!(full.fill_with_noise(&config, 1, None).is_err());
        let noise = noise(1000);
        assert!(noise.iter().all(|x| (-1.0..1.0).contains(x)) && noise.iter().any(|x| *x < -0.9));
    }
}
