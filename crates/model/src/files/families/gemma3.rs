//! Gemma 3, its text part: norms around attention and MLP, of queries and of keys; five layers of
//! six with a sliding window and a RoPE of their own; embeddings multiplied by the root of their
//! width.

use super::hugging_face::{HuggingFaceFields, RopeRules};
use super::layers::{LayerKind, read_kinds, read_window, set_layers};
use super::shape::ShapeDefaults;
use super::tensor_plan::{Bias, Biases, LayerNames, TensorPlan};
use super::{Family, Fields, GgufFields, Plan};
use crate::decoder::config::Activation;
use crate::decoder::rope::{PairLayout, RopeConfig, RopeScaling};
use crate::error::Result;
use crate::files::Tensors;

pub(super) const FAMILY: Family =
    Family { hugging_face: &["gemma3_text", "gemma3"], from_hugging_face, gguf: &["gemma3"], from_gguf };
const NAME: &str = "gemma3";
const LOCAL_BASE: f64 = 10_000.0;
const ROPE: RopeRules = RopeRules {
    base: 1_000_000.0,
    local_base: Some(("rope_local_base_freq", LOCAL_BASE)),
    ..RopeRules::USUAL
};
/// Every so many layers one sees everything.
const PATTERN: usize = 6;
/// Layers of the 27B model, the one whose scores are not scaled by its heads' width; GGUF has no
/// field for it.
const LAYERS_27B: usize = 62;

fn kind(index: usize, pattern: usize) -> LayerKind {
    if (index + 1).is_multiple_of(pattern) { LayerKind::Full } else { LayerKind::Sliding }
}

/// Files of models that see pictures keep the text part's fields in `text_config`, and leave out
/// those with default values.
fn from_hugging_face(top: &HuggingFaceFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let multimodal = top.text("model_type")? == Some("gemma3");
    let text = if multimodal { Some(top.within("text_config")?) } else { None };
    let fields = text.as_ref().unwrap_or(top);
    fields.refuse_unsupported()?;
    let defaults = ShapeDefaults {
        heads: Some(8),
        kv_heads: Some(4),
        head_dim: Some(256),
        context: Some(131_072),
        norm_epsilon: Some(1e-6),
    };
    let (mut config, layers) = fields.shape(NAME, &defaults, Some(262_208))?;
    config.activation = fields.activation("hidden_activation", Activation::GeluTanh)?;
    config.attention_scale = (1.0 / fields.positive("query_pre_attn_scalar", 256.0)?.sqrt()) as f32;
    let pattern = fields.size("sliding_window_pattern", 1..=usize::MAX, Some(PATTERN))?;
    let kinds = read_kinds(fields, layers, |i| kind(i, pattern))?;
    let window = read_window(fields, "sliding_window", &kinds, Some(4096))?;
    let shape = config.clone();
    set_layers(&mut config, &kinds, window, |kind| fields.rope(kind, &ROPE, &shape))?;

    let biased = fields.flag("attention_bias")?.unwrap_or(false);
    let bias = if biased { Bias::Required } else { Bias::None };
    let biases = Biases { query_key_value: bias, output: bias, mlp: Bias::None };
    let names = LayerNames {
        query_key_norms: Some(["self_attn.q_norm", "self_attn.k_norm"]),
        post_attention_norm: Some("post_attention_layernorm"),
        mlp_norm: "pre_feedforward_layernorm",
        post_mlp_norm: Some("post_feedforward_layernorm"),
        ..LayerNames::HUGGING_FACE
    };
    let tied = top.flag("tie_word_embeddings")?.unwrap_or(true);
    let mut plan = TensorPlan::hugging_face(names, biases, tied);
    plan.norm_offset = 1.0;
    if multimodal {
        // older files, then those of transformers 5
        let old = tensors.get("language_model.model.embed_tokens.weight").is_some();
        let root = if old { "language_model.model." } else { "model.language_model." };
        plan.embedding = format!("{root}embed_tokens.weight");
        plan.final_norm = format!("{root}norm.weight");
        plan.layers = format!("{root}layers.");
        plan.output = if old { "language_model.lm_head.weight" } else { "lm_head.weight" }.into();
        plan.ignored = &["rotary_emb.inv_freq", "vision_tower.", "multi_modal_projector."];
    }
    config.embedding_scale = embedding_scale(config.hidden);
    Ok(Plan { config, tensors: plan })
}

/// What embeddings are multiplied by. transformers rounds it to the type that it computes in; here
/// that is `f32`, whatever the file holds (as in llama.cpp).
fn embedding_scale(hidden: usize) -> f32 {
    (hidden as f64).sqrt() as f32
}

/// GGUF's norms already hold `1 + w`.
fn from_gguf(fields: &GgufFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let (mut config, layers) = fields.shape(NAME, tensors)?;
    config.activation = Activation::GeluTanh;
    config.embedding_scale = embedding_scale(config.hidden);
    if layers == LAYERS_27B {
        config.attention_scale = (1.0 / (config.hidden as f64 / config.heads as f64).sqrt()) as f32;
    }
    config.attention_scale = fields.positive("attention.scale", f64::from(config.attention_scale))? as f32;
    let pattern = fields.size("attention.sliding_window_pattern", 1..=usize::MAX, Some(PATTERN))?;
    let kinds: Vec<LayerKind> = (0..layers).map(|i| kind(i, pattern)).collect();
    let window = read_window(fields, "attention.sliding_window", &kinds, None)?;
    let global = fields.rope(&config, PairLayout::Halves, tensors)?;
    let base = fields.positive("rope.freq_base_swa", LOCAL_BASE)?;
    let local = RopeConfig { base, scaling: RopeScaling::Default, ..global.clone() };
    set_layers(&mut config, &kinds, window, |kind| {
        Ok(if kind == LayerKind::Full { global.clone() } else { local.clone() })
    })?;
    let names = LayerNames {
        query_key_norms: Some(["attn_q_norm", "attn_k_norm"]),
        post_attention_norm: Some("post_attention_norm"),
        post_mlp_norm: Some("post_ffw_norm"),
        ..LayerNames::GGUF
    };
    Ok(Plan { config, tensors: TensorPlan::gguf(names, Biases::NONE) })
}
