//! Qwen2 and Qwen2.5: biases of queries, keys and values; a sliding window in the upper layers
//! where a model asks for it.

use super::hugging_face::{HuggingFaceFields, RopeRules};
use super::layers::{LayerKind, read_kinds, read_window, set_layers};
use super::shape::ShapeDefaults;
use super::tensor_plan::{Bias, Biases, LayerNames, TensorPlan};
use super::{Family, Fields, GgufFields, Plan};
use crate::decoder::config::{Activation, ModelConfig};
use crate::decoder::rope::PairLayout;
use crate::error::{Error, Result};
use crate::files::Tensors;

pub(super) const FAMILY: Family =
    Family { hugging_face: &["qwen2"], from_hugging_face, gguf: &["qwen2"], from_gguf };
const BIASES: Biases = Biases { query_key_value: Bias::Required, ..Biases::NONE };

fn from_hugging_face(fields: &HuggingFaceFields<'_>, _: &Tensors) -> Result<Plan> {
    let config = config_from_hugging_face("qwen2", fields, &ShapeDefaults::default())?;
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Plan { config, tensors: TensorPlan::hugging_face(LayerNames::HUGGING_FACE, BIASES, tied) })
}

/// What Qwen2 and Qwen3 share.
pub(super) fn config_from_hugging_face(
    family: &'static str,
    fields: &HuggingFaceFields<'_>,
    defaults: &ShapeDefaults,
) -> Result<ModelConfig> {
    let (mut config, layers) = fields.shape(family, defaults, None)?;
    config.activation = fields.activation("hidden_act", Activation::Silu)?;
    let windowed = fields.flag("use_sliding_window")?.unwrap_or(false);
    let first = fields.size("max_window_layers", 0..=usize::MAX, Some(28))?;
    let kinds = read_kinds(fields, layers, |i| {
        if windowed && i >= first { LayerKind::Sliding } else { LayerKind::Full }
    })?;
    if !windowed && kinds.contains(&LayerKind::Sliding) {
        let expected = "no sliding_attention unless use_sliding_window is true";
        return Err(Error::config("layer_types", expected, "it"));
    }
    let window = read_window(fields, "sliding_window", &kinds, Some(4096))?;
    let shape = config.clone();
    set_layers(&mut config, &kinds, window, |kind| fields.rope(kind, &RopeRules::USUAL, &shape))?;
    Ok(config)
}

fn from_gguf(fields: &GgufFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let config = config_from_gguf("qwen2", fields, tensors)?;
    Ok(Plan { config, tensors: TensorPlan::gguf(LayerNames::GGUF, BIASES) })
}

/// What Qwen2 and Qwen3 share. GGUF does not say which layers a window is for.
pub(super) fn config_from_gguf(
    family: &'static str,
    fields: &GgufFields<'_>,
    tensors: &Tensors,
) -> Result<ModelConfig> {
    let (mut config, layers) = fields.shape(family, tensors)?;
    if let Some(window) = fields.whole("attention.sliding_window")?
        && window > 0
        && window < config.context as u64
    {
        let expected =
            format!("none, or at least the context, {}: it is unknown which layers have it", config.context);
        return Err(Error::config(fields.path("attention.sliding_window"), expected, window));
    }
    let rope = fields.rope(&config, PairLayout::Halves, tensors)?;
    set_layers(&mut config, &vec![LayerKind::Full; layers], None, |_| Ok(rope.clone()))?;
    Ok(config)
}
