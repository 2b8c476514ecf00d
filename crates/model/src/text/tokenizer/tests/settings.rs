//! Settings beside `tokenizer.json` against the ids that transformers gives
//! (`golden/tokenizer_settings`).

use super::*;
use serde_json::{Value as Json, json};
use std::fs;
use tempfile::TempDir;

fn recorded() -> Json {
    serde_json::from_str(include_str!("../../../../../../golden/tokenizer_settings/expected.json")).unwrap()
}

fn folder(tokenizer: &Json, files: &Json) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    for (name, content) in files.as_object().unwrap() {
        fs::write(folder.path().join(name), content.to_string()).unwrap();
    }
    folder
}

fn load(tokenizer: &Json, files: &Json) -> crate::error::Result<Tokenizer> {
    Tokenizer::from_hugging_face(folder(tokenizer, files).path())
}

#[test]
fn ids_are_those_of_transformers_or_the_setting_is_refused() {
    let recorded = recorded();
    let (mut obeyed, mut refused) = (0, 0);
    for case in recorded["cases"].as_array().unwrap() {
        let files = &case["files"];
        let made = load(&recorded["tokenizers"][case["tokenizer"].as_str().unwrap()], files);
        if let Some(setting) = case["refused"].as_str() {
            let error = made.expect_err(&files.to_string()).to_string();
            assert!(error.contains("tokenizer_config.json") && error.contains(setting), "{error}");
            refused += 1;
            continue;
        }
        let tokenizer = made.unwrap_or_else(|error| panic!("{error}: {files}"));
        for (text, expected) in
            recorded["texts"].as_array().unwrap().iter().zip(case["ids"].as_array().unwrap())
        {
            let text = text.as_str().unwrap();
            let mut found = tokenizer.prompt_prefix().to_vec();
            found.extend(tokenizer.encode(text, SpecialTokens::Parsed).unwrap());
            assert_eq!(json!(found), *expected, "{text:?}: {} {files}", case["class"]);
        }
        let ids = tokenizer.encode("hi hi", SpecialTokens::Parsed).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), case["decoded"].as_str().unwrap(), "{files}");
        obeyed += 1;
    }
    assert!(obeyed > 400 && refused > 10, "{obeyed} {refused}");
}

fn refusal(files: &Json) -> String {
    let recorded = recorded();
    load(&recorded["tokenizers"]["blanks"], files).unwrap_err().to_string()
}

#[test]
fn settings_that_cannot_be_obeyed_are_refused_by_name() {
    for name in ["add_prefix_space", "legacy", "split_special_tokens", "fix_mistral_regex"] {
        let error = refusal(&json!({"tokenizer_config.json": {name: "yes"}}));
        assert!(error.contains(name) && error.contains("true or false") && error.contains("yes"), "{error}");
    }
    let name = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
    let error = refusal(&json!({"tokenizer_config.json": {name: true}}));
    assert!(error.contains(name), "{error}");
    for (name, value) in
        [("pad_token", json!(5)), ("extra_special_tokens", json!("<a>")), ("bos_token", json!({"a": 1}))]
    {
        let error = refusal(&json!({"tokenizer_config.json": {name: value}}));
        assert!(error.contains(name) && error.contains("tokenizer_config.json"), "{error}");
    }
    let error = refusal(&json!({"added_tokens.json": {"<extra>": "five"}}));
    assert!(
        error.contains("added_tokens.json") && error.contains("<extra>") && error.contains("five"),
        "{error}"
    );
    let mut file = recorded()["tokenizers"]["blanks"].clone();
    file["post_processor"] = json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]});
    let error = load(&file, &json!({})).unwrap_err().to_string();
    assert!(error.contains("post_processor") && error.contains("RobertaProcessing"), "{error}");
}

#[test]
fn mistrals_old_expression_is_refused_where_the_settings_want_the_new_one() {
    let mut file = recorded()["tokenizers"]["qwen2"].clone();
    let vocabulary = file["model"]["vocab"].as_object_mut().unwrap();
    let first = vocabulary.len();
    vocabulary.extend((first..100_300).map(|id| (format!("word{id}"), json!(id))));
    for (index, token) in file["added_tokens"].as_array_mut().unwrap().iter_mut().enumerate() {
        token["id"] = json!(100_300 + index);
    }
    let load = |file: &Json, family: &str, version: &str| {
        let config = json!({"model_type": family, "transformers_version": version});
        load(file, &json!({"tokenizer_config.json": {"fix_mistral_regex": true}, "config.json": config}))
    };
    let error = load(&file, "mistral", "4.57.1").unwrap_err().to_string();
    assert!(error.contains("fix_mistral_regex"), "{error}");
    assert!(load(&file, "mistral", "5.24.0").is_ok() && load(&file, "llama", "4.57.1").is_ok());
    let tekken = tiny("tekken").pre_tokenizer.unwrap();
    file["pre_tokenizer"] = serde_json::to_value(tekken).unwrap();
    assert!(load(&file, "mistral", "4.57.1").is_ok());
}

#[test]
fn a_prompts_first_blank_is_not_put_before_later_stretches() {
    let recorded = recorded();
    let names = json!({"bos_token": "<s>", "tokenizer_class": "LlamaTokenizer"});
    let tokenizer = load(
        &recorded["tokenizers"]["blanks"],
        &json!({"tokenizer_config.json": names, "config.json": {"model_type": "llama"}}),
    )
    .unwrap();
    let [whole, parts] =
        ["hi<end>hi", "hi"].map(|text| tokenizer.encode(text, SpecialTokens::Parsed).unwrap());
    let rest = tokenizer.encode_continuing("hi", SpecialTokens::AsText).unwrap();
    assert_ne!(parts, rest);
    assert_eq!(
        whole,
        [parts, tokenizer.encode_continuing("<end>", SpecialTokens::Parsed).unwrap(), rest].concat()
    );
}
