//! The vocabulary of a Hugging Face folder: `tokenizer.json`, and what the files beside it say
//! about special tokens.

mod files;
mod settings;

use super::parts::{TokenizerParts, VocabularyToken, check_count, shown};
use super::pieces::{PieceStyle, TokenKind};
use super::{Tokenizer, end_tokens};
use crate::error::{Error, Result};
use files::{AddedEntry, Folder, Merge, ModelEntry, TokenizerFile};
use serde_json::Value;
use settings::Settings;
use std::collections::HashMap;
use std::path::Path;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

impl Tokenizer {
    /// From a folder with `tokenizer.json`; `tokenizer_config.json`, `special_tokens_map.json`,
    /// `added_tokens.json`, `config.json`, `generation_config.json` and `chat_template.jinja` are
    /// read where they are there, as transformers 5.24 reads them.
    ///
    /// Supported are BPE vocabularies, byte-level ones and those with byte fallback: all that
    /// Llama-like models have.
    ///
    /// # Errors
    /// [`Error::Io`] for a `tokenizer.json` that can't be read; [`Error::File`] without one, for
    /// JSON that is not what it should be, and for other kinds of vocabularies; [`Error::Config`]
    /// for a vocabulary that contradicts itself.
    pub fn from_hugging_face(folder: &Path) -> Result<Self> {
        let folder = Folder::read(folder)?;
        let TokenizerFile { added_tokens, normalizer, pre_tokenizer, post_processor, decoder, model } =
            folder.tokenizer()?;
        let style = piece_style(decoder.as_ref()).ok_or_else(|| {
            let expected = "ByteLevel, or Replace, ByteFallback and Fuse (and Strip)";
            let found = decoder.as_ref().map_or("none".to_owned(), |decoder| shown(&decoder.to_string()));
            folder.wrong("decoder", expected, found)
        })?;
        let written = Written { normalizer, pre_tokenizer, unknown: model.unk_token.clone(), style };
        let Written { normalizer, pre_tokenizer, unknown, style } =
            Settings::of(&folder, style)?.apply(&folder, &model, written)?;
        let mut tokens = vocabulary(&model)?;
        let older = folder.older_added_tokens()?;
        for entry in older.into_iter().chain(added_tokens).chain(folder.more_added_tokens()?) {
            add(&mut tokens, entry)?;
        }
        name_special_tokens(&mut tokens, folder.named_tokens()?)?;
        let id_of = |name: &str| (0..).zip(&tokens).find(|(_, t)| t.text == name).map(|(id, _)| id);
        let bos = folder.special_token("bos_token").and_then(|name| id_of(&name));
        let eos = folder.special_token("eos_token").and_then(|name| id_of(&name));
        let prefix = match &post_processor {
            Some(processor) => prefix_of(processor, &folder)?,
            None => Vec::new(),
        };
        let named_ends: Vec<u32> = folder.end_names().iter().filter_map(|name| id_of(name)).collect();
        for id in bos.iter().chain(&named_ends) {
            let token = usize::try_from(*id).ok().and_then(|id| tokens.get_mut(id));
            if let Some(token) = token {
                token.kind = TokenKind::Special;
            }
        }
        end_tokens::make_special(&mut tokens, &[TokenKind::Added]);
        // an id beyond the vocabulary is never written, so that it ends nothing
        let known = |id: &u32| usize::try_from(*id).is_ok_and(|id| id < tokens.len());
        let end_tokens = folder.end_ids()?.into_iter().filter(known).chain(named_ends).collect();
        let merges = model.merges.into_iter().enumerate().map(|(index, merge)| match merge {
            Merge::Pair(pair) => Ok(pair),
            Merge::Line(line) => match line.split_once(' ') {
                Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
                None => Err(folder.wrong(&format!("merge {index}"), "two tokens", shown(&line))),
            },
        });
        TokenizerParts {
            merges: merges.collect::<Result<_>>()?,
            tokens,
            byte_fallback: model.byte_fallback,
            ignores_merges: model.ignore_merges,
            unknown,
            fuses_unknown: model.fuse_unk,
            normalizer,
            pre_tokenizer,
            style,
            bos,
            eos,
            prefix,
            chat_prefix: Vec::new(),
            end_tokens,
            chat_template: folder.chat_template(),
        }
        .build()
    }
}

/// What `tokenizer.json` says about the way from text to tokens and back, as far as settings change
/// it.
struct Written {
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    unknown: Option<String>,
    style: PieceStyle,
}

/// Tokens in the order of their ids; ids without a token are empty.
fn vocabulary(model: &ModelEntry) -> Result<Vec<VocabularyToken>> {
    let mut tokens = Vec::new();
    for (text, &id) in &model.vocab {
        *slot(&mut tokens, id)? = VocabularyToken::new(text.as_str(), TokenKind::Text);
    }
    Ok(tokens)
}

fn add(tokens: &mut Vec<VocabularyToken>, entry: AddedEntry) -> Result<()> {
    let slot = slot(tokens, entry.id)?;
    if !slot.text.is_empty() && slot.text != entry.content {
        let found = format!("`{}` and `{}`", shown(&slot.text), shown(&entry.content));
        return Err(Error::config(format!("token {}", entry.id), "one text", found));
    }
    *slot = VocabularyToken {
        kind: if entry.special { TokenKind::Special } else { TokenKind::Added },
        strips: (entry.lstrip, entry.rstrip),
        normalized: entry.normalized.unwrap_or(!entry.special),
        single_word: entry.single_word,
        text: entry.content,
    };
    Ok(())
}

/// Makes tokens that the settings name special ones: those of the vocabulary that were text, and
/// new ones after its end. What is known of added tokens stays.
fn name_special_tokens(tokens: &mut Vec<VocabularyToken>, named: Vec<AddedEntry>) -> Result<()> {
    if named.is_empty() {
        return Ok(());
    }
    let mut ids: HashMap<String, usize> =
        tokens.iter().enumerate().map(|(id, token)| (token.text.clone(), id)).collect();
    for mut entry in named {
        let id = *ids.entry(entry.content.clone()).or_insert(tokens.len());
        if tokens.get(id).is_none_or(|token| matches!(token.kind, TokenKind::Text)) {
            entry.id = u32::try_from(id).unwrap_or(u32::MAX);
            add(tokens, entry)?;
        }
    }
    Ok(())
}

/// The place of an id, made if it is not there yet.
fn slot(tokens: &mut Vec<VocabularyToken>, id: u32) -> Result<&mut VocabularyToken> {
    let index = usize::try_from(id).unwrap_or(usize::MAX);
    check_count(index.saturating_add(1))?;
    if index >= tokens.len() {
        tokens.resize(index + 1, VocabularyToken::new("", TokenKind::Unused));
    }
    Ok(&mut tokens[index])
}

/// How tokens print, from the steps that undo the vocabulary's writing.
fn piece_style(decoder: Option<&Value>) -> Option<PieceStyle> {
    let decoder = decoder?;
    let steps = match decoder["type"].as_str()? {
        "Sequence" => decoder["decoders"].as_array()?.as_slice(),
        _ => std::slice::from_ref(decoder),
    };
    let kinds: Vec<&str> = steps.iter().map(|step| step["type"].as_str()).collect::<Option<_>>()?;
    let writes_spaces = |step: &Value| step["pattern"]["String"] == "\u{2581}" && step["content"] == " ";
    let strips_one = |step: &Value| step["content"] == " " && step["start"] == 1 && step["stop"] == 0;
    match kinds.as_slice() {
        ["ByteLevel"] => Some(PieceStyle::ByteLevel),
        ["Replace", "ByteFallback", "Fuse"] if writes_spaces(&steps[0]) => {
            Some(PieceStyle::ByteFallback { strips_first_space: false })
        }
        ["Replace", "ByteFallback", "Fuse", "Strip"] if writes_spaces(&steps[0]) && strips_one(&steps[3]) => {
            Some(PieceStyle::ByteFallback { strips_first_space: true })
        }
        _ => None,
    }
}

/// The special tokens that a post-processor's template puts before the text. (Those that it puts
/// behind it end the text, and a prompt goes on.)
fn prefix_of(processor: &Value, folder: &Folder) -> Result<Vec<u32>> {
    match processor["type"].as_str() {
        Some("ByteLevel") => Ok(Vec::new()),
        Some("Sequence") => {
            let steps = processor["processors"].as_array().map_or(&[][..], Vec::as_slice);
            let prefixes: Vec<Vec<u32>> =
                steps.iter().map(|step| prefix_of(step, folder)).collect::<Result<_>>()?;
            Ok(prefixes.concat())
        }
        Some("TemplateProcessing") => {
            let pieces = processor["single"].as_array().map_or(&[][..], Vec::as_slice);
            let names = pieces.iter().map_while(|piece| piece["SpecialToken"]["id"].as_str());
            let ids = names.filter_map(|name| processor["special_tokens"][name]["ids"].as_array()).flatten();
            Ok(ids.filter_map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok())).collect())
        }
        other => {
            let expected = "TemplateProcessing or ByteLevel, or a Sequence of them";
            Err(folder.wrong("post_processor", expected, shown(other.unwrap_or("no type"))))
        }
    }
}
