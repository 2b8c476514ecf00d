//! What is kept, against a recorded run of the published code (`golden/snapkv`).

use super::*;
use minference_attention::{Arithmetic, CpuBackend, TensorView};
use serde_json::Value;
use std::collections::BTreeSet;

fn recording() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/snapkv/kept.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn keys(value: &Value) -> BTreeSet<u32> {
    array(value).iter().map(|key| number(key) as u32).collect()
}

fn compression(case: &Value) -> KvCompression {
    let of = |field: &str| number(&case[field]);
    if case["method"] == "streamingllm" {
        return KvCompression::StreamingLlm(StreamingLlm::new(of("sink"), of("recent")).unwrap());
    }
    let pooling = if case["pooling"] == "maximum" { Pooling::Maximum } else { Pooling::Average };
    let snap = SnapKv::new(of("capacity"), of("window"), of("kernel"), pooling).unwrap();
    match case["method"].as_str() {
        Some("snapkv") => KvCompression::SnapKv(snap),
        Some("pyramidkv") => KvCompression::PyramidKv(PyramidKv::new(snap)),
        other => panic!("unknown method {other:?}"),
    }
}

/// One layer of a recorded tensor, `[tokens, heads, head_dim]`; it is recorded as
/// `[heads][tokens][head_dim]`.
fn layer(tensor: &Value, scale: f32) -> (Vec<f32>, [usize; 3]) {
    let heads = array(tensor);
    let (tokens, dim) = (array(&heads[0]).len(), array(&heads[0][0]).len());
    let of = |token: usize, head: &Value| -> Vec<f32> {
        array(&head[token]).iter().map(|x| x.as_f64().unwrap() as f32 / scale).collect()
    };
    let rows = (0..tokens).flat_map(|token| heads.iter().flat_map(move |head| of(token, head)));
    (rows.collect(), [tokens, heads.len(), dim])
}

#[test]
fn the_published_code_keeps_the_same_keys() {
    let recording = recording();
    let backend = CpuBackend::builder().threads(1).arithmetic(Arithmetic::F32).build().unwrap();
    let tensors = &recording["tensors"];
    let scale = tensors["scale"].as_f64().unwrap() as f32;
    let layers = number(&tensors["layers"]);
    let mut compared = 0;
    for case in array(&recording["cases"]) {
        let compression = compression(case);
        for number in 0..layers {
            let (k, shape) = layer(&tensors["keys"][number], scale);
            let k = TensorView::new(&k, shape).unwrap();
            let (q, shape) = layer(&tensors["queries"][number], scale);
            let q = TensorView::new(&q, shape).unwrap();
            let inputs = AttentionInputs::new(q, k, k).unwrap();
            let state = LayerState { layer: number, layers, window: None, dropped: 0 };
            let found = match compression.keep(&backend, &inputs, state).unwrap() {
                KeptKeys::Chosen(kept) => kept,
                KeptKeys::All => vec![(0..k.tokens() as u32).collect(); k.heads()],
            };
            for (head, found) in found.into_iter().enumerate() {
                let expected = keys(&case["kept"][number][head]);
                // maximum pooling makes ties, and any of those that tie may stay
                let tied = case.get("tied").map_or(BTreeSet::new(), |tied| keys(&tied[number][head]));
                assert_eq!(found.len(), expected.len(), "{case:.200}");
                let clear = |kept: &BTreeSet<u32>| kept.difference(&tied).copied().collect::<Vec<_>>();
                let found: BTreeSet<u32> = found.into_iter().collect();
                assert_eq!(clear(&found), clear(&expected), "layer {number}, head {head}, {compression}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 100, "{compared}");
}

#[test]
fn pyramids_are_those_of_the_published_code() {
    for budget in array(&recording()["budgets"]) {
        let of = |field: &str| number(&budget[field]);
        let votes = SnapKv::new(of("capacity"), of("window"), 5, Pooling::Average).unwrap();
        let pyramid = KvCompression::PyramidKv(PyramidKv::new(votes));
        let kept: Vec<usize> =
            (0..of("layers")).map(|layer| pyramid.kept_tokens(layer, of("layers"), of("tokens"))).collect();
        let expected: Vec<usize> = array(&budget["kept"]).iter().map(number).collect();
        assert_eq!(kept, expected, "{budget}");
    }
}
