//! Model families, as data: what the fields of a `config.json` or of GGUF metadata mean, and how
//! tensors are called.
//!
//! One file per family, and a line in [`FAMILIES`]. A family turns fields into a [`Plan`]: the
//! configuration, and a description of its tensors ([`tensor_plan`]), from which weights are put
//! together in one place for all.
//!
//! What a family does not read is refused where it would change results: every tensor; every GGUF
//! field of the architecture but a few that change nothing; in a `config.json`, every field that
//! describes RoPE ([`hugging_face_rope`]), every kind of layer, and the fields that are known to
//! change results ([`hugging_face`]). A `config.json` holds many others (how a model was trained,
//! how it samples): those are not read.

mod fields;
mod gemma3;
mod gguf_fields;
mod gguf_rope;
mod glm4;
mod hugging_face;
mod hugging_face_rope;
mod layers;
mod llama;
mod load;
mod phi3;
mod qwen2;
mod qwen3;
mod shape;
mod tensor_plan;

use crate::decoder::config::ModelConfig;
use crate::decoder::weights::ModelWeights;
use crate::error::{Error, Result};
use crate::files::GgufValue;
use crate::files::Tensors;
use fields::Fields;
use gguf_fields::GgufFields;
use hugging_face::HuggingFaceFields;
use std::collections::HashMap;
use tensor_plan::TensorPlan;

/// What a family reads from the fields of a model: its configuration, and which tensors it has.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: ModelConfig,
    tensors: TensorPlan,
}

impl Plan {
    pub(crate) fn load(&self, tensors: &Tensors) -> Result<ModelWeights> {
        self.tensors.load(&self.config, tensors)
    }
}

/// A family.
struct Family {
    /// Values of `model_type`.
    hugging_face: &'static [&'static str],
    from_hugging_face: fn(&HuggingFaceFields<'_>, &Tensors) -> Result<Plan>,
    /// Values of `general.architecture`.
    gguf: &'static [&'static str],
    from_gguf: fn(&GgufFields<'_>, &Tensors) -> Result<Plan>,
}

/// All of them.
const FAMILIES: [Family; 6] =
    [llama::FAMILY, qwen2::FAMILY, qwen3::FAMILY, phi3::FAMILY, glm4::FAMILY, gemma3::FAMILY];

pub(crate) fn plan_hugging_face(config: &serde_json::Value, tensors: &Tensors) -> Result<Plan> {
    let empty = serde_json::Map::new();
    let fields = HuggingFaceFields::new(config.as_object().unwrap_or(&empty));
    let name = fields.text("model_type")?.unwrap_or("null");
    let known = |family: &Family| family.hugging_face;
    let family = find(name, "model_type", known)?;
    fields.refuse_unsupported()?;
    (family.from_hugging_face)(&fields, tensors)
}

pub(crate) fn plan_gguf(metadata: &HashMap<String, GgufValue>, tensors: &Tensors) -> Result<Plan> {
    let name = match metadata.get("general.architecture") {
        Some(GgufValue::String(name)) => name.as_str(),
        _ => "none",
    };
    let family = find(name, "general.architecture", |family| family.gguf)?;
    let fields = GgufFields::new(metadata, name);
    fields.refuse_unsupported()?;
    let plan = (family.from_gguf)(&fields, tensors)?;
    fields.refuse_unread()?;
    Ok(plan)
}

fn find(name: &str, field: &str, names: fn(&Family) -> &'static [&'static str]) -> Result<&'static Family> {
    FAMILIES.iter().find(|family| names(family).contains(&name)).ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().flat_map(names).copied().collect();
        Error::config(
            field,
            format!("a supported model, one of {}", known.join(", ")),
            crate::error::shown(name),
        )
    })
}
