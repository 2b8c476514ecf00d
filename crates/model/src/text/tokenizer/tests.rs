//! Small vocabularies written here; those of real models are in `tests/real_tokenizers.rs`.

mod ends;
mod hostile;
mod hugging_face;
mod pre_tokenizers;
mod settings;

pub(crate) use hugging_face::with_fallback;

use super::*;
use crate::files::GgufValue as Value;
use proptest::prelude::*;
use std::collections::HashMap;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

pub(crate) type Metadata = HashMap<String, Value>;

const WORDS: [(&str, &str); 8] = [
    ("h", "e"),
    ("l", "l"),
    ("he", "ll"),
    ("hell", "o"),
    ("Ġ", "hello"),
    ("1", "2"),
    ("Ġ", "Ġ"),
    ("ä½", "ł"),
];
pub(crate) const IM_START: u32 = 265;
pub(crate) const IM_END: u32 = 266;
pub(crate) const TOOL: u32 = 267;
const PAD: u32 = 268;

fn strings<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Value {
    Value::Array(texts.into_iter().map(|text| Value::String(text.as_ref().to_owned())).collect())
}

/// All 256 bytes, a few merges, and tokens of each kind.
pub(crate) fn tiny_metadata(pre: &str) -> Metadata {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut tokens: Vec<String> = alphabet.into_iter().map(String::from).collect();
    tokens.push("ä½".to_owned());
    tokens.extend(WORDS.iter().map(|(left, right)| format!("{left}{right}")));
    assert_eq!(tokens.len(), 265);
    let mut types = vec![1; tokens.len()];
    for (token, kind) in [("<|im_start|>", 3), ("<|im_end|>", 3), ("<tool>", 4), ("[PAD]", 5)] {
        tokens.push(token.to_owned());
        types.push(kind);
    }
    let merges = [("ä", "½")].iter().chain(&WORDS).map(|(left, right)| format!("{left} {right}"));
    let types = types.into_iter().map(Value::I32).collect();
    [
        ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre", Value::String(pre.to_owned())),
        ("tokenizer.ggml.tokens", strings(tokens)),
        ("tokenizer.ggml.merges", strings(merges)),
        ("tokenizer.ggml.token_type", Value::Array(types)),
        ("tokenizer.ggml.bos_token_id", Value::U32(IM_START)),
        ("tokenizer.chat_template", Value::String("{{ bos_token }}{{ messages[0].content }}".to_owned())),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

pub(crate) fn tiny(pre: &str) -> Tokenizer {
    Tokenizer::from_gguf(&tiny_metadata(pre)).unwrap()
}

fn texts(tokenizer: &Tokenizer, text: &str, special: SpecialTokens) -> Vec<String> {
    let ids = tokenizer.encode(text, special).unwrap();
    ids.into_iter().map(|id| tokenizer.token_text(id).unwrap()).collect()
}

#[test]
fn merges_are_applied_within_words() {
    let tokenizer = tiny("smollm");
    assert_eq!(texts(&tokenizer, "hello hello", SpecialTokens::AsText), ["hello", " hello"]);
    // Digits are words of their own for smollm, not for gpt-2.
    assert_eq!(texts(&tokenizer, "12", SpecialTokens::AsText), ["1", "2"]);
    assert_eq!(texts(&tiny("gpt-2"), "12", SpecialTokens::AsText), ["12"]);
    assert_eq!(texts(&tokenizer, "你", SpecialTokens::AsText), ["你"]);
    assert!(tokenizer.encode("", SpecialTokens::AsText).unwrap().is_empty());
}

#[test]
fn qwen_composes_characters_first() {
    let decomposed = "e\u{301}";
    assert_eq!(tiny("qwen2").encode(decomposed, SpecialTokens::AsText).unwrap().len(), 2);
    assert_eq!(tiny("llama-bpe").encode(decomposed, SpecialTokens::AsText).unwrap().len(), 3);
}

#[test]
fn special_tokens_are_parsed_only_when_asked() {
    let tokenizer = tiny("qwen2");
    let text = "<|im_start|>hello<tool><|im_end|>";
    let parsed = tokenizer.encode(text, SpecialTokens::Parsed).unwrap();
    assert_eq!(parsed.len(), 4);
    assert_eq!([parsed[0], parsed[2], parsed[3]], [IM_START, TOOL, IM_END]);
    let plain = tokenizer.encode(text, SpecialTokens::AsText).unwrap();
    assert!(!plain.contains(&IM_START) && !plain.contains(&IM_END) && plain.contains(&TOOL));
    assert_eq!(tokenizer.decode(&plain).unwrap(), text);
    assert_eq!(tokenizer.decode(&parsed).unwrap(), "hello<tool>");
    assert_eq!(tokenizer.decode(&[PAD]).unwrap(), "");
    assert_eq!(tokenizer.token_text(IM_END).unwrap(), "<|im_end|>");
}

#[test]
fn ends_and_beginnings_are_as_the_file_says() {
    let mut metadata = tiny_metadata("qwen2");
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(IM_START), None));
    assert!(tokenizer.prompt_prefix().is_empty());
    // `[PAD]` by its name, though the file says that it is not in use
    assert_eq!(tokenizer.end_tokens(), [IM_END, PAD]);
    assert!(tokenizer.chat_prefix().is_empty());
    assert_eq!(tokenizer.vocabulary_size(), 269);
    metadata.insert("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(true));
    metadata.insert("tokenizer.ggml.eos_token_id".to_owned(), Value::U32(PAD));
    metadata.insert("tokenizer.ggml.eot_token_id".to_owned(), Value::U32(TOOL));
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    assert_eq!(tokenizer.prompt_prefix(), [IM_START]);
    assert_eq!(tokenizer.chat_prefix(), [IM_START]);
    assert_eq!(tokenizer.end_tokens(), [IM_END, TOOL, PAD]);
    // Llama 3 begins with the token unless the file says no; GLM 4 never does.
    assert_eq!(tiny("llama-bpe").prompt_prefix(), [IM_START]);
    metadata.insert("tokenizer.ggml.pre".to_owned(), Value::String("glm4".to_owned()));
    assert!(Tokenizer::from_gguf(&metadata).unwrap().prompt_prefix().is_empty());
}

#[test]
fn chat_templates_know_the_special_tokens() {
    let template = crate::ChatTemplate::of(&tiny("qwen2")).unwrap();
    let messages = [crate::text::chat_template::Message::user("hello")];
    assert_eq!(template.render(&messages, &Default::default()).unwrap(), "<|im_start|>hello");
    let mut metadata = tiny_metadata("qwen2");
    metadata.remove("tokenizer.chat_template");
    let error = crate::ChatTemplate::of(&Tokenizer::from_gguf(&metadata).unwrap()).unwrap_err();
    assert!(error.to_string().contains("--raw"), "{error}");
}

#[test]
fn white_space_without_end_is_refused_not_cut_wrongly() {
    let tokenizer = tiny("qwen2");
    let text = format!("a{}b", " ".repeat(LONGEST_WHITE_SPACE));
    assert_eq!(tokenizer.decode(&tokenizer.encode(&text, SpecialTokens::AsText).unwrap()).unwrap(), text);
    let error = tokenizer.encode(&format!(" {text} "), SpecialTokens::AsText);
    assert!(error.is_ok());
    let text = format!("a {}b", " ".repeat(LONGEST_WHITE_SPACE));
    assert!(matches!(tokenizer.encode(&text, SpecialTokens::AsText), Err(Error::Shape { .. })));
}

proptest! {
    /// Nothing is lost, whatever the text: every byte has a token.
    #[test]
    fn decoding_undoes_encoding(text in "\\PC{0,40}|(hello|<\\|im_end\\|>|[0-9]{1,4}|\\s{1,4}|[^a]|é){0,12}") {
        for pre in ["gpt-2", "llama-bpe", "smollm", "tekken", "gpt-4o", "chatglm-bpe"] {
            let tokenizer = tiny(pre);
            let ids = tokenizer.encode(&text, SpecialTokens::AsText).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text.clone(), "{}", pre);
        }
    }
}
