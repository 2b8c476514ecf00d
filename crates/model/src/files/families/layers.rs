//! Which layers have a sliding window, and which RoPE each of them uses.

use super::fields::Fields;
use super::hugging_face::HuggingFaceFields;
use super::shape::MAX_CONTEXT;
use crate::decoder::config::{LayerConfig, ModelConfig};
use crate::decoder::rope::{RopeConfig, RopeScaling};
use crate::error::{Error, Result, shown};

/// What a layer attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerKind {
    Full,
    Sliding,
}

impl LayerKind {
    /// As `layer_types` and `rope_parameters` spell it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full_attention",
            Self::Sliding => "sliding_attention",
        }
    }
}

/// Fills in layers. A window counts the keys that a query sees, its own included: in transformers
/// key `j` is seen by query `i` if `j > i - sliding_window`, and llama.cpp agrees.
pub(super) fn set_layers(
    config: &mut ModelConfig,
    kinds: &[LayerKind],
    window: Option<usize>,
    rope_of: impl Fn(LayerKind) -> Result<RopeConfig>,
) -> Result<()> {
    let mut ropes = Vec::new();
    for kind in [LayerKind::Full, LayerKind::Sliding] {
        if kinds.contains(&kind) {
            let rope = rope_of(kind)?;
            // frequencies for a short and a long prompt show whether its numbers make sense
            rope.rotation(2)?;
            rope.rotation(config.context)?;
            if rope.rotary_dim > config.head_dim {
                let expected = format!("at most head_dim, {}", config.head_dim);
                return Err(Error::config("rotary_dim", expected, rope.rotary_dim));
            }
            config.context = config.context.max(stretched_context(&rope));
            ropes.push((kind, rope));
        }
    }
    config.ropes = ropes.iter().map(|(_, rope)| rope.clone()).collect();
    config.ropes.dedup();
    config.layers = kinds
        .iter()
        .map(|kind| LayerConfig {
            window: window.filter(|_| *kind == LayerKind::Sliding),
            rope: if config.ropes.len() > 1 && *kind == LayerKind::Sliding { 1 } else { 0 },
        })
        .collect();
    Ok(())
}

/// The context that YaRN was asked for. Files that switch it on keep the context without it in
/// their field, or hold the longer one there; transformers takes the factor either way, and minds
/// no length.
fn stretched_context(rope: &RopeConfig) -> usize {
    match rope.scaling {
        RopeScaling::Yarn { factor, original_context, .. } => {
            let context = factor * original_context as f64;
            // a float saturates
            (context as usize).min(MAX_CONTEXT)
        }
        _ => 0,
    }
}

/// The kinds of a Hugging Face model's layers: `layer_types`, or else what the family's rule says
/// for layer `i`.
pub(super) fn read_kinds(
    fields: &HuggingFaceFields<'_>,
    layers: usize,
    rule: impl Fn(usize) -> LayerKind,
) -> Result<Vec<LayerKind>> {
    let Some(names) = fields.list("layer_types")? else {
        return Ok((0..layers).map(rule).collect());
    };
    let path = fields.path("layer_types");
    if names.len() != layers {
        return Err(Error::config(path, format!("one entry for each of {layers} layers"), names.len()));
    }
    let kind = |name: &serde_json::Value| {
        [LayerKind::Full, LayerKind::Sliding].into_iter().find(|kind| name.as_str() == Some(kind.name()))
    };
    names
        .iter()
        .map(|name| {
            kind(name).ok_or_else(|| {
                let known = "each one of full_attention, sliding_attention";
                Error::config(path.clone(), known, shown(&name.to_string()))
            })
        })
        .collect()
}

/// Refuses `layer_types` that say something else than what a family computes, which does not read
/// them.
pub(super) fn check_kinds(fields: &HuggingFaceFields<'_>, kinds: &[LayerKind]) -> Result<()> {
    let found = read_kinds(fields, kinds.len(), |i| kinds[i])?;
    match kinds.iter().zip(&found).find(|(expected, found)| expected != found) {
        Some((expected, found)) => {
            let expected = format!("only {}, which this family has", expected.name());
            Err(Error::config(fields.path("layer_types"), expected, found.name()))
        }
        None => Ok(()),
    }
}

/// `sliding_window`, where layers of the kind `Sliding` need one.
pub(super) fn read_window(
    fields: &dyn Fields,
    name: &str,
    kinds: &[LayerKind],
    default: Option<usize>,
) -> Result<Option<usize>> {
    if kinds.contains(&LayerKind::Sliding) {
        fields.size(name, 1..=1 << 30, default).map(Some)
    } else {
        Ok(None)
    }
}
