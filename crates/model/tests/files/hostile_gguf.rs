//! GGUF files that are wrong: each is refused, with the place, what was expected and what was
//! found.

use crate::builders::{Gguf, HIDDEN, assert_mentions, open_bytes, refusal};
use candle_core::quantized::GgmlDType::{F16, F32, Q4_0, Q8_0, Q8_1};
use candle_core::quantized::gguf_file::Value;

fn tiny() -> Gguf {
    Gguf::tiny("llama", 8)
}

/// Where the entry of a tensor continues after its name: dimensions, sizes, format, offset.
fn after_name(bytes: &[u8], name: &str) -> usize {
    bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap() + name.len()
}

fn patched(name: &str, skip: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = tiny().bytes();
    let at = after_name(&bytes, name) + skip;
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// Within the entry of a matrix: number of dimensions, two sizes, format, offset.
const DIMENSIONS: usize = 0;
const FIRST_SIZE: usize = 4;
const FORMAT: usize = 20;
const OFFSET: usize = 24;

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let bytes = tiny().bytes();
    // the last tensor's data end before the padding
    for end in (0..bytes.len() - 64).step_by(if cfg!(debug_assertions) { 37 } else { 7 }) {
        let message = refusal(open_bytes(&bytes[..end]));
        assert_mentions(&message, &["model.gguf", "expected"]);
    }
    assert_mentions(&refusal(open_bytes(&[])), &["an empty file"]);
    assert_mentions(&refusal(open_bytes(b"GGUF")), &["version", "4 bytes", "0 before the end"]);
    assert_mentions(&refusal(open_bytes(b"PK\x03\x04 a zip")), &["first bytes", "GGUF", "config.json"]);
}

#[test]
fn versions_and_byte_orders_are_named() {
    let with_version = |version: u32| {
        let mut bytes = tiny().bytes();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        refusal(open_bytes(&bytes))
    };
    assert_mentions(&with_version(1), &["version", "2 or 3", "found 1"]);
    assert_mentions(&with_version(9), &["version", "2 or 3", "found 9"]);
    assert_mentions(&with_version(3u32.swap_bytes()), &["version", "big-endian"]);
}

#[test]
fn counts_that_the_file_cannot_hold() {
    for at in [8, 16] {
        for count in [u64::MAX, 1 << 40, 100_000] {
            let mut bytes = tiny().bytes();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            assert_mentions(&refusal(open_bytes(&bytes)), &["header", &count.to_string()]);
        }
    }
}

#[test]
fn arrays_and_texts_that_the_file_cannot_hold() {
    let key = "tokenizer.ggml.tokens";
    let with_length = |skip: usize, length: u64| {
        let mut bytes = tiny().bytes();
        let at = after_name(&bytes, key) + skip;
        bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        refusal(open_bytes(&bytes))
    };
    // after the key: its type, the type of elements, their number, the first one's length
    for length in [u64::MAX, 1 << 61, 1 << 30] {
        assert_mentions(&with_length(8, length), &[key, &length.to_string()]);
        assert_mentions(&with_length(16, length), &[key, &length.to_string(), "before the end"]);
    }
    let mut deep = Value::Array(vec![Value::U32(1)]);
    for _ in 0..50 {
        deep = Value::Array(vec![deep]);
    }
    let mut gguf = tiny();
    gguf.set("deep", deep);
    assert_mentions(&refusal(gguf.open()), &["deep", "at most 4 deep"]);
}

#[test]
fn types_of_values_are_checked() {
    let with = |kind: u32| {
        let mut bytes = tiny().bytes();
        let at = after_name(&bytes, "llama.block_count");
        bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        refusal(open_bytes(&bytes))
    };
    assert_mentions(&with(13), &["llama.block_count", "type of value", "13"]);
    assert_mentions(&with(7), &["llama.block_count", "truth value", "found 2"]);
}

#[test]
fn alignments_that_make_no_sense() {
    for alignment in [0u32, 3, 33] {
        let mut gguf = tiny();
        gguf.set("general.alignment", Value::U32(alignment));
        let parts = ["general.alignment", "a power of two", &alignment.to_string()];
        assert_mentions(&refusal(gguf.open()), &parts);
    }
    let mut gguf = tiny();
    gguf.set("general.alignment", Value::String("32".into()));
    assert_mentions(&refusal(gguf.open()), &["general.alignment", "a power of two", "\"32\""]);
    for value in [Value::String("\u{1b}[2J".repeat(9999)), Value::Array(vec![Value::U8(7); 9999])] {
        gguf.set("general.alignment", value);
        let message = refusal(gguf.open());
        assert!(message.len() < 400 && !message.contains('\u{1b}'), "{message}");
    }
}

/// Names are the file's: megabytes long, or made to move a terminal's cursor.
#[test]
fn names_are_shown_short_and_printable() {
    let name = format!("\u{1b}[2Jblk{}", "x".repeat(9999));
    let check = |gguf: &Gguf| {
        let message = refusal(gguf.open());
        assert!(message.contains("u{1b}[2Jblkxxx"), "{message}");
        assert!(message.len() < 800 && !message.contains('\u{1b}'), "{message}");
    };
    let mut unknown = tiny();
    unknown.add(&name, &[HIDDEN], F32);
    check(&unknown);
    unknown.add(&name, &[HIDDEN], F32);
    check(&unknown);
    let mut format = tiny();
    format.add(&name, &[HIDDEN], Q8_1);
    check(&format);
    let mut key = tiny();
    key.set(&format!("llama.{name}"), Value::U32(1));
    check(&key);
    key.metadata.push((format!("llama.{name}"), Value::U32(1)));
    check(&key);
}

#[test]
fn offsets_outside_unaligned_or_in_other_tensors() {
    let name = "blk.1.attn_k.weight";
    let with = |offset: u64| refusal(open_bytes(&patched(name, OFFSET, &offset.to_le_bytes())));
    for offset in [u64::MAX - 31, 1 << 62, 1 << 20] {
        assert_mentions(&with(offset), &[name, "within the file", &offset.to_string()]);
    }
    assert_mentions(&with(33), &[name, "multiple of 32", "33"]);
    assert_mentions(&with(0), &["tensor", "after those of", "data at"]);
}

#[test]
fn sizes_that_overflow_or_are_no_blocks() {
    let name = "blk.0.ffn_up.weight";
    let sizes = |columns: u64, rows: u64| {
        let bytes: Vec<u8> = [columns, rows].iter().flat_map(|size| size.to_le_bytes()).collect();
        refusal(open_bytes(&patched(name, FIRST_SIZE, &bytes)))
    };
    assert_mentions(&sizes(1 << 63, 1 << 63), &[name, "blocks of 32"]);
    assert_mentions(&sizes(1 << 32, 1 << 32), &[name]);
    assert_mentions(&sizes(0, 64), &[name, "above 0", "0"]);
    assert_mentions(&sizes(33, 64), &[name, "blocks of 32 elements (Q4_0)", "[64, 33]"]);
    assert_mentions(&sizes(32, 1 << 30), &[name, "within the file"]);
    assert_mentions(&sizes(64, 32), &[name, "shape [64, 32]", "[32, 64]"]);
    let dimensions = |count: u32| refusal(open_bytes(&patched(name, DIMENSIONS, &count.to_le_bytes())));
    assert_mentions(&dimensions(0), &[name, "1 to 4 dimensions", "0"]);
    assert_mentions(&dimensions(u32::MAX), &[name, "1 to 4 dimensions"]);
}

#[test]
fn unknown_quantisations_are_named() {
    let name = "blk.0.ffn_up.weight";
    for (kind, shown) in [
        (16u32, "IQ2_XXS"),
        (22, "IQ2_S"),
        (34, "TQ1_0"),
        (42, "Q2_0"),
        (15, "Q8_K"),
        (35, "TQ2_0"),
        (39, "MXFP4"),
        (26, "I32"),
        (99, "type 99"),
    ] {
        let message = refusal(open_bytes(&patched(name, FORMAT, &kind.to_le_bytes())));
        assert_mentions(&message, &[name, "Q4_K", shown]);
    }
    let mut gguf = tiny();
    gguf.remove("ffn_up");
    gguf.add_to_layers("ffn_up.weight", &[64, HIDDEN], Q8_1);
    assert_mentions(&refusal(gguf.open()), &["blk.0.ffn_up.weight", "Q8_1"]);
}

#[test]
fn tensors_missing_twice_or_too_many() {
    let mut gguf = tiny();
    gguf.remove("blk.1.ffn_down");
    assert_mentions(&refusal(gguf.open()), &["blk.1.ffn_down.weight", "[32, 64]", "no such tensor"]);
    let mut gguf = tiny();
    gguf.add("blk.1.attn_q.weight", &[32, HIDDEN], Q4_0);
    assert_mentions(&refusal(gguf.open()), &["blk.1.attn_q.weight", "each tensor once", "model.gguf"]);
    for unknown in ["blk.0.ffn_gate_inp.weight", "blk.0.attn_qkv.bias", "blk.2.attn_norm.weight"] {
        let mut gguf = tiny();
        gguf.add(unknown, &[HIDDEN], F32);
        assert_mentions(&refusal(gguf.open()), &[unknown, "only tensors that llama models"]);
    }
    let mut gguf = tiny();
    gguf.metadata.push(("llama.block_count".into(), Value::U32(1)));
    assert_mentions(&refusal(gguf.open()), &["llama.block_count", "each key once"]);
    let mut gguf = tiny();
    gguf.metadata.clear();
    assert_mentions(&refusal(gguf.open()), &["general.architecture", "qwen2", "none"]);
}

#[test]
fn vectors_are_neither_quantised_nor_infinite() {
    let mut gguf = tiny();
    gguf.remove("output_norm");
    gguf.add("output_norm.weight", &[HIDDEN], Q8_0);
    assert_mentions(&refusal(gguf.open()), &["output_norm.weight", "F32, F16 or BF16", "Q8_0"]);
    gguf.remove("output_norm");
    gguf.add("output_norm.weight", &[HIDDEN], F16);
    assert!(gguf.open().unwrap().files.load().is_ok());
    let mut gguf = tiny();
    gguf.remove("output_norm");
    gguf.add("output_norm.weight", &[HIDDEN], F32);
    let mut bytes = gguf.bytes();
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_mentions(&refusal(open_bytes(&bytes)), &["output_norm.weight", "finite", "NaN"]);
}

#[test]
fn fields_that_are_wrong() {
    let text = |text: &str| Value::String(text.into());
    let cases: Vec<(&str, Value, Vec<&str>)> = vec![
        ("general.architecture", text("mamba"), vec!["general.architecture", "gemma3", "mamba"]),
        ("general.type", text("adapter"), vec!["general.type", "adapter"]),
        ("split.count", Value::U16(3), vec!["split.no", "below split.count, 3", "nothing"]),
        ("llama.block_count", text("two"), vec!["llama.block_count", "a whole number", "two"]),
        ("llama.block_count", Value::U32(0), vec!["llama.block_count", "from 1", "0"]),
        ("llama.block_count", Value::U64(u64::MAX), vec!["llama.block_count", "from 1 to 4096"]),
        ("llama.block_count", Value::U32(3), vec!["blk.2.attn_q.weight", "no such tensor"]),
        ("llama.embedding_length", Value::I32(-32), vec!["embedding_length", "whole number", "-32"]),
        ("llama.embedding_length", Value::U32(64), vec!["token_embd.weight", "[40, 64]", "[40, 32]"]),
        ("llama.attention.head_count_kv", Value::U32(3), vec!["head_count_kv", "a divisor of", "4", "3"]),
        (
            "llama.attention.head_count_kv",
            Value::Array(vec![Value::U32(2)]),
            vec!["head_count_kv", "whole number", "an array of 1 values"],
        ),
        ("llama.attention.key_length", Value::U32(12), vec!["key_length", "multiple of 8", "12"]),
        ("llama.attention.value_length", Value::U32(16), vec!["value_length", "key_length, 8", "16"]),
        (
            "llama.attention.layer_norm_rms_epsilon",
            Value::F32(f32::NAN),
            vec!["rms_epsilon", "between 0 and 1", "NaN"],
        ),
        ("llama.context_length", Value::U32(1), vec!["context_length", "from 2", "1"]),
        ("llama.expert_count", Value::U32(8), vec!["llama.expert_count", "not supported", "8"]),
        ("llama.attention.causal", Value::Bool(false), vec!["llama.attention.causal", "false"]),
        ("llama.logit_scale", Value::F32(0.5), vec!["llama.logit_scale", "not supported"]),
        ("tokenizer.ggml.tokens", Value::Array(vec![]), vec!["tokenizer.ggml.tokens", "token ids", "0"]),
    ];
    for (key, value, parts) in cases {
        let mut gguf = tiny();
        gguf.set(key, value);
        let message = refusal(gguf.open());
        assert_mentions(&message, &parts);
        assert_mentions(&message, &["model.gguf"]);
    }
}
