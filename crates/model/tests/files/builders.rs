//! Tiny models, written with other libraries' writers.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use minference_model::ModelFiles;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Elements that differ from each other, small and finite.
pub(crate) fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i % 251) as f32 / 256.0 - 0.4).collect()
}

/// A GGUF file to be.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<(String, Vec<usize>, GgmlDType)>,
}

pub(crate) const HIDDEN: usize = 32;
pub(crate) const INTERMEDIATE: usize = 64;
pub(crate) const HEADS: usize = 4;
pub(crate) const KV_HEADS: usize = 2;
pub(crate) const VOCABULARY: usize = 40;
pub(crate) const LAYERS: usize = 2;

impl Gguf {
    /// Two layers, heads of `head_dim`, split projections, norms only before attention and MLP,
    /// embeddings tied.
    pub(crate) fn tiny(architecture: &str, head_dim: usize) -> Self {
        let mut gguf = Self { metadata: Vec::new(), tensors: Vec::new() };
        gguf.set("general.architecture", Value::String(architecture.into()));
        let sizes = [
            ("context_length", 512),
            ("embedding_length", HIDDEN),
            ("block_count", LAYERS),
            ("feed_forward_length", INTERMEDIATE),
            ("attention.head_count", HEADS),
            ("attention.head_count_kv", KV_HEADS),
            ("attention.key_length", head_dim),
            ("attention.value_length", head_dim),
        ];
        for (name, size) in sizes {
            gguf.set(&format!("{architecture}.{name}"), Value::U32(size as u32));
        }
        gguf.set(&format!("{architecture}.attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
        let tokens = (0..VOCABULARY).map(|i| Value::String(format!("t{i}"))).collect();
        gguf.set("tokenizer.ggml.tokens", Value::Array(tokens));
        gguf.add("token_embd.weight", &[VOCABULARY, HIDDEN], GgmlDType::Q8_0);
        gguf.add("output_norm.weight", &[HIDDEN], GgmlDType::F32);
        let (query, key) = (HEADS * head_dim, KV_HEADS * head_dim);
        for layer in 0..LAYERS {
            for (name, shape) in [
                ("attn_norm", vec![HIDDEN]),
                ("attn_q", vec![query, HIDDEN]),
                ("attn_k", vec![key, HIDDEN]),
                ("attn_v", vec![key, HIDDEN]),
                ("attn_output", vec![HIDDEN, query]),
                ("ffn_norm", vec![HIDDEN]),
                ("ffn_gate", vec![INTERMEDIATE, HIDDEN]),
                ("ffn_up", vec![INTERMEDIATE, HIDDEN]),
                ("ffn_down", vec![HIDDEN, INTERMEDIATE]),
            ] {
                let format = if shape.len() == 1 { GgmlDType::F32 } else { GgmlDType::Q4_0 };
                gguf.add(&format!("blk.{layer}.{name}.weight"), &shape, format);
            }
        }
        gguf
    }

    pub(crate) fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(name, _)| name != key);
        self.metadata.push((key.into(), value));
    }

    pub(crate) fn add(&mut self, name: &str, shape: &[usize], format: GgmlDType) {
        self.tensors.push((name.into(), shape.into(), format));
    }

    pub(crate) fn add_to_layers(&mut self, name: &str, shape: &[usize], format: GgmlDType) {
        for layer in 0..LAYERS {
            self.add(&format!("blk.{layer}.{name}"), shape, format);
        }
    }

    pub(crate) fn remove(&mut self, part: &str) {
        self.tensors.retain(|(name, ..)| !name.contains(part));
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let tensors: Vec<(&str, QTensor)> = self
            .tensors
            .iter()
            .map(|(name, shape, format)| {
                let len = shape.iter().product();
                // divisors of RoPE are above 0
                let divisors = || (0..len).map(|i| 1.0 + i as f32).collect();
                let values = if name.starts_with("rope_") { divisors() } else { ramp(len) };
                let tensor = Tensor::from_vec(values, shape.as_slice(), &Device::Cpu).unwrap();
                (name.as_str(), QTensor::quantize(&tensor, *format).unwrap())
            })
            .collect();
        let metadata: Vec<(&str, &Value)> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let mut out = Cursor::new(Vec::new());
        gguf_file::write(&mut out, &metadata, &tensors).unwrap();
        out.into_inner()
    }

    /// Written to disk and opened.
    pub(crate) fn open(&self) -> minference_model::Result<Opened> {
        open_bytes(&self.bytes())
    }
}

/// A model with the folder that its files lie in.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) files: ModelFiles,
    _folder: TempDir,
}

pub(crate) fn open_bytes(bytes: &[u8]) -> minference_model::Result<Opened> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    ModelFiles::open(path).map(|files| Opened { files, _folder: folder })
}

/// The message of a file that cannot be opened or loaded.
pub(crate) fn refusal(opened: minference_model::Result<Opened>) -> String {
    match opened.and_then(|opened| opened.files.load()) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    }
}

/// An error with all its causes, as programs print it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", told(cause)))
}

pub(crate) fn assert_mentions(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// A Hugging Face folder to be; tensors in F32.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) config: Json,
    pub(crate) tensors: BTreeMap<String, Vec<usize>>,
}

impl Folder {
    /// Two layers of Llama's form.
    pub(crate) fn tiny(model_type: &str, head_dim: usize) -> Self {
        let config = json!({
            "model_type": model_type, "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
            "head_dim": head_dim, "vocab_size": VOCABULARY, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
            "hidden_act": "silu", "tie_word_embeddings": false, "sliding_window": null
        });
        let mut folder = Self { config, tensors: BTreeMap::new() };
        folder.add("model.embed_tokens.weight", &[VOCABULARY, HIDDEN]);
        folder.add("lm_head.weight", &[VOCABULARY, HIDDEN]);
        folder.add("model.norm.weight", &[HIDDEN]);
        let (query, key) = (HEADS * head_dim, KV_HEADS * head_dim);
        folder.add_to_layers("input_layernorm.weight", &[HIDDEN]);
        folder.add_to_layers("self_attn.q_proj.weight", &[query, HIDDEN]);
        folder.add_to_layers("self_attn.k_proj.weight", &[key, HIDDEN]);
        folder.add_to_layers("self_attn.v_proj.weight", &[key, HIDDEN]);
        folder.add_to_layers("self_attn.o_proj.weight", &[HIDDEN, query]);
        folder.add_to_layers("post_attention_layernorm.weight", &[HIDDEN]);
        folder.add_to_layers("mlp.gate_proj.weight", &[INTERMEDIATE, HIDDEN]);
        folder.add_to_layers("mlp.up_proj.weight", &[INTERMEDIATE, HIDDEN]);
        folder.add_to_layers("mlp.down_proj.weight", &[HIDDEN, INTERMEDIATE]);
        folder
    }

    pub(crate) fn set(&mut self, field: &str, value: Json) {
        self.config[field] = value;
    }

    pub(crate) fn add(&mut self, name: &str, shape: &[usize]) {
        self.tensors.insert(name.into(), shape.into());
    }

    pub(crate) fn add_to_layers(&mut self, name: &str, shape: &[usize]) {
        for layer in 0..LAYERS {
            self.add(&format!("model.layers.{layer}.{name}"), shape);
        }
    }

    pub(crate) fn remove(&mut self, part: &str) {
        self.tensors.retain(|name, _| !name.contains(part));
    }

    /// The bytes of a safetensors file with those tensors whose names pass.
    pub(crate) fn bytes(&self, part: impl Fn(&str) -> bool) -> Vec<u8> {
        let data: Vec<(String, &Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .filter(|(name, _)| part(name))
            .map(|(name, shape)| {
                let bytes = ramp(shape.iter().product()).iter().flat_map(|x| x.to_le_bytes()).collect();
                (name.clone(), shape, bytes)
            })
            .collect();
        let views = data
            .iter()
            .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    pub(crate) fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "config.json", self.config.to_string().as_bytes());
        write(folder.path(), "model.safetensors", &self.bytes(|_| true));
        folder
    }

    pub(crate) fn open(&self) -> minference_model::Result<Opened> {
        open_folder(self.write())
    }
}

pub(crate) fn open_folder(folder: TempDir) -> minference_model::Result<Opened> {
    ModelFiles::open(folder.path()).map(|files| Opened { files, _folder: folder })
}

pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
