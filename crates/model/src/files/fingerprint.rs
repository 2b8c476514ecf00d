//! [`Fingerprint`]: what tells one model's files from another's.

use super::Tensors;
use super::tensors::StoredFormat;
use crate::decoder::config::{Activation, LayerConfig, ModelConfig};
use crate::decoder::rope::{PairLayout, RopeConfig, RopeScaling};
use std::fmt;

/// Sixty-four bits that stand for a model: the same files give the same ones everywhere and for
/// ever, another model or another quantisation of the same model gives others.
///
/// It is the 64-bit FNV-1a hash of the [`ModelConfig`], field by field in the order of its
/// declaration (but for what follows from the family), lists after their lengths, variants by a
/// number of their own; then of each tensor in the order of names: its name, format and shape, and
/// 64 bytes at its beginning, at a third and two thirds of its length, and at its end. Whole
/// numbers enter as 64 bits little-endian, others as the bits of an `f64`, texts and bytes after
/// their length.
///
/// It guards against mistakes (a cache of another model, patterns found for another one), not
/// against malice: two files that differ elsewhere have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(u64);

/// Bytes of a tensor that are looked at, in each of four places.
const SAMPLE: usize = 64;

impl Fingerprint {
    /// As a number; its text form is the same in 16 hexadecimal digits.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// Of a prompt's tokens, for those who must tell one prompt from another: FNV-1a over their
    /// number and their ids.
    pub fn of_tokens(tokens: &[u32]) -> Self {
        let mut hash = Fnv(BASIS);
        hash.size(tokens.len());
        tokens.iter().for_each(|token| hash.number(u64::from(*token)));
        Self(hash.0)
    }

    /// Of a file's content, for those who must tell one data file from another: FNV-1a over its
    /// length and its bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut hash = Fnv(BASIS);
        hash.bytes(bytes);
        Self(hash.0)
    }

    /// Of position encodings, an override included: the hash of each, field by field, after their
    /// number.
    pub(crate) fn of_ropes(ropes: &[RopeConfig]) -> Self {
        let mut hash = Fnv(BASIS);
        hash.size(ropes.len());
        ropes.iter().for_each(|rope| hash.rope(rope));
        Self(hash.0)
    }

    pub(super) fn of(config: &ModelConfig, tensors: &Tensors) -> Self {
        let mut hash = Fnv(BASIS);
        hash.config(config);
        for (name, tensor) in tensors.iter() {
            hash.bytes(name.as_bytes());
            match &tensor.format {
                StoredFormat::Known(format) => hash.bytes(format.name().as_bytes()),
                StoredFormat::Other(name) => hash.bytes(name.as_bytes()),
            }
            hash.number(tensor.shape.len() as u64);
            tensor.shape.iter().for_each(|size| hash.number(*size as u64));
            let bytes = tensor.bytes.as_slice();
            let last = bytes.len().saturating_sub(SAMPLE);
            for start in [0, last / 3, last / 3 * 2, last] {
                hash.bytes(&bytes[start..bytes.len().min(start + SAMPLE)]);
            }
        }
        Self(hash.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

struct Fnv(u64);

/// Where FNV-1a begins.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

impl Fnv {
    fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn size(&mut self, size: usize) {
        self.number(size as u64);
    }

    fn real(&mut self, number: f64) {
        self.number(number.to_bits());
    }

    fn reals(&mut self, numbers: &[f64]) {
        self.size(numbers.len());
        numbers.iter().for_each(|number| self.real(*number));
    }

    /// Without `..`, so that a new field is decided about here.
    fn config(&mut self, config: &ModelConfig) {
        let ModelConfig {
            family,
            hidden,
            intermediate,
            heads,
            kv_heads,
            head_dim,
            vocabulary,
            context,
            norm_epsilon,
            activation,
            attention_scale,
            embedding_scale,
            ropes,
            // follows from the family
            rotated_keys: _,
            layers,
        } = config;
        self.bytes(family.as_bytes());
        for size in [hidden, intermediate, heads, kv_heads, head_dim, vocabulary, context] {
            self.size(*size);
        }
        self.real(f64::from(*norm_epsilon));
        self.number(match activation {
            Activation::Silu => 0,
            Activation::GeluTanh => 1,
        });
        self.real(f64::from(*attention_scale));
        self.real(f64::from(*embedding_scale));
        self.size(ropes.len());
        ropes.iter().for_each(|rope| self.rope(rope));
        self.size(layers.len());
        for LayerConfig { window, rope } in layers {
            self.size(window.unwrap_or(0));
            self.size(*rope);
        }
    }

    fn rope(&mut self, rope: &RopeConfig) {
        let RopeConfig { rotary_dim, base, context, scaling, layout } = rope;
        self.size(*rotary_dim);
        self.real(*base);
        self.size(*context);
        match scaling {
            RopeScaling::Default => self.number(0),
            RopeScaling::Linear { factor } => {
                self.number(1);
                self.real(*factor);
            }
            RopeScaling::DynamicNtk { factor } => {
                self.number(2);
                self.real(*factor);
            }
            RopeScaling::Yarn {
                factor,
                original_context,
                beta_fast,
                beta_slow,
                attention_factor,
                truncate,
            } => {
                self.number(3);
                self.real(*factor);
                self.size(*original_context);
                [beta_fast, beta_slow, attention_factor].into_iter().for_each(|number| self.real(*number));
                self.number(u64::from(*truncate));
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                self.number(4);
                [factor, low_freq_factor, high_freq_factor].into_iter().for_each(|number| self.real(*number));
                self.size(*original_context);
            }
            RopeScaling::LongRope { short, long, original_context, attention_factor } => {
                self.number(5);
                self.reals(short);
                self.reals(long);
                self.size(*original_context);
                self.real(*attention_factor);
            }
        }
        self.number(match layout {
            PairLayout::Halves => 0,
            PairLayout::Neighbours => 1,
        });
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
