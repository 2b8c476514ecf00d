//! A Llama of random weights, small enough to answer at once, as a GGUF file.
//!
//! Each byte is a token. Tokens that don't print have no weight in the output matrix, and for each
//! that does there is one of opposite weight: the likeliest token always prints, and a greedy
//! answer goes on until it is long enough.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::io::Cursor;

pub(crate) const LAYERS: usize = 2;
pub(crate) const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 8;
const HIDDEN: usize = HEADS * HEAD_DIM;
const INTERMEDIATE: usize = 64;
/// Every byte, and an end token.
const VOCABULARY: usize = 257;
const END: u32 = 256;

/// What differs between tests.
#[derive(Debug, Clone)]
pub(crate) struct TinyModel {
    /// Tokens that it is made for.
    pub(crate) context: usize,
    pub(crate) chat_template: Option<&'static str>,
}

impl Default for TinyModel {
    fn default() -> Self {
        let template =
            "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}[assistant]";
        Self { context: 4096, chat_template: Some(template) }
    }
}

impl TinyModel {
    /// The file's bytes.
    pub(crate) fn gguf(&self) -> Vec<u8> {
        let metadata = self.metadata();
        let tensors: Vec<(String, QTensor)> = shapes()
            .into_iter()
            .enumerate()
            .map(|(i, (name, shape))| {
                let values = match name.as_str() {
                    "output.weight" => output_matrix(),
                    _ if shape.len() == 1 => vec![1.0; shape[0]],
                    _ => random(i as u64, shape.iter().product()),
                };
                let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
                (name, QTensor::quantize(&tensor, GgmlDType::F32).unwrap())
            })
            .collect();
        let metadata: Vec<(&str, &Value)> =
            metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (&**name, tensor)).collect();
        let mut out = Cursor::new(Vec::new());
        gguf_file::write(&mut out, &metadata, &tensors).unwrap();
        out.into_inner()
    }

    fn metadata(&self) -> Vec<(String, Value)> {
        let text = |text: &str| Value::String(text.into());
        let size = |size: usize| Value::U32(size as u32);
        let mut tokens: Vec<Value> =
            (0..=255).map(|byte| Value::String(byte_character(byte).into())).collect();
        tokens.push(text("<|im_end|>"));
        let kinds = (0..VOCABULARY as u32).map(|id| Value::I32(if id == END { 3 } else { 1 })).collect();
        let mut metadata = vec![
            ("general.architecture", text("llama")),
            ("llama.context_length", size(self.context)),
            ("llama.embedding_length", size(HIDDEN)),
            ("llama.block_count", size(LAYERS)),
            ("llama.feed_forward_length", size(INTERMEDIATE)),
            ("llama.attention.head_count", size(HEADS)),
            ("llama.attention.head_count_kv", size(KV_HEADS)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("gpt-2")),
            ("tokenizer.ggml.tokens", Value::Array(tokens)),
            ("tokenizer.ggml.token_type", Value::Array(kinds)),
            ("tokenizer.ggml.merges", Value::Array(vec![])),
            ("tokenizer.ggml.eos_token_id", Value::U32(END)),
        ];
        metadata.extend(self.chat_template.map(|template| ("tokenizer.chat_template", text(template))));
        metadata.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
    }
}

fn shapes() -> Vec<(String, Vec<usize>)> {
    let key = KV_HEADS * HEAD_DIM;
    let mut shapes = vec![
        ("token_embd.weight".to_string(), vec![VOCABULARY, HIDDEN]),
        ("output_norm.weight".to_string(), vec![HIDDEN]),
        ("output.weight".to_string(), vec![VOCABULARY, HIDDEN]),
    ];
    for layer in 0..LAYERS {
        for (name, shape) in [
            ("attn_norm", vec![HIDDEN]),
            ("attn_q", vec![HIDDEN, HIDDEN]),
            ("attn_k", vec![key, HIDDEN]),
            ("attn_v", vec![key, HIDDEN]),
            ("attn_output", vec![HIDDEN, HIDDEN]),
            ("ffn_norm", vec![HIDDEN]),
            ("ffn_gate", vec![INTERMEDIATE, HIDDEN]),
            ("ffn_up", vec![INTERMEDIATE, HIDDEN]),
            ("ffn_down", vec![HIDDEN, INTERMEDIATE]),
        ] {
            shapes.push((format!("blk.{layer}.{name}.weight"), shape));
        }
    }
    shapes
}

/// Rows of printing tokens come in pairs, one the negative of the other; all others are zero.
fn output_matrix() -> Vec<f32> {
    let mut matrix = vec![0.0; VOCABULARY * HIDDEN];
    for (i, pair) in (b'!'..=b'~').collect::<Vec<u8>>().chunks_exact(2).enumerate() {
        for (j, value) in random(1000 + i as u64, HIDDEN).into_iter().enumerate() {
            matrix[usize::from(pair[0]) * HIDDEN + j] = value;
            matrix[usize::from(pair[1]) * HIDDEN + j] = -value;
        }
    }
    matrix
}

/// Numbers between -0.5 and 0.5.
fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

/// How byte-level vocabularies write a byte.
fn byte_character(byte: u8) -> char {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if prints(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&byte| !prints(byte)).count() as u32;
    char::from_u32(256 + before).unwrap()
}
