//! The fields of a `config.json`, older style or that of transformers 5.

use super::fields::Fields;
pub(super) use super::hugging_face_rope::{RopeRules, Rotated, Scalings};
use super::shape::{ShapeDefaults, ShapeNames, check_vocabulary, read_shape};
use crate::decoder::config::ModelConfig;
use crate::error::{Error, Result, shown};
use serde_json::{Map, Value};

const NAMES: ShapeNames = ShapeNames {
    hidden: "hidden_size",
    intermediate: "intermediate_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    kv_heads: "num_key_value_heads",
    head_dim: "head_dim",
    context: "max_position_embeddings",
    norm_epsilon: "rms_norm_eps",
};

/// Fields that change results in a way that the decoder doesn't know, unless they are null, false,
/// 0 or empty. They stand in the configurations of models that call themselves by a known name and
/// differ, or of near relatives.
const UNSUPPORTED: [&str; 35] = [
    "quantization_config",
    "compression_config",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "use_bidirectional_attention",
    "rope_interleaved",
    "no_rope_layers",
    "logit_scale",
    "logits_scaling",
    "attention_multiplier",
    "residual_multiplier",
    "embedding_multiplier",
    "use_qk_norm",
    "qk_layernorm",
    "clip_qkv",
    "attention_chunk_size",
    "attn_temperature_tuning",
    "no_rope_layer_interval",
    "use_parallel_residual",
    "parallel_residual",
    "parallel_attn",
    "alibi",
    "is_encoder_decoder",
    "add_cross_attention",
    "cross_attention_layers",
    "n_shared_experts",
    "rotary_pct",
    "rotary_dim",
    "rope_ratio",
    "scale_emb",
    "scale_depth",
    "use_mup",
];

/// The fields of a `config.json`, or of an object within it.
pub(super) struct HuggingFaceFields<'a> {
    values: &'a Map<String, Value>,
    object: Option<&'static str>,
}

impl<'a> HuggingFaceFields<'a> {
    pub(super) fn new(values: &'a Map<String, Value>) -> Self {
        Self { values, object: None }
    }

    /// The object under a field of the top.
    pub(super) fn within(&self, object: &'static str) -> Result<Self> {
        match self.get(object) {
            Some(Value::Object(values)) => Ok(Self { values, object: Some(object) }),
            other => Err(self.wrong(object, "an object", other)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there, even if it is null.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn wrong(&self, name: &str, expected: &str, found: Option<&Value>) -> Error {
        let found = found.map_or("nothing".to_owned(), |value| shown(&value.to_string()));
        Error::config(self.path(name), expected, found)
    }

    pub(super) fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(name, expected, Some(value)))
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>> {
        self.typed(name, "a list", Value::as_array)
    }

    /// What no family covers.
    pub(super) fn refuse_unsupported(&self) -> Result<()> {
        for name in UNSUPPORTED {
            let harmless = match self.get(name) {
                None | Some(Value::Bool(false)) => true,
                Some(Value::Number(number)) => number.as_f64() == Some(0.0),
                Some(Value::Array(list)) => list.is_empty(),
                Some(_) => false,
            };
            if !harmless {
                return Err(self.wrong(name, "null: this variation is not supported", self.get(name)));
            }
        }
        Ok(())
    }

    /// The sizes, and the number of layers.
    pub(super) fn shape(
        &self,
        family: &'static str,
        defaults: &ShapeDefaults,
        vocabulary: Option<usize>,
    ) -> Result<(ModelConfig, usize)> {
        let found = self.size("vocab_size", 1..=usize::MAX, vocabulary)?;
        let vocabulary = check_vocabulary(self.path("vocab_size"), found)?;
        read_shape(family, self, &NAMES, defaults, vocabulary)
    }
}

impl Fields for HuggingFaceFields<'_> {
    fn path(&self, name: &str) -> String {
        self.object.map_or_else(|| name.to_owned(), |object| format!("{object}.{name}"))
    }

    fn whole(&self, name: &str) -> Result<Option<u64>> {
        self.typed(name, "a whole number", Value::as_u64)
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        self.typed(name, "a number", Value::as_f64)
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        self.typed(name, "a text", Value::as_str)
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.typed(name, "true or false", Value::as_bool)
    }
}
