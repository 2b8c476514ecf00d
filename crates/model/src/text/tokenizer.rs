//! [`Tokenizer`]: text to token ids and back.
//!
//! A vocabulary comes from a GGUF file's metadata or from a Hugging Face folder; both give the ids
//! that the model was trained with, or an error that names what is not supported. Nothing is
//! guessed: a wrong way of cutting words gives plausible tokens and quietly worse answers.
//!
//! Prompts hold two kinds of text. What a chat template writes holds the names of special tokens
//! (`<|im_start|>`), which must become their ids: [`SpecialTokens::Parsed`]. What a user wrote may
//! hold such names too, and there they are only text: [`SpecialTokens::AsText`]. llama.cpp and
//! transformers parse them everywhere by default; here the caller says, and
//! [`ChatTemplate::encode`](crate::text::chat_template::ChatTemplate::encode) keeps the two apart
//! in a conversation.
//!
//! ```no_run
//! use minference_model::text::tokenizer::{SpecialTokens, Tokenizer};
//!
//! let tokenizer = Tokenizer::from_hugging_face("models/SmolLM2-135M-Instruct".as_ref())?;
//! let mut prompt = tokenizer.prompt_prefix().to_vec();
//! prompt.extend(tokenizer.encode("The capital of France is", SpecialTokens::AsText)?);
//! assert_eq!(tokenizer.decode(&prompt)?, "The capital of France is");
//! # Ok::<(), minference_model::Error>(())
//! ```

mod byte_level;
mod end_tokens;
mod gguf;
mod hugging_face;
mod parts;
mod pieces;
mod pre_tokenizer;

use crate::error::{Error, Result};
use pieces::{Pieces, TokenKind};
use std::fmt;
use std::ops::Range;
use tokenizers::models::bpe::BPE;
use tokenizers::{
    AddedVocabulary, Model as _, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizer as _,
    PreTokenizerWrapper,
};

/// More white space in one run than the regular expressions of pre-tokenizers can walk back over.
const LONGEST_WHITE_SPACE: usize = 500_000;

/// What the names of special tokens in a text mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialTokens {
    /// They are text like any other: for text from elsewhere.
    AsText,
    /// They become the tokens' ids: for what a chat template writes.
    Parsed,
}

/// Text to token ids and back, as one model was trained with.
#[derive(Clone)]
pub struct Tokenizer {
    model: BPE,
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    /// Finds added tokens in a text, special ones too.
    parsing: AddedVocabulary,
    /// The same, passing special ones over.
    plain: AddedVocabulary,
    pieces: Pieces,
    bos: Option<u32>,
    eos: Option<u32>,
    prefix: Vec<u32>,
    chat_prefix: Vec<u32>,
    end_tokens: Vec<u32>,
    chat_template: Option<String>,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocabulary_size())
    }
}

impl Tokenizer {
    /// The ids of a text, without what a raw prompt begins with ([`Tokenizer::prompt_prefix`]).
    ///
    /// Time is linear in the text: about a second for a megabyte of English.
    ///
    /// # Errors
    /// [`Error::Shape`] for more than 500,000 white-space characters in a row; [`Error::Config`]
    /// where the vocabulary has no token for a part of the text.
    pub fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        self.encode_with(self.pre_tokenizer.as_ref(), text, special)
    }

    /// The same for text that follows other text of one prompt: some vocabularies put a blank
    /// before the first word of a prompt, and only there.
    pub(crate) fn encode_continuing(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        self.encode_with(self.pre_tokenizer.as_ref().map(pre_tokenizer::continuing).as_ref(), text, special)
    }

    fn encode_with(
        &self,
        pre_tokenizer: Option<&PreTokenizerWrapper>,
        text: &str,
        special: SpecialTokens,
    ) -> Result<Vec<u32>> {
        check_white_space(text)?;
        let added = match special {
            SpecialTokens::AsText => &self.plain,
            SpecialTokens::Parsed => &self.parsing,
        };
        let failed = |e| Error::config("vocabulary", "tokens for every text", e);
        let mut cut = added.extract_and_normalize(self.normalizer.as_ref(), text);
        if let Some(pre_tokenizer) = pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut cut).map_err(failed)?;
        }
        let mut ids = Vec::with_capacity(text.len() / 3);
        for (word, _, found) in cut.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            match found {
                Some(tokens) => ids.extend(tokens.iter().map(|token| token.id)),
                None => {
                    let tokens = self.model.tokenize(word).map_err(failed)?;
                    // The library drops what is not in the vocabulary.
                    if tokens.last().map_or(0, |token| token.offsets.1) != word.len() {
                        let found = format!("none for a part of `{}`", parts::shown(word));
                        return Err(Error::config("vocabulary", "tokens for every text", found));
                    }
                    ids.extend(tokens.iter().map(|token| token.id));
                }
            }
        }
        Ok(ids)
    }

    /// Where a text holds names of special tokens, in bytes, with the ids that
    /// [`SpecialTokens::Parsed`] would make of them.
    pub(crate) fn special_tokens_in(&self, text: &str) -> Vec<(Range<usize>, u32)> {
        let cut = self.parsing.extract_and_normalize(self.normalizer.as_ref(), text);
        let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let special = splits.into_iter().filter_map(|(_, (start, end), found)| {
            let id = found.as_ref()?.first()?.id;
            matches!(self.piece(id), Ok((_, TokenKind::Special))).then_some((start..end, id))
        });
        special.collect()
    }

    /// The names of special tokens in a text, each once, in the order of their first places: what
    /// [`SpecialTokens::AsText`] reads as text and [`SpecialTokens::Parsed`] does not.
    pub fn special_names_in(&self, text: &str) -> Vec<String> {
        let mut ids: Vec<u32> = Vec::new();
        for (_, id) in self.special_tokens_in(text) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.into_iter().filter_map(|id| self.token_text(id).ok()).collect()
    }

    /// The text of tokens, without special ones. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id beyond the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend(self.printed(id)?);
        }
        let skipped = usize::from(self.pieces.strips_first_space() && bytes.first() == Some(&b' '));
        Ok(String::from_utf8_lossy(&bytes[skipped..]).into_owned())
    }

    /// What one token prints, or a special token's name; bytes that are no UTF-8 of their own
    /// become U+FFFD.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id beyond the vocabulary.
    pub fn token_text(&self, id: u32) -> Result<String> {
        let (bytes, _) = self.piece(id)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Number of ids. The model's matrices may have more rows, for which there is no name, or
    /// fewer: then the last ids can be neither read nor written.
    pub fn vocabulary_size(&self) -> usize {
        self.pieces.len()
    }

    /// The beginning-of-sequence token, if the file names one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-sequence token, if the file names one. Others may end an answer too:
    /// [`Tokenizer::end_tokens`].
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// What a raw prompt must begin with: the beginning-of-sequence token, or nothing. Most chat
    /// templates write it themselves.
    pub fn prompt_prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// What a conversation must begin with, whether or not the chat template writes it. As for a
    /// raw prompt in GGUF files, which llama.cpp reads so; nothing in a Hugging Face folder, where
    /// transformers leaves it to the template.
    pub fn chat_prefix(&self) -> &[u32] {
        &self.chat_prefix
    }

    /// The tokens that end an answer, in rising order: all that the model's files name, wherever
    /// they do, and those with well-known names (`<|im_end|>`, `<|eot_id|>`, `<end_of_turn>`, ...),
    /// whatever the vocabulary takes them for.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// The source of the model's chat template, for
    /// [`ChatTemplate`](crate::text::chat_template::ChatTemplate).
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// The bytes that a token adds to an answer; none for special and unused tokens.
    pub(crate) fn printed(&self, id: u32) -> Result<&[u8]> {
        let (bytes, kind) = self.piece(id)?;
        Ok(if matches!(kind, TokenKind::Text | TokenKind::Added) { bytes } else { &[] })
    }

    /// Whether the first space of an answer is not printed.
    pub(crate) fn strips_first_space(&self) -> bool {
        self.pieces.strips_first_space()
    }

    fn piece(&self, id: u32) -> Result<(&[u8], TokenKind)> {
        self.pieces.get(id).ok_or(Error::UnknownToken { id, vocabulary: self.vocabulary_size() })
    }
}

/// Tokens after what they must begin with, which is there once.
pub(crate) fn begun(prefix: &[u32], tokens: Vec<u32>) -> Vec<u32> {
    if tokens.starts_with(prefix) { tokens } else { [prefix, &tokens].concat() }
}

/// The regular expressions' engine stops silently where a run of white space is longer than its
/// stack.
fn check_white_space(text: &str) -> Result<()> {
    let (mut run, mut longest) = (0, 0);
    for character in text.chars() {
        run = if character.is_whitespace() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    if longest > LONGEST_WHITE_SPACE {
        let expected = format!("at most {LONGEST_WHITE_SPACE} white-space characters in a row");
        return Err(Error::shape("text", expected, longest));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
