//! The fields of GGUF metadata under the architecture's name, such as `llama.block_count`.

use super::fields::Fields;
use super::shape::{ShapeDefaults, ShapeNames, check_vocabulary, read_shape};
use crate::decoder::config::ModelConfig;
use crate::error::{Error, Result};
use crate::files::GgufValue as Value;
use crate::files::Tensors;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

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

/// Fields that no family reads, since they change nothing.
const INERT: [&str; 2] = ["vocab_size", "rope.scaling.finetuned"];

/// Flags, with the value that is supported.
const FLAGS: [(&str, bool); 2] = [("attention.causal", true), ("use_parallel_residual", false)];

/// Fields that must be 0: mixtures of experts, capped logits.
const ZERO: [&str; 4] =
    ["expert_count", "expert_used_count", "attn_logit_softcapping", "final_logit_softcapping"];

/// Fields, and which of them were asked for.
pub(super) struct GgufFields<'a> {
    metadata: &'a HashMap<String, Value>,
    architecture: &'a str,
    read: RefCell<HashSet<String>>,
}

impl<'a> GgufFields<'a> {
    pub(super) fn new(metadata: &'a HashMap<String, Value>, architecture: &'a str) -> Self {
        Self { metadata, architecture, read: RefCell::default() }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(name.to_owned());
        self.metadata.get(&self.path(name))
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> Error {
        Error::config(self.path(name), expected, found.described())
    }

    /// What no family covers.
    pub(super) fn refuse_unsupported(&self) -> Result<()> {
        for name in ZERO {
            let number = self.number(name)?.unwrap_or(0.0);
            if number != 0.0 {
                return Err(Error::config(self.path(name), "0: this variation is not supported", number));
            }
        }
        for (name, supported) in FLAGS {
            if self.flag(name)? == Some(!supported) {
                let expected = format!("{supported}: this variation is not supported");
                return Err(Error::config(self.path(name), expected, !supported));
            }
        }
        Ok(())
    }

    /// Once a family has read what it knows: each other field of the architecture might change
    /// results.
    pub(super) fn refuse_unread(&self) -> Result<()> {
        let read = self.read.borrow();
        let name = |key: &'a String| key.strip_prefix(self.architecture)?.strip_prefix('.');
        let unread = |name: &&str| !INERT.contains(name) && !read.contains(*name);
        match self.metadata.keys().filter_map(name).filter(unread).min() {
            Some(name) => {
                let expected = "no such field: this variation is not supported";
                Err(Error::config(self.path(name), expected, "it"))
            }
            None => Ok(()),
        }
    }

    /// The sizes, and the number of layers.
    pub(super) fn shape(&self, family: &'static str, tensors: &Tensors) -> Result<(ModelConfig, usize)> {
        let tokens = match self.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::Array(tokens)) => Some(tokens.len()),
            _ => None,
        };
        let rows = tensors.get("token_embd.weight").and_then(|tensor| tensor.shape.first().copied());
        if let Some(tokens) = tokens {
            check_vocabulary("tokenizer.ggml.tokens".to_owned(), tokens)?;
        }
        // A vocabulary may name more tokens than there are rows, or fewer.
        let vocabulary = rows.or(tokens).unwrap_or(0);
        let vocabulary = check_vocabulary("token_embd.weight".to_owned(), vocabulary)?;
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
        value.whole().map(Some).ok_or_else(|| self.wrong(name, "a whole number", value))
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
