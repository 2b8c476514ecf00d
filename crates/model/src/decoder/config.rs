//! [`ModelConfig`]: everything in which one Llama-like model differs from another, as data for the
//! one shared decoder.
//!
//! What a model has or lacks (biases, norms of queries and keys, sandwich norms, an output matrix
//! of its own) is not repeated here: [`LayerWeights`](crate::decoder::weights::LayerWeights) holds
//! it or not.

use crate::decoder::rope::{RopeConfig, RopeOverride, RopeScaling, Rotation};
use crate::error::Result;

/// The function between the two halves of a gated MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x * sigmoid(x)` (Llama, Qwen, Phi, GLM).
    Silu,
    /// GELU in its tanh approximation (Gemma).
    GeluTanh,
}

/// What becomes of the keys in a cache when a session gets so long that its positions have other
/// angles (LongRoPE, dynamic NTK).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RotatedKeys {
    /// They stay as they were rotated: only what is read from then on has the new angles.
    Stay,
    /// All tokens are read again, so that all keys have the same angles (Phi-3 and its successors).
    ReadAgain,
}

/// What a layer's attention sees, and how it encodes positions.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConfig {
    /// The model's own sliding window: a query sees this many keys, its own included. None: all
    /// before it.
    pub window: Option<usize>,
    /// Which of [`ModelConfig::ropes`] it uses.
    pub rope: usize,
}

/// A model's shape and variation. Sizes count elements.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The family's name as users know it, such as `qwen2`.
    pub family: &'static str,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the MLP.
    pub intermediate: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; a divisor of `heads`.
    pub kv_heads: usize,
    /// Elements of a head's row; a multiple of 8.
    pub head_dim: usize,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Tokens that the model was made for, its RoPE scaling included.
    pub context: usize,
    /// Added to mean squares under the root.
    pub norm_epsilon: f32,
    /// The MLP's activation.
    pub activation: Activation,
    /// Scores are `attention_scale * q · k`; usually `1 / sqrt(head_dim)`.
    pub attention_scale: f32,
    /// Embeddings are multiplied by this (Gemma: `sqrt(hidden)`; 1 elsewhere).
    pub embedding_scale: f32,
    /// Position encodings in use: one, or two where sliding-window layers have their own (Gemma 3).
    pub ropes: Vec<RopeConfig>,
    /// What becomes of keys where a session's length changes the angles of one of these.
    pub rotated_keys: RotatedKeys,
    /// One entry per layer.
    pub layers: Vec<LayerConfig>,
}

impl ModelConfig {
    /// Replaces what an override names. Positions of sliding-window layers stay where they have
    /// their own: such layers see no further in a longer context.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a scaling where the model has another one of its
    /// own, without which it was not trained
    /// ([`RopeScaling::stretched`](crate::decoder::rope::RopeScaling::stretched)).
    pub fn override_rope(&mut self, rope: &RopeOverride) -> Result<()> {
        self.context = rope.context.unwrap_or(self.context);
        let global: Vec<usize> =
            self.layers.iter().filter(|layer| layer.window.is_none()).map(|layer| layer.rope).collect();
        for (i, own) in self.ropes.iter_mut().enumerate() {
            if global.is_empty() || global.contains(&i) {
                own.base = rope.base.unwrap_or(own.base);
                if let Some(scaling) = &rope.scaling {
                    own.scaling = own.scaling.stretched(scaling)?;
                }
            }
        }
        Ok(())
    }

    /// The least length at which positions have the same angles as at `tokens` tokens; 0 where they
    /// don't depend on the length.
    pub fn least_length_alike(&self, tokens: usize) -> usize {
        self.ropes.iter().map(|rope| rope.least_length_alike(tokens)).max().unwrap_or(0)
    }

    /// Whether positions have the same angles at two lengths.
    pub fn same_angles(&self, first: usize, second: usize) -> bool {
        self.least_length_alike(first) == self.least_length_alike(second)
    }

    /// Whether a session that goes on from one length to another keeps the keys that it has.
    pub fn keeps(&self, before: usize, after: usize) -> bool {
        !self.reads_again() || self.same_angles(before, after)
    }

    /// Whether other angles mean that all tokens are read again.
    pub(crate) fn reads_again(&self) -> bool {
        // dynamic NTK, which a user may ask for, has other angles with every token. Everything is
        // not read again for each
        let dynamic = |rope: &RopeConfig| matches!(rope.scaling, RopeScaling::DynamicNtk { .. });
        self.rotated_keys == RotatedKeys::ReadAgain && !self.ropes.iter().any(dynamic)
    }

    /// The angles of each of its [`ropes`](Self::ropes), for a pass at whose end a session has some
    /// tokens.
    pub(crate) fn rotations(&self, tokens: usize) -> Result<Vec<Rotation>> {
        self.ropes.iter().map(|rope| rope.rotation(tokens)).collect()
    }
}

/// A small configuration for tests: two layers of four heads, two of them key-value heads.
#[cfg(test)]
pub(crate) fn test_config() -> ModelConfig {
    use crate::decoder::rope::PairLayout;
    let layout = PairLayout::Halves;
    let rope =
        RopeConfig { rotary_dim: 16, base: 10_000.0, context: 512, scaling: RopeScaling::Default, layout };
    ModelConfig {
        family: "test",
        hidden: 64,
        intermediate: 96,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        vocabulary: 50,
        context: 512,
        norm_epsilon: 1e-5,
        activation: Activation::Silu,
        attention_scale: 0.25,
        embedding_scale: 1.0,
        ropes: vec![rope],
        rotated_keys: RotatedKeys::Stay,
        layers: vec![LayerConfig { window: None, rope: 0 }; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_changes_what_it_names_where_layers_see_everything() {
        let mut config = test_config();
        let local = RopeConfig { base: 100.0, ..config.ropes[0].clone() };
        config.ropes.push(local.clone());
        config.layers[1] = LayerConfig { window: Some(8), rope: 1 };
        let scaling = RopeScaling::yarn(4.0, 512);
        let rope = RopeOverride { base: Some(5e5), scaling: Some(scaling.clone()), context: Some(2048) };
        config.override_rope(&rope).unwrap();
        assert_eq!(config.context, 2048);
        assert_eq!((config.ropes[0].base, &config.ropes[0].scaling), (5e5, &scaling));
        assert_eq!(config.ropes[1], local);
        // frequencies are those of a model whose files say the same, and not those of before
        let (found, before) =
            (config.ropes[0].rotation(2048).unwrap(), test_config().ropes[0].rotation(2048).unwrap());
        let said = RopeConfig { base: 5e5, scaling, ..test_config().ropes[0].clone() };
        assert_eq!(found, said.rotation(2048).unwrap());
        assert_ne!(found, before);
        config.override_rope(&RopeOverride::default()).unwrap();
        assert_eq!((config.context, config.ropes[0].base), (2048, 5e5));
    }
}
