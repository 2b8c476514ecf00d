//! Qwen3: norms of queries and keys, and heads whose width is a field of its own.

use super::hugging_face::HuggingFaceFields;
use super::qwen2::{config_from_gguf, config_from_hugging_face};
use super::shape::ShapeDefaults;
use super::tensor_plan::{Bias, Biases, LayerNames, TensorPlan};
use super::{Family, Fields, GgufFields, Plan};
use crate::error::Result;
use crate::files::Tensors;

pub(super) const FAMILY: Family =
    Family { hugging_face: &["qwen3"], from_hugging_face, gguf: &["qwen3"], from_gguf };

fn from_hugging_face(fields: &HuggingFaceFields<'_>, _: &Tensors) -> Result<Plan> {
    let defaults = ShapeDefaults { head_dim: Some(128), ..ShapeDefaults::default() };
    let config = config_from_hugging_face("qwen3", fields, &defaults)?;
    let biased = fields.flag("attention_bias")?.unwrap_or(false);
    let bias = if biased { Bias::Required } else { Bias::None };
    let biases = Biases { query_key_value: bias, output: bias, mlp: Bias::None };
    let names = LayerNames {
        query_key_norms: Some(["self_attn.q_norm", "self_attn.k_norm"]),
        ..LayerNames::HUGGING_FACE
    };
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Plan { config, tensors: TensorPlan::hugging_face(names, biases, tied) })
}

fn from_gguf(fields: &GgufFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let config = config_from_gguf("qwen3", fields, tensors)?;
    let names = LayerNames { query_key_norms: Some(["attn_q_norm", "attn_k_norm"]), ..LayerNames::GGUF };
    Ok(Plan { config, tensors: TensorPlan::gguf(names, Biases::NONE) })
}
