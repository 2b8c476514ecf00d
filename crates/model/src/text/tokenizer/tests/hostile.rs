//! Files that are wrong, or made to harm: a typed error that names the field, never a panic.

use super::*;

fn refusal(change: impl FnOnce(&mut Metadata)) -> String {
    let mut metadata = tiny_metadata("qwen2");
    change(&mut metadata);
    match Tokenizer::from_gguf(&metadata).unwrap_err() {
        error @ Error::Config { .. } => error.to_string(),
        other => panic!("{other}"),
    }
}

fn set(key: &str, value: Value) -> String {
    refusal(|metadata| {
        metadata.insert(format!("tokenizer.ggml.{key}"), value);
    })
}

fn push(key: &str, value: Value) -> String {
    refusal(|metadata| {
        if let Some(Value::Array(values)) = metadata.get_mut(&format!("tokenizer.ggml.{key}")) {
            values.push(value);
        }
    })
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn kinds_that_are_not_supported_are_named() {
    for kind in ["llama", "bert", "t5", "rwkv", "plamo2"] {
        let error = set("model", text(kind));
        assert!(error.contains(&format!("`{kind}`")) && error.contains("gpt2"), "{error}");
    }
    let error = set("pre", text("kimi-k2\u{1b}[31m"));
    assert!(error.contains("kimi-k2") && error.contains("smollm") && !error.contains('\u{1b}'), "{error}");
    for key in ["model", "pre", "tokens", "merges"] {
        let error = refusal(|metadata| {
            metadata.remove(&format!("tokenizer.ggml.{key}"));
        });
        assert!(
            error.starts_with(&format!("tokenizer.ggml.{key}: ")) && error.contains("nothing"),
            "{error}"
        );
    }
}

#[test]
fn fields_of_another_type_are_refused() {
    for key in ["model", "pre", "tokens", "merges", "token_type", "bos_token_id", "add_bos_token"] {
        let error = set(key, Value::F32(1.5));
        assert!(error.contains(key) && error.contains("a fraction"), "{error}");
    }
    let error = push("tokens", Value::U32(7));
    assert!(error.contains("token_type"), "{error}");
    let error = set("tokens", Value::Array(vec![Value::U32(7); 269]));
    assert!(error.contains("tokens[0]") && error.contains("a whole number"), "{error}");
    let error = set("token_type", Value::Array(vec![Value::I32(9); 269]));
    assert!(error.contains("token_type[0]"), "{error}");
    let error = set("token_type", Value::Array(vec![Value::I32(1)]));
    assert!(error.contains("269"), "{error}");
}

#[test]
fn vocabularies_that_contradict_themselves_are_refused() {
    for merge in ["hello", "", "a  b", " a", "a ", "a b c"] {
        let error = push("merges", text(merge));
        assert!(error.contains("merges[9]"), "{merge:?}: {error}");
    }
    for merge in ["h unheard", "unheard h", "h z"] {
        let error = push("merges", text(merge));
        assert!(error.contains("merge 9") && error.contains("none"), "{merge:?}: {error}");
    }
    // A join that is longer than any token.
    let long = "x".repeat(5000);
    let error = refusal(|metadata| {
        metadata.insert("tokenizer.ggml.tokens".to_owned(), strings([long.as_str(), "h"]));
        metadata.insert("tokenizer.ggml.merges".to_owned(), strings([format!("{long} h")]));
        metadata.remove("tokenizer.ggml.token_type");
        metadata.remove("tokenizer.ggml.bos_token_id");
    });
    assert!(error.contains("merge 0") && error.len() < 300, "{error}");
    assert!(push("merges", text("h e")).contains("again"));
    let error = set("tokens", strings(vec!["a"; 269]));
    assert!(error.contains("`a` with the ids 0 and 1"), "{error}");
    for key in ["bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id"] {
        assert!(set(key, Value::U32(269)).contains("269"));
        assert!(set(key, Value::I64(-5)).contains("-5"));
        assert!(set(key, Value::U64(u64::MAX)).contains(key));
    }
    let error = error_of_empty();
    assert!(error.contains("none"), "{error}");
}

fn error_of_empty() -> String {
    refusal(|metadata| {
        metadata.insert("tokenizer.ggml.tokens".to_owned(), Value::Array(Vec::new()));
        metadata.insert("tokenizer.ggml.merges".to_owned(), Value::Array(Vec::new()));
        metadata.remove("tokenizer.ggml.token_type");
        metadata.remove("tokenizer.ggml.bos_token_id");
    })
}

#[test]
fn a_text_without_tokens_is_an_error_not_a_gap() {
    let mut metadata = tiny_metadata("qwen2");
    for key in ["token_type", "bos_token_id"] {
        metadata.remove(&format!("tokenizer.ggml.{key}"));
    }
    metadata.insert("tokenizer.ggml.tokens".to_owned(), strings(["a", "b"]));
    metadata.insert("tokenizer.ggml.merges".to_owned(), Value::Array(Vec::new()));
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    assert_eq!(tokenizer.encode("abba", SpecialTokens::AsText).unwrap(), [0, 1, 1, 0]);
    for text in ["abc", "cab", "acb", "c"] {
        let error = tokenizer.encode(text, SpecialTokens::AsText).unwrap_err().to_string();
        assert!(error.contains("none for a part of"), "{error}");
    }
    assert!(matches!(tokenizer.decode(&[2]), Err(Error::UnknownToken { id: 2, vocabulary: 2 })));
    assert!(tokenizer.token_text(u32::MAX).is_err());
}
