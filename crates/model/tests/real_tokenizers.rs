//! The vocabularies and chat templates inside real GGUF files against what Hugging Face's libraries
//! give (`golden/record_text.py`, which cuts words as the published tokenizers do). Needs a folder
//! with the files, named by `MINFERENCE_TEST_MODELS`; skipped without it.

use minference_model::ModelFiles;
use minference_model::files::Container;
use minference_model::text::chat_template::{ChatTemplate, Message, RenderOptions};
use minference_model::text::text_stream::TextStream;
use minference_model::text::tokenizer::{SpecialTokens, Tokenizer};
use serde_json::Value;
use std::path::PathBuf;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../golden/text.json")).unwrap()
}

/// Those of the golden models that are there.
fn models() -> Vec<(Tokenizer, Value)> {
    let Some(folder) = std::env::var_os("MINFERENCE_TEST_MODELS").map(PathBuf::from) else {
        eprintln!("skipped: MINFERENCE_TEST_MODELS does not name a folder with GGUF files");
        return Vec::new();
    };
    let golden = golden();
    let mut models = Vec::new();
    for (name, expected) in golden["models"].as_object().unwrap() {
        let path = folder.join(name);
        if !path.is_file() {
            eprintln!("skipped: {name} is not in {}", folder.display());
            continue;
        }
        let files = ModelFiles::open(path).unwrap();
        let Container::Gguf { metadata } = files.container() else { panic!("{name} is no GGUF file") };
        models.push((Tokenizer::from_gguf(metadata).unwrap(), expected.clone()));
    }
    models
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn ids_are_those_of_hugging_faces_tokenizers() {
    let golden = golden();
    for (tokenizer, expected) in models() {
        for (index, sample) in golden["samples"].as_array().unwrap().iter().enumerate() {
            let sample = sample.as_str().unwrap();
            let cases = [("parsed", SpecialTokens::Parsed), ("as_text", SpecialTokens::AsText)];
            for (name, special) in cases {
                let found = tokenizer.encode(sample, special).unwrap();
                assert_eq!(found, ids(&expected[name][index]), "{name}: {sample:?}");
                let mut stream = TextStream::new(&tokenizer, &[]).unwrap();
                let ends = tokenizer.end_tokens();
                let text: String = found
                    .iter()
                    .filter(|id| !ends.contains(id))
                    .map(|&id| stream.push(id).unwrap().text)
                    .collect();
                assert_eq!(text + &stream.finish().text, tokenizer.decode(&found).unwrap());
            }
        }
    }
}

#[test]
fn chats_are_rendered_as_transformers_renders_them() {
    let golden = golden();
    for (tokenizer, expected) in models() {
        let template = ChatTemplate::of(&tokenizer).unwrap();
        for (index, chat) in golden["conversations"].as_array().unwrap().iter().enumerate() {
            let message = |message: &Value| {
                let content = message[1].as_str().unwrap();
                match message[0].as_str().unwrap() {
                    "system" => Message::system(content),
                    "user" => Message::user(content),
                    _ => Message::assistant(content),
                }
            };
            let messages: Vec<Message> = chat.as_array().unwrap().iter().map(message).collect();
            let text = template.render(&messages, &RenderOptions::reproducible()).unwrap();
            assert_eq!(text, expected["chats"][index].as_str().unwrap());
        }
    }
}
