//! The fields of GGUF metadata under the architecture's name, such as `llama.block_count`.

use super::fields::{Fields, shortened};
use super::shape::{ShapeDefaults, ShapeNames, check_vocabulary, read_shape};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::rope::{PairLayout, RopeConfig, RopeScaling};
use crate::source::Tensors;
use candle_core::quantized::gguf_file::Value;
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

/// Tensors with which RoPE is scaled.
pub(super) const ROPE_TENSORS: [&str; 3] =
    ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

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

    /// RoPE of all layers, or of those without a window of their own. The divisors of single pairs are tensors.
    pub(super) fn rope(
        &self,
        config: &ModelConfig,
        layout: PairLayout,
        tensors: &Tensors,
    ) -> Result<RopeConfig> {
        let rotary_dim = self.size("rope.dimension_count", 4..=config.head_dim, Some(config.head_dim))?;
        let base = self.positive("rope.freq_base", 10_000.0)?;
        let rope = |scaling| RopeConfig { rotary_dim, base, context: config.context, scaling, layout };
        let factor = match (self.number("rope.scaling.factor")?, self.number("rope.scale_linear")?) {
            (Some(factor), _) | (None, Some(factor)) if factor != 0.0 => factor,
            _ => 1.0,
        };
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::config(self.path("rope.scaling.factor"), "a number above 0", factor));
        }
        let [all, long, short] = ROPE_TENSORS.map(|name| {
            let present = tensors.get(name).map(|_| tensors.vector(name, rotary_dim / 2));
            present
                .transpose()
                .map(|list| list.map(|list| list.into_iter().map(f64::from).collect::<Vec<_>>()))
        });
        let (all, long, short) = (all?, long?, short?);
        let kind = self.text("rope.scaling.type")?;
        let original =
            || self.size("rope.scaling.original_context_length", 2..=1 << 30, Some(config.context));
        let attention_factor = self.number("rope.scaling.attn_factor")?;
        let scaling = match (kind, all, long, short) {
            (None | Some("none" | "longrope"), None, Some(long), Some(short)) => {
                let original_context = original()?;
                let ratio = config.context as f64 / original_context as f64;
                // the rule of the paper's authors, where a file has no number
                let rule = if ratio > 1.0 {
                    (1.0 + ratio.ln() / (original_context as f64).ln()).sqrt()
                } else {
                    1.0
                };
                let attention_factor = attention_factor.unwrap_or(rule);
                RopeScaling::LongRope { short, long, original_context, attention_factor }
            }
            (Some("yarn"), None, None, None) => RopeScaling::Yarn {
                factor,
                original_context: original()?,
                beta_fast: self.positive("rope.scaling.yarn_beta_fast", 32.0)?,
                beta_slow: self.positive("rope.scaling.yarn_beta_slow", 1.0)?,
                attention_factor: attention_factor.unwrap_or(1.0)
                    * if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 },
                truncate: true,
            },
            (None | Some("linear" | "none"), divisors, None, None) => {
                if attention_factor.is_some_and(|found| found != 1.0) {
                    let expected = "1 unless rope.scaling.type is yarn or longrope";
                    let found = attention_factor.unwrap_or(1.0);
                    return Err(Error::config(self.path("rope.scaling.attn_factor"), expected, found));
                }
                let factor = if kind == Some("none") { 1.0 } else { factor };
                match divisors {
                    None if factor == 1.0 => RopeScaling::Default,
                    None => RopeScaling::Linear { factor },
                    Some(divisors) => {
                        // Llama 3.1's scaling, computed when the file was made: the same divisors however long the prompt is.
                        let divisors: Vec<f64> = divisors.iter().map(|divisor| divisor * factor).collect();
                        let (short, original_context) = (divisors.clone(), config.context);
                        RopeScaling::LongRope {
                            short,
                            long: divisors,
                            original_context,
                            attention_factor: 1.0,
                        }
                    }
                }
            }
            (kind, ..) => {
                let expected = "one of none, linear, yarn, or longrope with both rope_factors tensors";
                let found = format!("\"{}\" with other tensors", shortened(kind.unwrap_or("none")));
                return Err(Error::config(self.path("rope.scaling.type"), expected, found));
            }
        };
        Ok(rope(scaling))
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
