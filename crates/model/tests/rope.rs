//! RoPE against what transformers computes (`golden/rope_frequencies.py`), and files that are
//! wrong.

use minference_model::decoder::rope::{PairLayout, RopeConfig};
use serde_json::{Value, json};

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= tolerance * y.abs().max(1e-6), "{what}, element {i}: {x}, expected {y}");
    }
}

/// Frequencies agree to a few roundings of f32 (transformers takes powers in f32). Rows are rotated
/// by angles of up to 1.3e5 radians, of which f32 keeps 2^-7; a frequency's last bit moves the
/// angle by as much, so that far positions are compared loosely.
#[test]
fn every_scaling_agrees_with_transformers() {
    let golden: Value = serde_json::from_str(include_str!("../../../golden/rope_frequencies.json")).unwrap();
    let cases = golden.as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let (config, head_dim) = (&case["config"], case["head_dim"].as_u64().unwrap() as usize);
        let tokens = case["tokens"].as_u64().unwrap() as usize;
        for (layout, name) in [(PairLayout::Halves, "halves"), (PairLayout::Neighbours, "neighbours")] {
            let rope = RopeConfig::from_hugging_face(config, head_dim, layout).unwrap();
            let rotation = rope.rotation(tokens).unwrap();
            let what = config.to_string();
            assert_close(&rotation.frequencies, &numbers(&case["frequencies"]), 2e-6, &what);
            let factor = case["attention_factor"].as_f64().unwrap() as f32;
            assert_close(&[rotation.attention_factor], &[factor], 1e-6, &what);
            let row: Vec<f32> = (0..head_dim).map(|i| (i as f32 * 0.7).sin()).collect();
            for position in [0, 1, 1000, tokens - 1] {
                let mut rotated = row.clone();
                rotation.apply(&mut rotated, position);
                let expected = numbers(&case["rotated"][format!("{name} {position}")]);
                let tolerance = 4e-6 + 4e-7 * position as f32;
                for (i, (x, y)) in rotated.iter().zip(&expected).enumerate() {
                    assert!((x - y).abs() < tolerance, "{what}, {name} {position}, element {i}: {x}, {y}");
                }
            }
        }
    }
}

/// `rope_parameters`, as newer files have it, means the same as `rope_theta` and `rope_scaling`.
#[test]
fn both_spellings_mean_the_same() {
    let old = json!({ "max_position_embeddings": 4096, "rope_theta": 5e5, "rope_scaling": { "type": "linear", "factor": 2 } });
    let parameters = json!({ "rope_type": "linear", "factor": 2, "rope_theta": 5e5 });
    let new = json!({ "max_position_embeddings": 4096, "rope_parameters": parameters });
    let read = |config| RopeConfig::from_hugging_face(config, 64, PairLayout::Halves).unwrap();
    assert_eq!(read(&old), read(&new));
    assert_eq!(read(&old).base, 5e5);
}

/// Only the first elements are rotated where the model says so (GLM, Phi).
#[test]
fn a_part_of_the_row_is_rotated() {
    let config = json!({ "max_position_embeddings": 4096, "partial_rotary_factor": 0.5 });
    let rope = RopeConfig::from_hugging_face(&config, 16, PairLayout::Neighbours).unwrap();
    assert_eq!(rope.rotary_dim, 8);
    let mut row = vec![1.0; 16];
    rope.rotation(10).unwrap().apply(&mut row, 3);
    assert_ne!(row[..8], [1.0; 8]);
    assert_eq!(row[8..], [1.0; 8]);
}

#[test]
fn wrong_files_are_refused_by_name() {
    let with = |scaling: Value| json!({ "max_position_embeddings": 4096, "rope_scaling": scaling });
    let cases = [
        (json!({}), vec!["max_position_embeddings", "null"]),
        (
            json!({ "max_position_embeddings": 4096, "rope_theta": "many" }),
            vec!["rope_theta", "a number", "many"],
        ),
        (with(json!({ "rope_type": "spiral" })), vec!["rope_scaling.rope_type", "llama3", "spiral"]),
        (with(json!("linear")), vec!["rope_scaling", "an object"]),
        (with(json!({ "rope_type": "linear" })), vec!["rope_scaling.factor", "null"]),
        (with(json!({ "rope_type": "linear", "factor": 0 })), vec!["rope_scaling.factor", "above 0"]),
        (
            with(json!({ "rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 1 })),
            vec!["original_max_position_embeddings", "at least 2"],
        ),
        (
            with(json!({ "rope_type": "yarn", "factor": 2, "truncate": "no" })),
            vec!["rope_scaling.truncate", "true or false", "no"],
        ),
        (
            with(json!({ "rope_type": null, "type": "linear", "factor": 2 })),
            vec!["rope_scaling.rope_type", "a name"],
        ),
        (json!({ "max_position_embeddings": 4096, "rope_theta": null }), vec!["rope_theta", "null"]),
        (
            with(
                json!({ "rope_type": "longrope", "original_max_position_embeddings": 64, "short_factor": [1, "x"] }),
            ),
            vec!["short_factor", "a list of numbers"],
        ),
        (
            with(
                json!({ "rope_type": "longrope", "original_max_position_embeddings": 64, "short_factor": [1], "long_factor": [1] }),
            ),
            vec!["short_factor", "8 numbers", "found 1"],
        ),
        (
            json!({ "max_position_embeddings": 4096, "partial_rotary_factor": 1.5 }),
            vec!["partial_rotary_factor", "1.5"],
        ),
        (
            json!({ "max_position_embeddings": 4096, "partial_rotary_factor": 0.1 }),
            vec!["rotary_dim", "found 1"],
        ),
        (json!({ "max_position_embeddings": 4096, "rope_theta": -3 }), vec!["rope_theta", "-3"]),
    ];
    for (config, parts) in cases {
        let error = RopeConfig::from_hugging_face(&config, 16, PairLayout::Halves)
            .and_then(|rope| rope.rotation(10))
            .unwrap_err()
            .to_string();
        for part in parts {
            assert!(error.contains(part), "{config}: {error}");
        }
    }
}
