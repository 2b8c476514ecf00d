//! [`Fingerprint`]: what tells one model's files from another's.

use super::Tensors;
use super::tensors::StoredFormat;
use crate::config::ModelConfig;
use std::fmt;

/// Sixty-four bits that stand for a model: the same files give the same ones everywhere and for ever, another model or another
/// quantisation of the same model gives others.
///
/// It is the 64-bit FNV-1a hash of the family's name; of sizes (hidden, intermediate, heads, kv_heads, head_dim, vocabulary, and
/// each layer's window); of each tensor in the order of names: its name, format and shape, and 64 bytes at its beginning, at a third
/// and two thirds of its length, and at its end. Numbers enter as 64 bits little-endian, texts and bytes after their length.
///
/// It guards against mistakes (a cache of another model, patterns found for another one), not against malice: two files that differ
/// elsewhere have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(u64);

/// Bytes of a tensor that are looked at, in each of four places.
const SAMPLE: usize = 64;

impl Fingerprint {
    /// As a number; its text form is the same in 16 hexadecimal digits.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    pub(super) fn of(config: &ModelConfig, tensors: &Tensors) -> Self {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        hash.bytes(config.family.as_bytes());
        let ModelConfig { hidden, intermediate, heads, kv_heads, head_dim, vocabulary, .. } = *config;
        for size in [hidden, intermediate, heads, kv_heads, head_dim, vocabulary, config.layers.len()] {
            hash.number(size as u64);
        }
        for layer in &config.layers {
            hash.number(layer.window.map_or(0, |window| window as u64));
        }
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

impl Fnv {
    fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
