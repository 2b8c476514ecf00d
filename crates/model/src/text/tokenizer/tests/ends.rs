//! Where answers end and how prompts begin, against what llama.cpp and transformers do
//! (`golden/generation_ends.py`).

use super::*;
use crate::text::chat_template::{ChatTemplate, Message, RenderOptions};
use crate::text::text_stream::{StreamEnd, TextStream};
use crate::text::tokenizer::tests::hugging_face::{fallback, folder};
use serde_json::{Value as Json, json};

const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// Ends that llama.cpp has in no list: their models' files name them, and conversions lose some.
const BEYOND_LLAMA_CPP: [&str; 16] = [
    "<|eot|>",
    "<|eom|>",
    "<|observation|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "[|endofturn|]",
    "<|endofturn|>",
    "<|assistant_end|>",
    "<|role_end|>",
    "\u{2581}<EOT>",
    "<|eos|>",
    "<|end_of_sentence|>",
    "<|end\u{2581}of\u{2581}sentence|>",
    "<[end\u{2581}of\u{2581}sentence]>",
    "<seed:eos>",
    "<|plamo:eos|>",
];

fn golden() -> Json {
    serde_json::from_str(include_str!("../../../../../../golden/generation_ends.json")).unwrap()
}

fn texts(value: &Json) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn ids(value: &Json) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

/// All bytes, and tokens after them, as the script writes them.
fn vocabulary(golden: &Json, tokens: &[(&str, i32)]) -> Metadata {
    let bytes = texts(&golden["bytes"]);
    let names = bytes.iter().chain(tokens.iter().map(|(name, _)| name));
    let kinds = bytes.iter().map(|_| NORMAL).chain(tokens.iter().map(|(_, kind)| *kind));
    [
        ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre", Value::String("gpt-2".to_owned())),
        ("tokenizer.ggml.tokens", strings(names)),
        ("tokenizer.ggml.token_type", Value::Array(kinds.map(Value::I32).collect())),
        ("tokenizer.ggml.merges", Value::Array(Vec::new())),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

fn ends(metadata: &Metadata) -> Vec<u32> {
    Tokenizer::from_gguf(metadata).unwrap().end_tokens().to_vec()
}

#[test]
fn names_end_answers_as_in_llama_cpp() {
    let golden = golden();
    for (name, ends_there) in golden["names"].as_object().unwrap() {
        let expected = ends_there == true || BEYOND_LLAMA_CPP.contains(&name.as_str());
        for kind in 0..=6 {
            let found = ends(&vocabulary(&golden, &[("<stop>", CONTROL), (name.as_str(), kind)]));
            assert_eq!(found == [257], expected, "{name}, type {kind}");
        }
    }
}

#[test]
fn names_beside_others_are_as_in_llama_cpp() {
    let golden = golden();
    for case in golden["together"].as_array().unwrap() {
        let names = texts(&case["names"]);
        let tokens: Vec<(&str, i32)> = names.iter().map(|name| (*name, CONTROL)).collect();
        let found = ends(&vocabulary(&golden, &tokens));
        let found: Vec<&str> = found.into_iter().map(|id| names[id as usize - 256]).collect();
        assert_eq!(found, texts(&case["ends"]), "{names:?}");
    }
}

#[test]
fn fields_that_name_ends_are_all_read() {
    let golden = golden();
    let fields = texts(&golden["fields"]);
    assert_eq!(fields.len(), 6);
    let more = ["eos_token_ids", "eot_token_ids", "eom_token_ids"];
    for (index, field) in fields.iter().chain(&more).enumerate() {
        let mut metadata = vocabulary(&golden, &[("<a>", CONTROL), ("<b>", CONTROL), ("<c>", NORMAL)]);
        let expected: &[u32] = if index < fields.len() { &[257] } else { &[257, 258] };
        let value = if index < fields.len() {
            Value::U32(257)
        } else {
            Value::Array(vec![Value::I32(258), Value::I32(-1), Value::I32(257)])
        };
        metadata.insert(format!("tokenizer.ggml.{field}"), value);
        assert_eq!(ends(&metadata), expected, "{field}");
    }
}

/// Whatever type it has: its name in a template is the token, and the file's word about the
/// beginning holds.
#[test]
fn conversations_have_llama_cpps_tokens() {
    let golden = golden();
    let prompts = golden["prompts"].as_array().unwrap();
    assert_eq!(prompts.len(), 24);
    for case in prompts {
        let kind = i32::try_from(case["end_type"].as_i64().unwrap()).unwrap();
        let tokens =
            [("<|begin|>", CONTROL), ("<|im_start|>", CONTROL), ("<|im_end|>", kind), ("hi", NORMAL)];
        let mut metadata = vocabulary(&golden, &tokens);
        for (field, id) in [("bos_token_id", 256), ("eos_token_id", 258)] {
            metadata.insert(format!("tokenizer.ggml.{field}"), Value::U32(id));
        }
        let template = Value::String(case["template"].as_str().unwrap().to_owned());
        metadata.insert("tokenizer.chat_template".to_owned(), template);
        let adds = Value::Bool(case["add_bos_token"] == true);
        metadata.insert("tokenizer.ggml.add_bos_token".to_owned(), adds);
        let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
        let template = ChatTemplate::of(&tokenizer).unwrap();
        let message = Message::user(golden["messages"][0]["content"].as_str().unwrap());
        let found = template.encode(&tokenizer, &[message], &RenderOptions::default()).unwrap();
        assert_eq!(found, ids(&case["tokens"]), "{case}");
    }
}

/// Whatever ends an answer is not printed, neither are the tokens after it.
#[test]
fn ends_of_every_type_are_silent() {
    let golden = golden();
    for kind in 0..=6 {
        let tokenizer =
            Tokenizer::from_gguf(&vocabulary(&golden, &[("<|im_end|>", kind), ("<a>", CONTROL)])).unwrap();
        let mut stream = TextStream::new(&tokenizer, &[]).unwrap();
        let pieces: Vec<String> = [65, 256, 66].map(|id| stream.push(id).unwrap().text).to_vec();
        assert_eq!(pieces, ["A", "", ""], "type {kind}");
        assert_eq!(stream.finish().end, Some(StreamEnd::Token(256)));
    }
}

/// transformers takes one file's word, llama.cpp goes by names: here all of them count.
#[test]
fn folders_end_answers_where_any_file_says() {
    let golden = golden();
    let cases = golden["folders"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let mut files = vec![("tokenizer.json", fallback()), ("config.json", case["config"].clone())];
        if !case["generation_config"].is_null() {
            files.push(("generation_config.json", case["generation_config"].clone()));
        }
        let files: Vec<(&str, &Json)> = files.iter().map(|(name, file)| (*name, file)).collect();
        let tokenizer = Tokenizer::from_hugging_face(folder(&files).path()).unwrap();
        for end in ids(&case["ends"]) {
            assert!(tokenizer.end_tokens().contains(&end), "{case}");
        }
    }
}

#[test]
fn all_files_of_a_folder_name_ends() {
    let ends = |config: Json, generation: Json, tokenizer_config: Json, special: Json| {
        let mut file = fallback();
        for (id, content) in [(301, "<|im_end|>"), (302, "<a>"), (303, "<b>"), (304, "<c>")] {
            let entry = json!({"id": id, "content": content, "special": false, "normalized": false});
            file["added_tokens"].as_array_mut().unwrap().push(entry);
        }
        let files = [
            ("tokenizer.json", &file),
            ("config.json", &config),
            ("generation_config.json", &generation),
            ("tokenizer_config.json", &tokenizer_config),
            ("special_tokens_map.json", &special),
        ];
        Tokenizer::from_hugging_face(folder(&files).path()).unwrap()
    };
    let by_name = [2, 300, 301];
    let tokenizer = ends(json!({}), json!({}), json!({}), json!({}));
    assert_eq!(tokenizer.end_tokens(), by_name);
    // an added token that ends answers is special: in a message it is text
    assert!(!tokenizer.encode("<|im_end|>", SpecialTokens::AsText).unwrap().contains(&301));
    assert_eq!(tokenizer.encode("<|im_end|>", SpecialTokens::Parsed).unwrap(), [301]);
    let tokenizer = ends(
        json!({"eos_token_id": 4, "text_config": {"eos_token_id": [5, 99_999]}}),
        json!({"eos_token_id": [6, -1]}),
        json!({"eos_token": "<a>", "eot_token": "nowhere", "extra_special_tokens": {"eot_token": "<b>"}}),
        json!({"eos_token": {"content": "<c>"}}),
    );
    // a name that the vocabulary lacks gets the next id, as in transformers
    assert_eq!(tokenizer.end_tokens(), [2, 4, 5, 6, 300, 301, 302, 303, 304, 305]);
    // the older file goes first where the newer one doesn't describe the added tokens, as in
    // transformers
    assert_eq!(tokenizer.eos(), Some(304));
    let folder = folder(&[("tokenizer.json", &fallback()), ("config.json", &json!({"eos_token_id": "x"}))]);
    let error = Tokenizer::from_hugging_face(folder.path()).unwrap_err().to_string();
    assert!(error.contains("config.json: eos_token_id"), "{error}");
}

#[test]
fn names_of_special_tokens_are_found_once_each() {
    let tokenizer = tiny("qwen2");
    let text = "a <|im_end|> b <|im_start|><|im_end|> <tool> [PAD";
    assert_eq!(tokenizer.special_names_in(text), ["<|im_end|>", "<|im_start|>"]);
    assert!(tokenizer.special_names_in("hello <|im_end").is_empty());
}
