//! GGUF files of every architecture.

use crate::builders::{Gguf, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, VOCABULARY, assert_mentions, refusal};
use candle_core::quantized::GgmlDType::{F32, Q4_0};
use candle_core::quantized::gguf_file::{Content, Value};
use minference_model::decoder::config::Activation;
use minference_model::decoder::rope::{PairLayout, RopeScaling};
use minference_model::device::weight_format::WeightFormat;
use minference_model::files::Container;
use std::io::Cursor;

#[test]
fn llama_is_read_with_neighbouring_pairs_and_tied_embeddings() {
    let opened = Gguf::tiny("llama", 8).open().unwrap();
    let (config, weights) = opened.files.load().unwrap();
    assert_eq!((config.family, config.hidden, config.intermediate), ("llama", HIDDEN, INTERMEDIATE));
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (HEADS, KV_HEADS, 8));
    assert_eq!((config.vocabulary, config.context, config.layers.len()), (VOCABULARY, 512, 2));
    assert_eq!((config.norm_epsilon, config.activation), (1e-5, Activation::Silu));
    assert_eq!(config.attention_scale, 1.0 / 8f32.sqrt());
    assert_eq!(config.ropes.len(), 1);
    assert_eq!((config.ropes[0].layout, config.ropes[0].base), (PairLayout::Neighbours, 1e4));
    assert_eq!(weights.embedding.format(), WeightFormat::Q8_0);
    assert_eq!((weights.output.rows(), weights.output.format()), (VOCABULARY, WeightFormat::Q8_0));
    let layer = &weights.layers[1];
    assert_eq!((layer.query.matrix.rows(), layer.key.matrix.rows()), (32, 16));
    assert_eq!(layer.down.matrix.columns(), INTERMEDIATE);
    assert_eq!(layer.attention_norm, crate::builders::ramp(HIDDEN));
    assert!(layer.query.bias.is_none() && layer.query_norm.is_none() && layer.post_mlp_norm.is_none());
}

#[test]
fn an_output_matrix_of_its_own_and_biases_are_found() {
    let mut gguf = Gguf::tiny("llama", 8);
    gguf.add("output.weight", &[VOCABULARY, HIDDEN], Q4_0);
    gguf.add_to_layers("attn_q.bias", &[32], F32);
    let (_, weights) = gguf.open().unwrap().files.load().unwrap();
    assert_eq!(weights.output.format(), WeightFormat::Q4_0);
    assert!(weights.layers[0].query.bias.is_some() && weights.layers[0].key.bias.is_none());
}

#[test]
fn the_header_is_what_candle_reads() {
    let gguf = Gguf::tiny("llama", 8);
    let opened = gguf.open().unwrap();
    let Container::Gguf { metadata } = opened.files.container() else { panic!("a folder") };
    let content = Content::read(&mut Cursor::new(gguf.bytes())).unwrap();
    assert_eq!(metadata.len(), content.metadata.len());
    for (key, value) in &content.metadata {
        assert_eq!(format!("{value:?}"), format!("{:?}", metadata[key]), "{key}");
    }
    let bytes: usize = content
        .tensor_infos
        .values()
        .map(|info| info.shape.elem_count() / info.ggml_dtype.block_size() * info.ggml_dtype.type_size())
        .sum();
    assert_eq!(opened.files.weight_bytes(), bytes as u64);
}

#[test]
fn llama_3_has_divisors_and_mistral_a_window() {
    let mut gguf = Gguf::tiny("llama", 8);
    gguf.add("rope_freqs.weight", &[4], F32);
    let divided = gguf.open().unwrap();
    assert!(divided.files.load().is_ok());
    let rotation = divided.files.config().ropes[0].rotation(1000).unwrap();
    let plain = Gguf::tiny("llama", 8).open().unwrap().files.config().ropes[0].rotation(1000).unwrap();
    for (i, (divided, plain)) in rotation.frequencies.iter().zip(plain.frequencies).enumerate() {
        assert!((divided * (1.0 + i as f32) - plain).abs() < 1e-6 * plain);
    }
    gguf.remove("rope_freqs");
    gguf.add("rope_freqs.weight", &[3], F32);
    assert_mentions(&refusal(gguf.open()), &["rope_freqs.weight", "shape [4]", "[3]"]);
    gguf.remove("rope_freqs");
    gguf.set("llama.attention.sliding_window", Value::U32(64));
    gguf.set("llama.rope.freq_base", Value::F32(5e5));
    let opened = gguf.open().unwrap();
    let config = opened.files.config();
    assert!(config.layers.iter().all(|layer| layer.window == Some(64)));
    assert_eq!(config.ropes[0].base, 5e5);
    gguf.set("llama.rope.dimension_count", Value::U32(4));
    assert_mentions(&refusal(gguf.open()), &["llama.rope.dimension_count", "8", "whole heads", "found 4"]);
}

#[test]
fn scalings_are_read() {
    let scaled = |fields: &[(&str, Value)]| {
        let mut gguf = Gguf::tiny("qwen2", 8);
        gguf.add_to_layers("attn_q.bias", &[32], F32);
        gguf.add_to_layers("attn_k.bias", &[16], F32);
        gguf.add_to_layers("attn_v.bias", &[16], F32);
        for (name, value) in fields {
            gguf.set(&format!("qwen2.rope.{name}"), value.clone());
        }
        gguf.open().map(|opened| opened.files.config().ropes[0].clone())
    };
    let text = |text: &str| Value::String(text.into());
    assert_eq!(scaled(&[]).unwrap().scaling, RopeScaling::Default);
    assert_eq!(scaled(&[]).unwrap().layout, PairLayout::Halves);
    let linear = scaled(&[("scaling.type", text("linear")), ("scaling.factor", Value::F32(4.0))]).unwrap();
    assert_eq!(linear.scaling, RopeScaling::Linear { factor: 4.0 });
    let yarn = scaled(&[
        ("scaling.type", text("yarn")),
        ("scaling.factor", Value::F32(4.0)),
        ("scaling.original_context_length", Value::U32(128)),
    ]);
    let expected = RopeScaling::Yarn {
        factor: 4.0,
        original_context: 128,
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention_factor: 0.1 * 4f64.ln() + 1.0,
        truncate: true,
    };
    assert_eq!(yarn.unwrap().scaling, expected);
    // 4 x 512 tokens, in a file whose context is the one without YaRN
    let mut gguf = Gguf::tiny("llama", 8);
    gguf.set("llama.rope.scaling.type", text("yarn"));
    gguf.set("llama.rope.scaling.factor", Value::F32(4.0));
    assert_eq!(gguf.open().unwrap().files.config().context, 2048);
    gguf.set("llama.rope.scaling.original_context_length", Value::U32(64));
    assert_eq!(gguf.open().unwrap().files.config().context, 512);
    assert_eq!(scaled(&[("dimension_count", Value::U32(4))]).unwrap().rotary_dim, 4);
    for (fields, parts) in [
        (vec![("scaling.type", text("spiral"))], ["qwen2.rope.scaling.type", "linear", "spiral"]),
        (vec![("scaling.type", text("longrope"))], ["qwen2.rope.scaling.type", "rope_factors", "longrope"]),
        (vec![("scaling.factor", Value::F32(-2.0))], ["qwen2.rope.scaling.factor", "above 0", "-2"]),
        (vec![("freq_base", text("big"))], ["qwen2.rope.freq_base", "a number", "big"]),
        (vec![("freq_base", Value::F32(f32::NAN))], ["qwen2.rope.freq_base", "above 0", "NaN"]),
        (vec![("freq_base", Value::F32(0.5))], ["qwen2.rope.freq_base", "above 1", "0.5"]),
        (vec![("dimension_count", Value::U32(12))], ["qwen2.rope.dimension_count", "4 to 8", "12"]),
        (vec![("dimension_sections", Value::U32(1))], ["dimension_sections", "not supported", "it"]),
        (vec![("scaling.attn_factor", Value::F32(2.0))], ["attn_factor", "longrope", "2"]),
    ] {
        assert_mentions(&scaled(&fields).unwrap_err().to_string(), &parts);
    }
}

#[test]
fn qwen_needs_its_biases_and_norms() {
    assert_mentions(&refusal(Gguf::tiny("qwen2", 8).open()), &["blk.0.attn_q.bias", "no such tensor"]);
    let mut qwen3 = Gguf::tiny("qwen3", 16);
    assert_mentions(&refusal(qwen3.open()), &["blk.0.attn_q_norm.weight", "[16]", "no such tensor"]);
    qwen3.add_to_layers("attn_q_norm.weight", &[16], F32);
    qwen3.add_to_layers("attn_k_norm.weight", &[16], F32);
    let (config, weights) = qwen3.open().unwrap().files.load().unwrap();
    assert_eq!(config.head_dim, 16);
    assert!(weights.layers[1].key_norm.is_some());
    qwen3.set("qwen3.attention.sliding_window", Value::U32(100));
    assert_mentions(&refusal(qwen3.open()), &["qwen3.attention.sliding_window", "which layers", "100"]);
}

#[test]
fn phi3_is_cut_into_its_parts() {
    let mut gguf = Gguf::tiny("phi3", 8);
    gguf.remove("attn_q.");
    gguf.remove("attn_k.");
    gguf.remove("attn_v.");
    gguf.remove("ffn_gate");
    gguf.remove("ffn_up");
    gguf.add_to_layers("attn_qkv.weight", &[32 + 16 + 16, HIDDEN], Q4_0);
    gguf.add_to_layers("ffn_up.weight", &[2 * INTERMEDIATE, HIDDEN], Q4_0);
    gguf.set("phi3.attention.sliding_window", Value::U32(0));
    let (config, weights) = gguf.open().unwrap().files.load().unwrap();
    assert_eq!(config.layers[0].window, None);
    let layer = &weights.layers[0];
    assert_eq!((layer.query.matrix.rows(), layer.value.matrix.rows()), (32, 16));
    assert_eq!((layer.gate.matrix.rows(), layer.up.matrix.rows()), (INTERMEDIATE, INTERMEDIATE));

    gguf.set("phi3.rope.scaling.original_context_length", Value::U32(128));
    gguf.add("rope_factors_long.weight", &[4], F32);
    assert_mentions(&refusal(gguf.open()), &["phi3.rope.scaling.type", "both rope_factors tensors"]);
    gguf.add("rope_factors_short.weight", &[4], F32);
    let scaling = |gguf: &Gguf| gguf.open().unwrap().files.config().ropes[0].scaling.clone();
    let expected = |attention_factor| RopeScaling::LongRope {
        short: vec![1.0, 2.0, 3.0, 4.0],
        long: vec![1.0, 2.0, 3.0, 4.0],
        original_context: 128,
        attention_factor,
    };
    assert_eq!(scaling(&gguf), expected((1.0 + 4f64.ln() / 128f64.ln()).sqrt()));
    gguf.set("phi3.rope.scaling.attn_factor", Value::F32(1.25));
    assert_eq!(scaling(&gguf), expected(1.25));
    assert!(gguf.open().unwrap().files.load().is_ok());
}

#[test]
fn glm4_has_norms_after_and_rotates_a_part() {
    let mut gguf = Gguf::tiny("glm4", 8);
    gguf.remove("ffn_gate");
    gguf.remove("ffn_up");
    gguf.add_to_layers("ffn_up.weight", &[2 * INTERMEDIATE, HIDDEN], Q4_0);
    gguf.add_to_layers("post_attention_norm.weight", &[HIDDEN], F32);
    gguf.add_to_layers("post_ffw_norm.weight", &[HIDDEN], F32);
    gguf.set("glm4.rope.dimension_count", Value::U32(4));
    let (config, weights) = gguf.open().unwrap().files.load().unwrap();
    assert_eq!((config.ropes[0].rotary_dim, config.ropes[0].layout), (4, PairLayout::Neighbours));
    assert!(weights.layers[0].post_mlp_norm.is_some());
}

#[test]
fn gemma3_has_windows_two_ropes_and_a_scale() {
    let mut gguf = Gguf::tiny("gemma3", 16);
    gguf.add_to_layers("attn_q_norm.weight", &[16], F32);
    gguf.add_to_layers("attn_k_norm.weight", &[16], F32);
    gguf.add_to_layers("post_attention_norm.weight", &[HIDDEN], F32);
    gguf.add_to_layers("post_ffw_norm.weight", &[HIDDEN], F32);
    gguf.set("gemma3.rope.freq_base", Value::F32(1e6));
    assert_mentions(&refusal(gguf.open()), &["gemma3.attention.sliding_window", "nothing"]);
    gguf.set("gemma3.attention.sliding_window", Value::U32(128));
    gguf.set("gemma3.attention.sliding_window_pattern", Value::U32(2));
    gguf.set("gemma3.rope.scaling.type", Value::String("linear".into()));
    gguf.set("gemma3.rope.scaling.factor", Value::F32(8.0));
    let (config, weights) = gguf.open().unwrap().files.load().unwrap();
    assert_eq!((config.layers[0].window, config.layers[1].window), (Some(128), None));
    let rope_of = |layer: usize| &config.ropes[config.layers[layer].rope];
    assert_eq!((rope_of(0).base, &rope_of(0).scaling), (1e4, &RopeScaling::Default));
    assert_eq!((rope_of(1).base, &rope_of(1).scaling), (1e6, &RopeScaling::Linear { factor: 8.0 }));
    assert_eq!((config.embedding_scale, config.activation), (32f32.sqrt(), Activation::GeluTanh));
    // as the file has it: 1 was added when it was made
    assert_eq!(weights.layers[0].attention_norm, crate::builders::ramp(HIDDEN));
}

/// Each of them would change what a model of another family computes, and nothing reads it here.
#[test]
fn fields_that_a_family_does_not_read_are_refused() {
    for (field, value) in [
        ("attention.scale", Value::F32(0.5)),
        ("attention.sliding_window_pattern", Value::U32(6)),
        ("rope.freq_base_swa", Value::F32(1e4)),
        ("rope.scaling.yarn_beta_fast", Value::F32(8.0)),
        ("tensor_data_layout", Value::String("reference".into())),
        ("use_parallel_residual", Value::Bool(true)),
    ] {
        let mut gguf = Gguf::tiny("llama", 8);
        gguf.set(&format!("llama.{field}"), value);
        assert_mentions(&refusal(gguf.open()), &["model.gguf", &format!("llama.{field}")]);
    }
    let mut gguf = Gguf::tiny("glm4", 8);
    gguf.set("glm4.attention.sliding_window", Value::U32(64));
    assert_mentions(&refusal(gguf.open()), &["glm4.attention.sliding_window", "not supported"]);
    let mut gguf = Gguf::tiny("llama", 8);
    for (field, value) in [
        ("vocab_size", Value::U32(40)),
        ("rope.scaling.finetuned", Value::Bool(true)),
        ("rope.scaling.original_context_length", Value::U32(512)),
        ("use_parallel_residual", Value::Bool(false)),
        ("tensor_data_layout", Value::String("Meta AI original pth".into())),
        ("expert_count", Value::U32(0)),
    ] {
        gguf.set(&format!("llama.{field}"), value);
    }
    gguf.open().unwrap();
}

#[test]
fn fingerprints_tell_files_apart() {
    let gguf = Gguf::tiny("llama", 8);
    let of = |gguf: &Gguf| gguf.open().unwrap().files.fingerprint();
    let first = of(&gguf);
    assert_eq!(first, of(&gguf));
    // stable between versions: saved files depend on it
    assert_eq!(first.to_string(), "574ecf0436dc5d9b");
    let mut other = gguf.clone();
    other.add("output.weight", &[VOCABULARY, HIDDEN], Q4_0);
    assert_ne!(first, of(&other));
    let mut windowed = gguf.clone();
    windowed.set("llama.attention.sliding_window", Value::U32(64));
    assert_ne!(first, of(&windowed));
    // what no tensor shows
    for (name, value) in [
        ("rope.freq_base", Value::F32(5e5)),
        ("rope.scaling.factor", Value::F32(2.0)),
        ("context_length", Value::U32(1024)),
        ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
    ] {
        let mut changed = gguf.clone();
        changed.set(&format!("llama.{name}"), value);
        assert_ne!(first, of(&changed), "{name}");
    }
    let mut bytes = gguf.bytes();
    *bytes.last_mut().unwrap() ^= 1;
    assert_ne!(first, crate::builders::open_bytes(&bytes).unwrap().files.fingerprint());
}
