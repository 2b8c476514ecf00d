//! Which fields that describe RoPE count in a `config.json`, family by family: what transformers
//! makes of them (`golden/rope_fields.py`).

use crate::builders::Folder;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const GEMMA: &[&str] = &["gemma3_text"];
/// They rotate whole heads.
const WHOLE: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

/// What transformers reads, or passes over, and is refused here: it can't have been meant, or two
/// places disagree.
const REFUSED: [(&str, &[&str]); 24] = [
    ("base in both places", GEMMA),
    ("base in parameters, null", GEMMA),
    ("by layer", &["glm", "glm4", "llama", "mistral", "phi3"]),
    ("by layer, and another scaling", &["gemma3_text", "glm", "glm4", "llama", "mistral", "qwen2", "qwen3"]),
    ("by layer, and linear", &["glm", "glm4", "llama", "mistral", "qwen2", "qwen3"]),
    ("by layer, cut in whole", &["glm", "glm4", "llama", "mistral", "phi3"]),
    ("dynamic", GEMMA),
    ("dynamic with an original context", GEMMA),
    ("linear by its older name", GEMMA),
    ("linear in parameters", GEMMA),
    ("linear, and another base in parameters", &["glm", "glm4", "llama", "mistral", "qwen2", "qwen3"]),
    ("linear, and parameters without", &["glm", "glm4", "llama", "mistral", "qwen2", "qwen3"]),
    ("longrope by its older name", GEMMA),
    ("longrope called su", GEMMA),
    ("longrope called yarn", GEMMA),
    ("longrope, original context within", &["phi3"]),
    ("parameters without a type", GEMMA),
    ("proportional", &["gemma3_text", "glm", "glm4", "llama", "mistral", "qwen2", "qwen3"]),
    ("share in both places, in parameters", GEMMA),
    ("share in both places, with yarn", GEMMA),
    ("share in parameters", GEMMA),
    ("share that leaves half a pair", &["glm", "glm4", "phi3"]),
    ("share with longrope", GEMMA),
    ("share, null", &["glm", "glm4"]),
];

/// The frequencies and the factor of each kind of layer, or why there are none.
fn rotations(family: &str, fields: &Map<String, Value>) -> Result<Vec<(Vec<f32>, f32)>, String> {
    let mut folder = Folder::tiny(family, 16);
    folder.set("hidden_size", json!(64));
    if family == "gemma3_text" {
        folder.set("layer_types", json!(["full_attention", "sliding_attention"]));
        folder.set("sliding_window", json!(64));
    }
    for (name, value) in fields {
        folder.set(name, value.clone());
    }
    let opened = folder.open().map_err(|error| error.to_string())?;
    let config = opened.files.config();
    let kinds = if family == "gemma3_text" { 2 } else { 1 };
    let rotation = |layer: usize| config.ropes[config.layers[layer].rope].rotation(3).unwrap();
    Ok((0..kinds).map(rotation).map(|rotation| (rotation.frequencies, rotation.attention_factor)).collect())
}

fn recorded(rotations: &Value) -> Vec<(Vec<f32>, f32)> {
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let pair = |pair: &Value| (pair[0].as_array().unwrap().iter().map(number).collect(), number(&pair[1]));
    rotations.as_array().unwrap().iter().map(pair).collect()
}

fn assert_close(found: &[(Vec<f32>, f32)], expected: &[(Vec<f32>, f32)], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for ((found, factor), (expected, expected_factor)) in found.iter().zip(expected) {
        assert!((factor - expected_factor).abs() < 1e-6, "{what}: factor {factor}, {expected_factor}");
        let close = |(x, y): (&f32, &f32)| (x - y).abs() <= 2e-6 * y;
        let alike = found.len() == expected.len() && found.iter().zip(expected).all(close);
        assert!(alike, "{what}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn fields_of_rope_mean_what_transformers_makes_of_them() {
    let golden: Value = serde_json::from_str(include_str!("../../../../golden/rope_fields.json")).unwrap();
    let cases = golden.as_array().unwrap();
    assert_eq!(cases.len(), 54);
    let mut refused: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut read_here_only = Vec::new();
    for case in cases {
        let (name, fields) = (case["case"].as_str().unwrap(), case["fields"].as_object().unwrap());
        for (family, expected) in case["rotations"].as_object().unwrap() {
            let what = format!("{family}, {name}");
            match (rotations(family, fields), expected.is_null()) {
                (Ok(found), false) => assert_close(&found, &recorded(expected), &what),
                (Ok(_), true) => read_here_only.push(what),
                (Err(error), fails) => {
                    // the error names the field
                    let named = ["rope_", "rotary", "original_max"].iter().any(|part| error.contains(part));
                    assert!(named, "{what}: {error}");
                    if !fails {
                        refused.entry(name).or_default().push(family);
                    }
                }
            }
        }
    }
    refused.values_mut().for_each(|families| families.sort_unstable());
    assert_eq!(refused, REFUSED.map(|(name, families)| (name, families.to_vec())).into());
    // the first files of Phi-3, which transformers 5 lacks a field in
    assert_eq!(read_here_only, ["phi3, longrope called su"]);
}

/// A part that transformers would rotate of no family that rotates whole heads changes nothing, or
/// is refused by name.
#[test]
fn families_that_rotate_whole_heads_have_no_share() {
    let fields = |fields: Value| fields.as_object().unwrap().clone();
    for family in WHOLE {
        let plain = rotations(family, &Map::new()).unwrap();
        assert_eq!(plain[0].0.len(), 8);
        assert_eq!(rotations(family, &fields(json!({ "partial_rotary_factor": 0.5 }))).unwrap(), plain);
        let scaled =
            json!({ "partial_rotary_factor": 0.5, "rope_scaling": { "type": "linear", "factor": 2 } });
        let error = rotations(family, &fields(scaled)).unwrap_err();
        assert!(error.contains("partial_rotary_factor") && error.contains("whole heads"), "{error}");
    }
}
