//! Vocabularies with more names than the model has rows, or fewer. The answers are those of
//! transformers for the same weights (`golden/README.md`): what has no row, or no name, is no part
//! of them.

use crate::builders::write;
use crate::golden::{GoldenModel, folders, gguf_files};
use candle_core::Device;
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{self, Value};
use minference_model::generation::{GenerationOptions, generate};
use minference_model::{
    AttentionPlan, CacheFormat, Compute, ComputeOptions, Error, Model, PrefillOptions, Session,
    SessionOptions,
};
use serde_json::json;
use std::fs::File;
use std::ops::ControlFlow;
use tempfile::TempDir;

const EXTRA: &str = "<extra>";

/// The file with as many names as wanted: the last ones are left out, or new ones follow.
fn with_names(path: &std::path::Path, names: usize) -> (TempDir, Model) {
    let mut file = File::open(path).unwrap();
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut metadata: Vec<(String, Value)> = content.metadata.clone().into_iter().collect();
    for (key, value) in &mut metadata {
        let Value::Array(values) = value else { continue };
        match key.as_str() {
            "tokenizer.ggml.tokens" => {
                values.truncate(names);
                values.extend((values.len()..names).map(|id| Value::String(format!("<extra {id}>"))));
            }
            "tokenizer.ggml.token_type" => values.resize(names, Value::I32(3)),
            // the one merge gives the last token
            "tokenizer.ggml.merges" if names < 96 => values.clear(),
            _ => {}
        }
    }
    let tensors: Vec<(&String, QTensor)> = content
        .tensor_infos
        .keys()
        .map(|name| (name, content.tensor(&mut file, name, &Device::Cpu).unwrap()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let path = folder.path().join("model.gguf");
    gguf_file::write(&mut File::create(&path).unwrap(), &metadata, &tensors).unwrap();
    let model = Model::load(&path).unwrap();
    (folder, model)
}

/// The greedy answers to the recorded prompts are the recorded ones.
fn answers_as_recorded(model: &Model, golden: &GoldenModel) {
    let compute = Compute::new(ComputeOptions { threads: Some(2), ..ComputeOptions::default() }).unwrap();
    let options = GenerationOptions::greedy(8);
    for prompt in &golden.prompts {
        let tokens = &prompt.tokens;
        let room = SessionOptions { cache: CacheFormat::F32, ..SessionOptions::for_tokens(tokens.len() + 8) };
        let mut session = Session::new(model.decoder().clone(), compute.clone(), room).unwrap();
        let prefill = PrefillOptions { plan: AttentionPlan::Dense, ..PrefillOptions::default() };
        let logits = session.prefill(tokens, &prefill).unwrap().logits;
        assert_eq!(logits.len(), prompt.last.len());
        let going_on = |_: &str| ControlFlow::Continue(());
        let answer = generate(&mut session, model.tokenizer(), tokens, logits, &options, going_on).unwrap();
        let known = |id: &&u32| (**id as usize) < model.tokenizer().vocabulary_size();
        // once a token without a name would be next, another one is taken
        let expected: Vec<u32> =
            prompt.greedy.as_ref().unwrap().tokens.iter().take_while(known).copied().collect();
        assert_eq!(answer.tokens[..expected.len()], expected, "{}", golden.name);
        assert!(answer.tokens.iter().all(|id| known(&id)));
    }
}

#[test]
fn gguf_files_with_more_names_or_fewer_answer_the_same() {
    let golden = gguf_files().into_iter().find(|model| model.name == "llama2").unwrap();
    for (names, rows) in [(96, 96), (99, 96), (90, 96), (80, 96)] {
        let (_folder, model) = with_names(&golden.path, names);
        assert_eq!(model.tokenizer().vocabulary_size(), names);
        assert_eq!(model.decoder().config().vocabulary, rows);
        answers_as_recorded(&model, &golden);
    }
}

#[test]
fn folders_with_more_names_than_rows_answer_the_same() {
    let golden = folders().into_iter().find(|model| model.name == "llama2").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden.path.join(name), folder.path().join(name)).unwrap();
    }
    let mut vocab = serde_json::Map::new();
    for id in 0..96 {
        let text = if id < 2 { format!("<{id}>") } else { char::from_u32(id + 31).unwrap().to_string() };
        vocab.insert(text, json!(id));
    }
    let tokenizer = json!({
        "added_tokens": [{"id": 98, "content": EXTRA, "special": true, "normalized": false}],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    write(folder.path(), "tokenizer.json", tokenizer.to_string().as_bytes());
    let model = Model::load(folder.path()).unwrap();
    assert_eq!((model.tokenizer().vocabulary_size(), model.decoder().config().vocabulary), (99, 96));
    answers_as_recorded(&model, &golden);

    // what has no row can't be read either, and is named
    assert_eq!(model.raw_prompt(EXTRA).unwrap().len(), EXTRA.len());
    let error = model.rendered_prompt(&format!("a{EXTRA}")).unwrap_err();
    assert!(matches!(error, Error::TokenWithoutRow { id: 98, rows: 96, .. }), "{error}");
    assert!(error.to_string().contains("`<extra>`"), "{error}");
}
