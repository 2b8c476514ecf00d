//! Phi-3 and Phi-3.5 (and Phi-4-mini, which has their form): fused projections, LongRoPE, a sliding
//! window in all layers.

use super::hugging_face::{HuggingFaceFields, RopeRules, Rotated, Scalings};
use super::layers::{LayerKind, check_kinds, read_window, set_layers};
use super::shape::ShapeDefaults;
use super::tensor_plan::{Biases, FusedOrSeparate, LayerNames, TensorPlan};
use super::{Family, Fields, GgufFields, Plan};
use crate::decoder::config::{Activation, RotatedKeys};
use crate::decoder::rope::PairLayout;
use crate::error::Result;
use crate::files::Tensors;

pub(super) const FAMILY: Family =
    Family { hugging_face: &["phi3"], from_hugging_face, gguf: &["phi3"], from_gguf };
const NAME: &str = "phi3";
const ROPE: RopeRules = RopeRules {
    rotated: Rotated::Share(1.0),
    scalings: Scalings::LongRope { original_context: 4096 },
    ..RopeRules::USUAL
};

fn kinds(window: Option<u64>, layers: usize) -> Vec<LayerKind> {
    vec![if window.is_some() { LayerKind::Sliding } else { LayerKind::Full }; layers]
}

fn from_hugging_face(fields: &HuggingFaceFields<'_>, _: &Tensors) -> Result<Plan> {
    let (mut config, layers) = fields.shape(NAME, &ShapeDefaults::default(), None)?;
    config.activation = fields.activation("hidden_act", Activation::Silu)?;
    config.rotated_keys = RotatedKeys::ReadAgain;
    let kinds = kinds(fields.whole("sliding_window")?, layers);
    check_kinds(fields, &kinds)?;
    let window = read_window(fields, "sliding_window", &kinds, None)?;
    let shape = config.clone();
    set_layers(&mut config, &kinds, window, |kind| fields.rope(kind, &ROPE, &shape))?;
    let names = LayerNames {
        query_key_value: FusedOrSeparate::Fused("self_attn.qkv_proj"),
        gate_up: FusedOrSeparate::Fused("mlp.gate_up_proj"),
        ..LayerNames::HUGGING_FACE
    };
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Plan { config, tensors: TensorPlan::hugging_face(names, Biases::NONE, tied) })
}

/// A window of 0 stands for none.
fn from_gguf(fields: &GgufFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let (mut config, layers) = fields.shape(NAME, tensors)?;
    config.rotated_keys = RotatedKeys::ReadAgain;
    let kinds = kinds(fields.whole("attention.sliding_window")?.filter(|window| *window > 0), layers);
    let window = read_window(fields, "attention.sliding_window", &kinds, None)?;
    let rope = fields.rope(&config, PairLayout::Halves, tensors)?;
    set_layers(&mut config, &kinds, window, |_| Ok(rope.clone()))?;
    let fused = tensors.get("blk.0.attn_qkv.weight").is_some();
    let separate = LayerNames::GGUF;
    let names = LayerNames {
        query_key_value: if fused {
            FusedOrSeparate::Fused("attn_qkv")
        } else {
            separate.query_key_value.clone()
        },
        gate_up: FusedOrSeparate::Fused("ffn_up"),
        ..separate
    };
    Ok(Plan { config, tensors: TensorPlan::gguf(names, Biases::NONE) })
}
