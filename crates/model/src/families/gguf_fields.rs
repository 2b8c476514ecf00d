//! The fields of GGUF metadata under the architecture's name, such as `llama.block_count`.

use super::fields::{Fields, shortened};
use super::shape::{ShapeDefaults, ShapeNames, check_vocabulary, read_shape};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::source::GgufValue as Value;
use crate::source::Tensors;
use std::collections::HashMap;

const NAMES: ShapeNames = ShapeNames {
    hidden: "embedding_length",
    intermediate: "feed_forward_length",
    layers: "block_count",
    heads: "attention.head_count",
    kv_heads: "attention.head_count_kv",
    head_dim: "attention.key_length",
    context: "context_length",
    norm_epsilon: "attention.layer_norm_rms_epsilon",
};

/// Other fields that are read, or change nothing.
const KNOWN: [&str; 18] = [
    "vocab_size",
    "attention.value_length",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.scale",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.attn_factor",
    "rope.scaling.finetuned",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "use_parallel_residual",
    "tensor_data_layout",
];

/// Fields that must be 0: mixtures of experts, capped logits.
const ZERO: [&str; 4] =
    ["expert_count", "expert_used_count", "attn_logit_softcapping", "final_logit_softcapping"];

pub(super) struct GgufFields<'a> {
    metadata: &'a HashMap<String, Value>,
    architecture: &'a str,
}

impl<'a> GgufFields<'a> {
    pub(super) fn new(metadata: &'a HashMap<String, Value>, architecture: &'a str) -> Self {
        Self { metadata, architecture }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.metadata.get(&self.path(name))
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> Error {
        let found = match found {
            Value::Array(values) => format!("an array of {} values", values.len()),
            Value::String(text) => format!("\"{}\"", shortened(text)),
            other => format!("{other:?}"),
        };
        Error::config(self.path(name), expected, found)
    }

    /// Fields of the architecture that nobody reads might change results, so that each must be known.
    pub(super) fn refuse_unsupported(&self) -> Result<()> {
        let whole = |key: &str| match self.metadata.get(key) {
            Some(Value::U16(count)) => u64::from(*count),
            Some(Value::U32(count)) => u64::from(*count),
            Some(Value::I32(count)) => u64::from(count.unsigned_abs()),
            _ => 1,
        };
        if whole("split.count") > 1 {
            let expected = "one file (join the parts with `llama-gguf-split --merge`)";
            return Err(Error::config("split.count", expected, whole("split.count")));
        }
        if let Some(Value::String(kind)) = self.metadata.get("general.type")
            && kind != "model"
        {
            return Err(Error::config("general.type", "\"model\"", format!("\"{}\"", shortened(kind))));
        }
        let mut keys: Vec<&String> = self.metadata.keys().collect();
        keys.sort();
        for key in keys {
            let Some(name) = key.strip_prefix(self.architecture).and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            let ShapeNames { hidden, intermediate, layers, heads, kv_heads, head_dim, context, norm_epsilon } =
                NAMES;
            let shape = [hidden, intermediate, layers, heads, kv_heads, head_dim, context, norm_epsilon];
            if ZERO.contains(&name) {
                let number = self.number(name)?.unwrap_or(0.0);
                if number != 0.0 {
                    return Err(Error::config(key, "0: this variation is not supported", number));
                }
            } else if name == "attention.causal" {
                if self.flag(name)? == Some(false) {
                    return Err(Error::config(key, "true, a model that generates", false));
                }
            } else if !shape.contains(&name) && !KNOWN.contains(&name) {
                let expected = "no such field: this variation is not supported";
                return Err(Error::config(shortened(key), expected, "it"));
            }
        }
        Ok(())
    }

    /// The sizes, and the number of layers.
    pub(super) fn shape(&self, family: &'static str, tensors: &Tensors) -> Result<(ModelConfig, usize)> {
        let tokens = match self.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::Array(tokens)) => Some(tokens.len()),
            _ => None,
        };
        let rows = tensors.get("token_embd.weight").and_then(|tensor| tensor.shape.first().copied());
        let vocabulary = tokens.or(rows).unwrap_or(0);
        let vocabulary = check_vocabulary("tokenizer.ggml.tokens".to_owned(), vocabulary)?;
        let (config, layers) = read_shape(family, self, &NAMES, &ShapeDefaults::default(), vocabulary)?;
        let value_length = self.size("attention.value_length", 1..=usize::MAX, Some(config.head_dim))?;
        if value_length != config.head_dim {
            let expected = format!("attention.key_length, {}", config.head_dim);
            return Err(Error::config(self.path("attention.value_length"), expected, value_length));
        }
        Ok((config, layers))
    }
}

impl Fields for GgufFields<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn whole(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            Value::U8(x) => Some(u64::from(*x)),
            Value::U16(x) => Some(u64::from(*x)),
            Value::U32(x) => Some(u64::from(*x)),
            Value::U64(x) => Some(*x),
            Value::I8(x) => u64::try_from(*x).ok(),
            Value::I16(x) => u64::try_from(*x).ok(),
            Value::I32(x) => u64::try_from(*x).ok(),
            Value::I64(x) => u64::try_from(*x).ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, "a whole number", value))
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::F32(x)) => Ok(Some(f64::from(*x))),
            Some(Value::F64(x)) => Ok(Some(*x)),
            Some(value) => match self.whole(name) {
                Ok(Some(whole)) => Ok(Some(whole as f64)),
                _ => Err(self.wrong(name, "a number", value)),
            },
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(self.wrong(name, "a text", value)),
        }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(value) => Err(self.wrong(name, "a truth value", value)),
        }
    }
}
