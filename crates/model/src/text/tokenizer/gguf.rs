//! The vocabulary inside a GGUF file: the metadata under `tokenizer.`.

use super::parts::{TokenizerParts, VocabularyToken, check_count, shown};
use super::pieces::{PieceStyle, TokenKind};
use super::pre_tokenizer::{PreTokenizer, expected_names};
use super::{Tokenizer, end_tokens};
use crate::error::{Error, Result};
use crate::files::GgufValue as Value;
use std::collections::HashMap;

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
/// Tokens that end a text, a turn, a message to a tool, or what was to be filled in; each field
/// holds one id, or several.
const ENDS: [&str; 9] = [
    EOS,
    "tokenizer.ggml.eos_token_ids",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eot_token_ids",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.eom_token_ids",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
];
const ADDS_BOS: &str = "tokenizer.ggml.add_bos_token";
const CHAT_TEMPLATE: &str = "tokenizer.chat_template";

impl Tokenizer {
    /// From the metadata of a GGUF file.
    ///
    /// Supported are byte-level vocabularies (`tokenizer.ggml.model` = `gpt2`) whose pre-tokenizer
    /// has a known name.
    ///
    /// # Errors
    /// [`Error::Config`] for another kind of vocabulary, an unknown pre-tokenizer, or metadata that
    /// contradict themselves; the message names the field and lists what is supported.
    pub fn from_gguf(metadata: &HashMap<String, Value>) -> Result<Self> {
        let fields = VocabularyFields(metadata);
        match fields.text(MODEL)? {
            Some("gpt2") => byte_level(fields)?.build(),
            Some(other) => Err(Error::config(MODEL, SUPPORTED, format!("`{}`", shown(other)))),
            None => Err(Error::config(MODEL, SUPPORTED, "nothing")),
        }
    }
}

const SUPPORTED: &str = "`gpt2` (a byte-level vocabulary); for others use the model's Hugging Face folder";

fn byte_level(fields: VocabularyFields<'_>) -> Result<TokenizerParts> {
    let name = fields.text(PRE)?.ok_or_else(|| Error::config(PRE, expected_names(), "nothing"))?;
    let pre_tokenizer = PreTokenizer::named(name)?;
    let bos = fields.id(BOS)?;
    let adds_bos = fields.flag(ADDS_BOS)?.unwrap_or(pre_tokenizer.adds_bos) && !pre_tokenizer.without_bos;
    let prefix: Vec<u32> = bos.filter(|_| adds_bos).into_iter().collect();
    let mut tokens = fields.tokens()?;
    end_tokens::make_special(&mut tokens, &[TokenKind::Text, TokenKind::Added, TokenKind::Unused]);
    Ok(TokenizerParts {
        tokens,
        merges: fields.merges()?,
        byte_fallback: false,
        ignores_merges: pre_tokenizer.ignores_merges,
        unknown: None,
        fuses_unknown: false,
        normalizer: pre_tokenizer.normalizer(),
        pre_tokenizer: Some(pre_tokenizer.cutter()?),
        style: PieceStyle::ByteLevel,
        bos,
        eos: fields.ids(EOS)?.first().copied(),
        chat_prefix: prefix.clone(),
        prefix,
        end_tokens: fields.ends()?,
        chat_template: fields.text(CHAT_TEMPLATE)?.map(str::to_owned),
    })
}

/// The metadata, read with types.
#[derive(Clone, Copy)]
struct VocabularyFields<'a>(&'a HashMap<String, Value>);

impl<'a> VocabularyFields<'a> {
    fn text(self, key: &str) -> Result<Option<&'a str>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::config(key, "a string", kind_of(other))),
        }
    }

    fn flag(self, key: &str) -> Result<Option<bool>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(Error::config(key, "true or false", kind_of(other))),
        }
    }

    fn array(self, key: &str) -> Result<Option<&'a [Value]>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(Error::config(key, "an array", kind_of(other))),
        }
    }

    fn required_array(self, key: &str) -> Result<&'a [Value]> {
        self.array(key)?.ok_or_else(|| Error::config(key, "an array", "nothing"))
    }

    /// A token's id; writers say "none" with -1 in either sign.
    fn id(self, key: &str) -> Result<Option<u32>> {
        self.0.get(key).map_or(Ok(None), |value| id(key, value))
    }

    /// The ids of a field that holds one, or several.
    fn ids(self, key: &str) -> Result<Vec<u32>> {
        let values = match self.0.get(key) {
            None => &[],
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
        };
        let ids: Vec<Option<u32>> = values.iter().map(|value| id(key, value)).collect::<Result<_>>()?;
        Ok(ids.into_iter().flatten().collect())
    }

    fn ends(self) -> Result<Vec<u32>> {
        let ids: Vec<Vec<u32>> = ENDS.iter().map(|key| self.ids(key)).collect::<Result<_>>()?;
        Ok(ids.concat())
    }

    fn tokens(self) -> Result<Vec<VocabularyToken>> {
        let texts = self.required_array(TOKENS)?;
        check_count(texts.len())?;
        let kinds = self.array(TYPES)?;
        if let Some(kinds) = kinds.filter(|kinds| kinds.len() != texts.len()) {
            return Err(Error::config(TYPES, format!("{} entries, one per token", texts.len()), kinds.len()));
        }
        let token = |(index, text): (usize, &Value)| {
            let Value::String(text) = text else {
                return Err(Error::config(format!("{TOKENS}[{index}]"), "a string", kind_of(text)));
            };
            let kind = match kinds.map(|kinds| integer(&kinds[index])) {
                None => TokenKind::Text,
                Some(Some(1 | 6)) => TokenKind::Text,
                Some(Some(2 | 3)) => TokenKind::Special,
                Some(Some(4)) => TokenKind::Added,
                Some(Some(0 | 5)) => TokenKind::Unused,
                Some(other) => {
                    let found = other.map_or("no whole number".to_owned(), |kind| kind.to_string());
                    return Err(Error::config(format!("{TYPES}[{index}]"), "a number from 0 to 6", found));
                }
            };
            Ok(VocabularyToken::new(text.as_str(), kind))
        };
        texts.iter().enumerate().map(token).collect()
    }

    fn merges(self) -> Result<Vec<(String, String)>> {
        let pair = |(index, value): (usize, &Value)| {
            let bad = |found: String| {
                Error::config(format!("{MERGES}[{index}]"), "two tokens with a space between them", found)
            };
            let Value::String(text) = value else { return Err(bad(kind_of(value).to_owned())) };
            match text.split_once(' ') {
                Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
                    Ok((left.to_owned(), right.to_owned()))
                }
                _ => Err(bad(format!("`{}`", shown(text)))),
            }
        };
        self.required_array(MERGES)?.iter().enumerate().map(pair).collect()
    }
}

fn id(key: &str, value: &Value) -> Result<Option<u32>> {
    let id = integer(value).ok_or_else(|| Error::config(key, "a whole number", kind_of(value)))?;
    if id == -1 || id == i64::from(u32::MAX) {
        return Ok(None);
    }
    u32::try_from(id).map(Some).map_err(|_| Error::config(key, "a token's id", id))
}

fn integer(value: &Value) -> Option<i64> {
    match *value {
        Value::U8(x) => Some(x.into()),
        Value::I8(x) => Some(x.into()),
        Value::U16(x) => Some(x.into()),
        Value::I16(x) => Some(x.into()),
        Value::U32(x) => Some(x.into()),
        Value::I32(x) => Some(x.into()),
        Value::U64(x) => i64::try_from(x).ok(),
        Value::I64(x) => Some(x),
        _ => None,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Bool(_) => "true or false",
        Value::Array(_) => "an array",
        Value::F32(_) | Value::F64(_) => "a fraction",
        _ => "a whole number",
    }
}
