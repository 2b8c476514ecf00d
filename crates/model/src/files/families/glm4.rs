//! GLM-4: `glm` (glm-4-9b-chat-hf) and `glm4` (GLM-4-0414, with norms after attention and MLP too).
//! Half of each head is rotated, neighbours paired; gate and up projection are one matrix.

use super::hugging_face::{HuggingFaceFields, RopeRules, Rotated};
use super::layers::{LayerKind, check_kinds, set_layers};
use super::shape::ShapeDefaults;
use super::tensor_plan::{Bias, Biases, FusedOrSeparate, LayerNames, TensorPlan};
use super::{Family, Fields, GgufFields, Plan};
use crate::decoder::config::Activation;
use crate::decoder::rope::PairLayout;
use crate::error::Result;
use crate::files::Tensors;

pub(super) const FAMILY: Family =
    Family { hugging_face: &["glm", "glm4"], from_hugging_face, gguf: &["glm4"], from_gguf };
const NAME: &str = "glm4";
const ROPE: RopeRules =
    RopeRules { layout: PairLayout::Neighbours, rotated: Rotated::Share(0.5), ..RopeRules::USUAL };

fn from_hugging_face(fields: &HuggingFaceFields<'_>, _: &Tensors) -> Result<Plan> {
    let defaults =
        ShapeDefaults { head_dim: Some(128), norm_epsilon: Some(1.5625e-7), ..ShapeDefaults::default() };
    let (mut config, layers) = fields.shape(NAME, &defaults, None)?;
    config.activation = fields.activation("hidden_act", Activation::Silu)?;
    let kinds = vec![LayerKind::Full; layers];
    check_kinds(fields, &kinds)?;
    let shape = config.clone();
    set_layers(&mut config, &kinds, None, |kind| fields.rope(kind, &ROPE, &shape))?;
    let biased = fields.flag("attention_bias")?.unwrap_or(true);
    let query_key_value = if biased { Bias::Required } else { Bias::None };
    let sandwich = fields.text("model_type")? == Some("glm4");
    let names = LayerNames {
        post_attention_norm: sandwich.then_some("post_self_attn_layernorm"),
        gate_up: FusedOrSeparate::Fused("mlp.gate_up_proj"),
        post_mlp_norm: sandwich.then_some("post_mlp_layernorm"),
        ..LayerNames::HUGGING_FACE
    };
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(false);
    let biases = Biases { query_key_value, ..Biases::NONE };
    Ok(Plan { config, tensors: TensorPlan::hugging_face(names, biases, tied) })
}

fn from_gguf(fields: &GgufFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let (mut config, layers) = fields.shape(NAME, tensors)?;
    let rope = fields.rope(&config, PairLayout::Neighbours, tensors)?;
    set_layers(&mut config, &vec![LayerKind::Full; layers], None, |_| Ok(rope.clone()))?;
    let names = LayerNames {
        post_attention_norm: Some("post_attention_norm"),
        gate_up: FusedOrSeparate::Fused("ffn_up"),
        post_mlp_norm: Some("post_ffw_norm"),
        ..LayerNames::GGUF
    };
    let biases = Biases { query_key_value: Bias::IfPresent, ..Biases::NONE };
    Ok(Plan { config, tensors: TensorPlan::gguf(names, biases) })
}
