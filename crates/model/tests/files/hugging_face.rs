//! Hugging Face folders of every family, with configurations of the older style and of transformers
//! 5.

use crate::builders::{
    Folder, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, VOCABULARY, assert_mentions, ramp, refusal,
};
use minference_model::ModelConfig;
use minference_model::decoder::config::Activation;
use minference_model::decoder::rope::{PairLayout, RopeScaling};
use minference_model::decoder::weights::ModelWeights;
use serde_json::{Value, json};

fn load(folder: &Folder) -> (ModelConfig, ModelWeights) {
    folder.open().unwrap().files.load().unwrap()
}

fn fuse_mlp(folder: &mut Folder) {
    folder.remove("gate_proj");
    folder.remove("up_proj");
    folder.add_to_layers("mlp.gate_up_proj.weight", &[2 * INTERMEDIATE, HIDDEN]);
}

fn add_biases(folder: &mut Folder, output: Option<usize>) {
    folder.add_to_layers("self_attn.q_proj.bias", &[folder_rows(folder, "q_proj")]);
    folder.add_to_layers("self_attn.k_proj.bias", &[folder_rows(folder, "k_proj")]);
    folder.add_to_layers("self_attn.v_proj.bias", &[folder_rows(folder, "v_proj")]);
    if let Some(rows) = output {
        folder.add_to_layers("self_attn.o_proj.bias", &[rows]);
    }
}

fn folder_rows(folder: &Folder, projection: &str) -> usize {
    folder.tensors[&format!("model.layers.0.self_attn.{projection}.weight")][0]
}

#[test]
fn llama() {
    let mut folder = Folder::tiny("llama", 8);
    let (config, weights) = load(&folder);
    assert_eq!((config.family, config.kv_heads, config.head_dim), ("llama", KV_HEADS, 8));
    assert_eq!(config.ropes[0].layout, PairLayout::Halves);
    assert_eq!((weights.output.rows(), weights.output.columns()), (VOCABULARY, HIDDEN));
    assert_eq!(weights.final_norm, ramp(HIDDEN));

    folder.set("tie_word_embeddings", json!(true));
    folder.remove("lm_head");
    folder.set("attention_bias", json!(true));
    folder.set("mlp_bias", json!(true));
    assert_mentions(&refusal(folder.open()), &["layers.0.self_attn.q_proj.bias", "no such tensor"]);
    add_biases(&mut folder, Some(HIDDEN));
    folder.add_to_layers("mlp.gate_proj.bias", &[INTERMEDIATE]);
    folder.add_to_layers("mlp.up_proj.bias", &[INTERMEDIATE]);
    folder.add_to_layers("mlp.down_proj.bias", &[HIDDEN]);
    folder.add_to_layers("self_attn.rotary_emb.inv_freq", &[4]);
    let (_, weights) = load(&folder);
    assert!(weights.layers[1].down.bias.is_some() && weights.layers[1].output.bias.is_some());

    folder.set("attention_bias", json!(false));
    assert_mentions(&refusal(folder.open()), &["_proj.bias", "only tensors that llama models"]);
}

#[test]
fn mistral_has_a_window_unless_it_is_null() {
    let mut folder = Folder::tiny("mistral", 16);
    assert_eq!(load(&folder).0.layers[0].window, None);
    folder.set("sliding_window", json!(100));
    assert!(load(&folder).0.layers.iter().all(|layer| layer.window == Some(100)));
    folder.config.as_object_mut().unwrap().remove("sliding_window");
    assert_eq!(load(&folder).0.layers[0].window, Some(4096));
    folder.set("sliding_window", json!(0));
    assert_mentions(&refusal(folder.open()), &["config.json", "sliding_window", "from 1", "0"]);
}

#[test]
fn qwen2_has_windows_in_its_upper_layers() {
    let mut folder = Folder::tiny("qwen2", 8);
    add_biases(&mut folder, None);
    folder.set("sliding_window", json!(64));
    folder.set("use_sliding_window", json!(false));
    folder.set("max_window_layers", json!(1));
    assert!(load(&folder).0.layers.iter().all(|layer| layer.window.is_none()));
    folder.set("use_sliding_window", json!(true));
    let windows =
        |folder: &Folder| load(folder).0.layers.iter().map(|layer| layer.window).collect::<Vec<_>>();
    assert_eq!(windows(&folder), [None, Some(64)]);
    folder.set("layer_types", json!(["sliding_attention", "full_attention"]));
    assert_eq!(windows(&folder), [Some(64), None]);
    folder.set("layer_types", json!(["sliding_attention", "linear_attention"]));
    assert_mentions(&refusal(folder.open()), &["layer_types", "full_attention", "linear_attention"]);
    folder.set("layer_types", json!(["full_attention"]));
    assert_mentions(&refusal(folder.open()), &["layer_types", "each of 2 layers", "1"]);
}

/// Qwen2.5's files hold the context without YaRN, and users add the scaling as its authors say.
#[test]
fn the_context_is_what_yarn_makes_of_it() {
    let mut folder = Folder::tiny("qwen2", 8);
    add_biases(&mut folder, None);
    let mut context = |field: u64, factor: f64| {
        folder.set("max_position_embeddings", json!(field));
        let scaling = json!({ "type": "yarn", "factor": factor, "original_max_position_embeddings": 32_768 });
        folder.set("rope_scaling", scaling);
        load(&folder).0.context
    };
    assert_eq!(context(32_768, 4.0), 131_072);
    assert_eq!(context(131_072, 4.0), 131_072);
    assert_eq!(context(32_768, 1e30), 1 << 30);
}

#[test]
fn qwen3_has_norms_and_wide_heads() {
    let mut folder = Folder::tiny("qwen3", 16);
    folder.add_to_layers("self_attn.q_norm.weight", &[16]);
    folder.add_to_layers("self_attn.k_norm.weight", &[16]);
    let (config, weights) = load(&folder);
    assert_eq!(config.attention_scale, 0.25);
    assert_eq!(weights.layers[0].query_norm, Some(ramp(16)));
    assert_eq!(weights.layers[0].query.matrix.rows(), 64);
}

#[test]
fn phi3_is_cut_into_its_parts_and_has_longrope() {
    let mut folder = Folder::tiny("phi3", 8);
    fuse_mlp(&mut folder);
    for part in ["q_proj", "k_proj", "v_proj"] {
        folder.remove(part);
    }
    folder.add_to_layers("self_attn.qkv_proj.weight", &[32 + 16 + 16, HIDDEN]);
    folder.set("sliding_window", json!(48));
    folder.set("original_max_position_embeddings", json!(128));
    let scaling = json!({ "type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 2, 2] });
    folder.set("rope_scaling", scaling);
    let (config, weights) = load(&folder);
    assert_eq!(config.layers[1].window, Some(48));
    let RopeScaling::LongRope { original_context, long, .. } = &config.ropes[0].scaling else { panic!() };
    assert_eq!((*original_context, long.len()), (128, 4));
    let layer = &weights.layers[0];
    assert_eq!((layer.query.matrix.rows(), layer.key.matrix.rows(), layer.value.matrix.rows()), (32, 16, 16));
    assert_eq!(layer.gate.matrix.rows(), INTERMEDIATE);
    folder.set("rope_scaling", json!({ "type": "longrope", "short_factor": [1], "long_factor": [2] }));
    assert_mentions(&refusal(folder.open()), &["rope_scaling.short_factor", "4 numbers", "1"]);
}

#[test]
fn glm_and_glm4() {
    let mut folder = Folder::tiny("glm", 16);
    fuse_mlp(&mut folder);
    add_biases(&mut folder, None);
    let (config, weights) = load(&folder);
    assert_eq!((config.family, config.ropes[0].rotary_dim), ("glm4", 8));
    assert_eq!(config.ropes[0].layout, PairLayout::Neighbours);
    assert!(weights.layers[0].post_attention_norm.is_none());
    folder.set("model_type", json!("glm4"));
    assert_mentions(&refusal(folder.open()), &["post_self_attn_layernorm", "no such tensor"]);
    folder.add_to_layers("post_self_attn_layernorm.weight", &[HIDDEN]);
    folder.add_to_layers("post_mlp_layernorm.weight", &[HIDDEN]);
    folder.set(
        "rope_parameters",
        json!({ "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.25 }),
    );
    let (config, weights) = load(&folder);
    assert_eq!(config.ropes[0].rotary_dim, 4);
    assert!(weights.layers[0].post_attention_norm.is_some() && weights.layers[0].post_mlp_norm.is_some());
}

fn gemma3(rope: &Value) -> Folder {
    let mut folder = Folder::tiny("gemma3_text", 16);
    folder.set("tie_word_embeddings", json!(true));
    folder.remove("lm_head");
    folder.set("sliding_window", json!(96));
    folder.set("sliding_window_pattern", json!(2));
    folder.set("query_pre_attn_scalar", json!(64));
    for (field, value) in rope.as_object().unwrap() {
        folder.set(field, value.clone());
    }
    for name in ["q_norm", "k_norm"] {
        folder.add_to_layers(&format!("self_attn.{name}.weight"), &[16]);
    }
    for name in ["pre_feedforward_layernorm", "post_feedforward_layernorm"] {
        folder.add_to_layers(&format!("{name}.weight"), &[HIDDEN]);
    }
    folder
}

#[test]
fn gemma3_in_both_styles() {
    let old = gemma3(&json!({
        "rope_theta": 5e5, "rope_local_base_freq": 2e4, "rope_scaling": { "rope_type": "linear", "factor": 8 }
    }));
    let new = gemma3(&json!({ "rope_parameters": {
        "full_attention": { "rope_type": "linear", "factor": 8.0, "rope_theta": 5e5 },
        "sliding_attention": { "rope_type": "default", "rope_theta": 2e4 }
    } }));
    let (config, weights) = load(&old);
    assert_eq!(config, load(&new).0);
    let rope_of = |layer: usize| &config.ropes[config.layers[layer].rope];
    assert_eq!((rope_of(0).base, &rope_of(0).scaling), (2e4, &RopeScaling::Default));
    assert_eq!((rope_of(1).base, &rope_of(1).scaling), (5e5, &RopeScaling::Linear { factor: 8.0 }));
    assert_eq!((config.layers[0].window, config.layers[1].window), (Some(96), None));
    assert_eq!((config.attention_scale, config.activation), (0.125, Activation::GeluTanh));
    assert_eq!(config.embedding_scale, 32f32.sqrt());
    let plus_one: Vec<f32> = ramp(HIDDEN).iter().map(|w| w + 1.0).collect();
    assert_eq!(weights.layers[0].mlp_norm, plus_one);
    assert_eq!(weights.final_norm, plus_one);

    let mut broken = new;
    broken.config["rope_parameters"]["full_attention"]["factor"] = json!("eight");
    assert_mentions(&refusal(broken.open()), &["rope_parameters.full_attention.factor", "eight"]);
    let mut capped = old;
    capped.set("final_logit_softcapping", json!(30.0));
    assert_mentions(&refusal(capped.open()), &["final_logit_softcapping", "not supported", "30"]);
}

/// Of a model that sees pictures, the text part is used; its file may be of either layout.
#[test]
fn gemma3_within_a_model_that_sees_pictures() {
    let text = gemma3(&json!({}));
    let roots = [
        ("language_model.model.", "language_model.lm_head.weight"),
        ("model.language_model.", "lm_head.weight"),
    ];
    for (root, head) in roots {
        let mut folder = text.clone();
        folder.config = json!({ "model_type": "gemma3", "text_config": text.config, "vision_config": {} });
        folder.tensors = text
            .tensors
            .iter()
            .map(|(name, shape)| (name.replacen("model.", root, 1), shape.clone()))
            .collect();
        folder.add("vision_tower.embeddings.weight", &[3, 5]);
        folder.add("model.multi_modal_projector.weight", &[7]);
        folder.add(head, &[VOCABULARY, HIDDEN]);
        let (config, weights) = load(&folder);
        assert_eq!((config.layers.len(), weights.layers.len()), (LAYERS, LAYERS));
        folder.config["text_config"]["head_dim"] = json!(12);
        assert_mentions(&refusal(folder.open()), &["text_config.head_dim", "multiple of 8", "12"]);
    }
}
