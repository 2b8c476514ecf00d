//! Folders, written for each test.

use super::*;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

pub(super) fn folder(files: &[(&str, &Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in files {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// As Gemma's and Llama 2's: spaces as U+2581, bytes outside the vocabulary as `<0x..>`.
pub(super) fn fallback() -> Value {
    let mut vocab =
        json!({"<unk>": 0, "<s>": 1, "</s>": 2, "\u{2581}": 3, "h": 4, "i": 5, "hi": 6, "\u{2581}hi": 7});
    for byte in 0..256 {
        vocab[format!("<0x{byte:02X}>")] = json!(8 + byte);
    }
    json!({
        "added_tokens": [
            {"id": 1, "content": "<s>", "special": true, "normalized": false},
            {"id": 2, "content": "</s>", "special": true, "normalized": false},
            {"id": 300, "content": "<end_of_turn>", "special": true, "rstrip": true, "normalized": false},
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "vocab": vocab, "merges": ["h i", ["\u{2581}", "hi"]], "unk_token": "<unk>",
            "byte_fallback": true, "fuse_unk": true, "dropout": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null},
    })
}

pub(crate) fn with_fallback() -> Tokenizer {
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "config"});
    let folder = folder(&[("tokenizer.json", &fallback()), ("tokenizer_config.json", &config)]);
    Tokenizer::from_hugging_face(folder.path()).unwrap()
}

#[test]
fn byte_fallback_and_spaces() {
    let tokenizer = with_fallback();
    let ids = tokenizer.encode("hi hié", SpecialTokens::AsText).unwrap();
    assert_eq!(ids, [7, 7, 8 + 0xc3, 8 + 0xa9]);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "hi hié");
    assert_eq!(tokenizer.encode("a<end_of_turn>  hi", SpecialTokens::Parsed).unwrap()[2..], [300, 7]);
    assert_eq!(tokenizer.prompt_prefix(), [1]);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert_eq!(tokenizer.end_tokens(), [2, 300]);
    assert_eq!(tokenizer.vocabulary_size(), 301);
    assert_eq!(tokenizer.chat_template(), Some("config"));
}

#[test]
fn files_beside_the_vocabulary_count() {
    let config = json!({"add_bos_token": false, "bos_token": "<s>",
        "chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}],
        "added_tokens_decoder": {"301": {"content": "<extra>", "special": true}, "4": {"content": "h", "special": false}}});
    let generation = json!({"eos_token_id": [2, 301]});
    let special = json!({"eos_token": "</s>"});
    let files = [
        ("tokenizer.json", &fallback()),
        ("tokenizer_config.json", &config),
        ("generation_config.json", &generation),
        ("special_tokens_map.json", &special),
    ];
    let folder = folder(&files);
    let tokenizer = Tokenizer::from_hugging_face(folder.path()).unwrap();
    // Beside a `tokenizer.json`, transformers doesn't read `add_bos_token`.
    assert_eq!(tokenizer.prompt_prefix(), [1]);
    assert_eq!(tokenizer.eos(), Some(2));
    assert_eq!(tokenizer.end_tokens(), [2, 300, 301]);
    assert_eq!(tokenizer.chat_template(), Some("yes"));
    assert_eq!(tokenizer.encode("<extra>", SpecialTokens::Parsed).unwrap(), [301]);
    fs::write(folder.path().join("chat_template.jinja"), "file").unwrap();
    assert_eq!(Tokenizer::from_hugging_face(folder.path()).unwrap().chat_template(), Some("file"));
}

/// Some editors put one before every file that they save.
#[test]
fn byte_order_marks_are_no_part_of_a_file() {
    let marked =
        |value: &Value| json!(format!("\u{feff}{}", value.as_str().map_or(value.to_string(), str::to_owned)));
    let config = marked(&json!({"bos_token": "<s>"}));
    let files = [
        ("tokenizer.json", &marked(&fallback())),
        ("tokenizer_config.json", &config),
        ("generation_config.json", &marked(&json!({"eos_token_id": 4}))),
        ("chat_template.jinja", &marked(&json!("{{ bos_token }}"))),
    ];
    let tokenizer = Tokenizer::from_hugging_face(folder(&files).path()).unwrap();
    assert_eq!(tokenizer.chat_template(), Some("{{ bos_token }}"));
    assert_eq!((tokenizer.bos(), tokenizer.end_tokens()), (Some(1), &[2, 4, 300][..]));
}

fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut file = fallback();
    change(&mut file);
    let folder = folder(&[("tokenizer.json", &file)]);
    Tokenizer::from_hugging_face(folder.path()).unwrap_err().to_string()
}

#[test]
fn wrong_folders_are_refused() {
    let empty = folder(&[]);
    let error_text = Tokenizer::from_hugging_face(empty.path()).unwrap_err().to_string();
    assert!(error_text.contains("tokenizer.json"), "{error_text}");
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 9] = [
        (|file| *file = json!("not json"), "tokenizer.json"),
        (|file| file["model"] = json!({"type": "Unigram", "vocab": [["a", 0.5]]}), "`Unigram`"),
        (|file| file["decoder"] = json!({"type": "WordPiece"}), "WordPiece"),
        (|file| file["decoder"] = Value::Null, "none"),
        (|file| file["model"]["merges"] = json!([["h", "unheard"]]), "unheard"),
        (|file| file["model"]["merges"] = json!(["h"]), "merge 0"),
        (|file| file["model"]["vocab"]["h"] = json!(4_000_000_000u32), "at most"),
        (|file| file["model"]["end_of_word_suffix"] = json!("</w>"), "</w>"),
        (|file| file["added_tokens"][0]["content"] = json!("<other>"), "token 1"),
    ];
    for (change, part) in cases {
        let error = refusal(change);
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(refusal(|file| file["model"]["unk_token"] = json!("<none>")).contains("<none>"));
    let large = folder(&[("tokenizer.json", &fallback())]);
    fs::write(large.path().join("tokenizer_config.json"), vec![b' '; (16 << 20) + 1]).unwrap();
    let error = Tokenizer::from_hugging_face(large.path()).unwrap_err();
    assert!(error.to_string().contains("tokenizer_config.json"), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("at most"), "{error:?}");
    let generation = json!({"eos_token_id": "two"});
    let folder = folder(&[("tokenizer.json", &fallback()), ("generation_config.json", &generation)]);
    let error = Tokenizer::from_hugging_face(folder.path()).unwrap_err().to_string();
    assert!(error.contains("generation_config.json: eos_token_id"), "{error}");
}
