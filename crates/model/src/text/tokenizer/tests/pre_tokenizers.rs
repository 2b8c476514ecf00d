//! Every name of a pre-tokenizer against the rule that its family published, as Hugging Face's
//! tokenizers applies it, and against llama.cpp (`golden/pre_tokenizers`).

use super::*;
use serde_json::Value as Json;

fn recorded(file: &str) -> Json {
    serde_json::from_str(file).unwrap()
}

fn expected() -> Json {
    recorded(include_str!("../../../../../../golden/pre_tokenizers/expected.json"))
}

/// The recorded vocabulary under a name.
fn vocabulary(name: &str) -> Tokenizer {
    let recorded = recorded(include_str!("../../../../../../golden/pre_tokenizers/vocabulary.json"));
    let texts =
        |field: &str| strings(recorded[field].as_array().unwrap().iter().map(|text| text.as_str().unwrap()));
    let metadata: Metadata = [
        ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre", Value::String(name.to_owned())),
        ("tokenizer.ggml.tokens", texts("tokens")),
        ("tokenizer.ggml.merges", texts("merges")),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    Tokenizer::from_gguf(&metadata).unwrap()
}

fn ids(value: &Json) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn words_are_cut_as_each_family_published_it() {
    let expected = expected();
    let samples: Vec<&str> =
        expected["samples"].as_array().unwrap().iter().map(|sample| sample.as_str().unwrap()).collect();
    let mut names = 0;
    for rule in expected["rules"].as_array().unwrap() {
        for name in rule["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            let tokenizer = vocabulary(name);
            for (index, sample) in samples.iter().enumerate() {
                let found = tokenizer.encode(sample, SpecialTokens::AsText).unwrap();
                assert_eq!(found, ids(&rule["ids"][index]), "{name}: {sample:?}");
                // Where llama.cpp gives others, normal forms, marks, or an order of steps are left
                // out there.
                let same = rule["llama_cpp"][index.to_string()].is_null();
                assert!(same || found != ids(&rule["llama_cpp"][index.to_string()]), "{name}: {sample:?}");
            }
            let adds_bos = rule["adds_bos"][name].as_bool().unwrap();
            assert_eq!(tokenizer.prompt_prefix(), if adds_bos { &[0][..] } else { &[] }, "{name}");
            names += 1;
        }
    }
    assert_eq!(
        names,
        crate::text::tokenizer::pre_tokenizer::known_names().count(),
        "a name without recorded ids"
    );
}

#[test]
fn no_recorded_rule_is_another_but_for_its_merges() {
    // All rules differ in some sample, but for those that differ in BOS alone, and one that is
    // written in two ways.
    let expected = expected();
    let rules = expected["rules"].as_array().unwrap();
    let mut same = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        for other in rules[..index].iter().filter(|other| other["ids"] == rule["ids"]) {
            same.push((rule["names"][0].as_str().unwrap(), other["names"][0].as_str().unwrap()));
        }
    }
    assert_eq!(same, [("glm4", "llama-bpe"), ("bailingmoe", "hunyuan")]);
}
