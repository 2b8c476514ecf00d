//! [`Header`]: what a context file says about itself, as JSON.

use super::checksum::Checksum;
use crate::decoder::config::ModelConfig;
use crate::files::Fingerprint;
use crate::session::{Readings, Session};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Everything but the numbers of history, keys and values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Which program wrote it.
    pub(super) program: String,
    /// Of everything behind the header.
    pub(super) byte_order: ByteOrder,
    pub(super) model: ModelRecord,
    pub(super) positions: Positions,
    /// How keys and values are stored.
    pub(super) cache_format: String,
    /// Tokens that were read.
    pub(super) tokens: usize,
    /// Tokens that were read when the cache was compressed; 0 if it was not.
    pub(super) compressed: usize,
    /// Of the history.
    pub(super) history: Checksum,
    pub(super) layers: Vec<LayerRecord>,
    /// Whatever the one who saved it wants to find again.
    pub(super) about: Value,
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// This machine's.
    pub(super) const NATIVE: Self = if cfg!(target_endian = "little") { Self::Little } else { Self::Big };
}

/// Whose keys and values they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelRecord {
    pub(super) fingerprint: String,
    pub(super) family: String,
    pub(super) layers: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
}

impl ModelRecord {
    pub(super) fn of(config: &ModelConfig, fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint: fingerprint.to_string(),
            family: config.family.into(),
            layers: config.layers.len(),
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
        }
    }
}

impl fmt::Display for ModelRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fingerprint, family, layers, kv_heads, head_dim } = self;
        write!(f, "{family} of {layers} layers with {kv_heads} key-value heads of {head_dim} elements, ")?;
        write!(f, "fingerprint {fingerprint}")
    }
}

/// How positions were encoded: keys are stored rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Positions {
    /// Of the model's RoPE, with what was changed of it.
    pub(super) fingerprint: String,
    /// Which lengths they were made for, on which some scalings depend.
    pub(super) readings: Readings,
}

impl Positions {
    pub(super) fn of(config: &ModelConfig, readings: Readings) -> Self {
        Self { fingerprint: Fingerprint::of_ropes(&config.ropes).to_string(), readings }
    }
}

/// What there is of a layer: a row for each token that was not dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerRecord {
    /// Tokens of which no row is there any more.
    pub(super) dropped: usize,
    /// Bytes of each part of the keys.
    pub(super) keys: Vec<usize>,
    /// Bytes of each part of the values.
    pub(super) values: Vec<usize>,
    /// Of all parts, with the zeros between them.
    pub(super) checksum: Checksum,
}

impl Header {
    /// Of a session.
    ///
    /// - `history`, `layers`: the checksum of each
    pub(super) fn of(
        session: &Session,
        fingerprint: Fingerprint,
        (history, layers): (Checksum, Vec<Checksum>),
        about: Value,
    ) -> Self {
        let (config, cache) = (session.decoder.config(), &session.cache);
        let lengths = |parts: Vec<&[u8]>| parts.into_iter().map(<[u8]>::len).collect();
        let layers = cache.layers().iter().zip(layers).map(|(layer, checksum)| LayerRecord {
            dropped: layer.dropped,
            keys: lengths(layer.keys.parts()),
            values: lengths(layer.values.parts()),
            checksum,
        });
        Self {
            program: concat!("minference ", env!("CARGO_PKG_VERSION")).into(),
            byte_order: ByteOrder::NATIVE,
            model: ModelRecord::of(config, fingerprint),
            positions: Positions::of(config, session.readings.clone()),
            cache_format: cache.format().to_string(),
            tokens: cache.tokens(),
            compressed: cache.compressed_tokens(),
            history,
            layers: layers.collect(),
            about,
        }
    }

    /// What contradicts itself in it: the place, what was expected, what is there.
    pub(super) fn contradiction(&self) -> Option<(String, String, String)> {
        let wrong = |place: &str, expected: String, found: usize| {
            Some((format!("header, {place}"), expected, found.to_string()))
        };
        if self.layers.len() != self.model.layers {
            let expected = format!("{}, the model's layers", self.model.layers);
            return wrong("layers", expected, self.layers.len());
        }
        if self.compressed > self.tokens {
            let expected = format!("at most {}, the tokens that were read", self.tokens);
            return wrong("compressed", expected, self.compressed);
        }
        if !self.positions.readings.are_of(self.tokens) {
            let expected = "readings in the order of their tokens, all of them among the tokens".to_owned();
            return Some(("header, positions.readings".into(), expected, "others".into()));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            if layer.dropped > self.compressed {
                let expected = format!("at most {}, the tokens when it was compressed", self.compressed);
                return wrong(&format!("layer {i}, dropped"), expected, layer.dropped);
            }
        }
        None
    }
}
