//! A model for its tokenizer: every byte is a token, some words are, too. The weights are zeros.

use minference_model::Model;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

const MERGES: [&str; 14] =
    ["t h", "th e", "Ġ the", "i n", "e r", "Ġ a", "Ġ s", "o u", "Ġ i", "Ġi s", "r e", "e n", "Ġ g", "Ġ Ġ"];
const WIDTH: usize = 8;
const TEMPLATE: &str =
    "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}[assistant]";

/// The model, with a chat template.
pub(crate) fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    Model::load(folder.path()).unwrap()
}

fn write(folder: &Path) {
    let mut vocabulary: Map<String, Value> =
        (0..=255).map(|byte| (byte_character(byte).to_string(), json!(byte))).collect();
    for (i, merge) in MERGES.iter().enumerate() {
        vocabulary.insert(merge.replace(' ', ""), json!(256 + i));
    }
    let rows = vocabulary.len();
    let tokenizer = json!({
        "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": MERGES, "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "byte_fallback": false, "fuse_unk": false},
    });
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": WIDTH,
        "intermediate_size": WIDTH, "max_position_embeddings": 131_072, "num_attention_heads": 1, "num_hidden_layers": 1,
        "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "torch_dtype": "float32", "vocab_size": rows,
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::write(folder.join("tokenizer_config.json"), json!({"chat_template": TEMPLATE}).to_string()).unwrap();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("model.safetensors"), zeros(rows)).unwrap();
}

/// A file of tensors that are zero.
fn zeros(rows: usize) -> Vec<u8> {
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_string(), vec![rows, WIDTH]),
        ("model.norm.weight".into(), vec![WIDTH]),
        (layer("input_layernorm"), vec![WIDTH]),
        (layer("post_attention_layernorm"), vec![WIDTH]),
    ];
    for name in ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"]
    {
        shapes.push((layer(&format!("{name}_proj")), vec![WIDTH, WIDTH]));
    }
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in shapes {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}));
    }
    let mut header = Value::Object(header).to_string();
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; end]].concat()
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
