//! [`TokenizerParts`]: a vocabulary as any file describes it, checked, and made into a
//! [`Tokenizer`].

use super::pieces::{PieceStyle, Pieces, TokenKind};
use super::{Tokenizer, end_tokens};
pub(super) use crate::error::shown;
use crate::error::{Error, Result};
use std::collections::HashSet;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{AddedToken, AddedVocabulary, NormalizerWrapper, PreTokenizerWrapper};

/// No vocabulary is near it; a hostile file must not cost more memory than it has bytes.
const MOST_TOKENS: usize = 1 << 21;

/// A token of a vocabulary; its id is its place.
#[derive(Debug, Clone)]
pub(super) struct VocabularyToken {
    /// As the vocabulary writes it; empty where the id is not in use.
    pub(super) text: String,
    pub(super) kind: TokenKind,
    /// White space before, or after, its name in a prompt belongs to it.
    pub(super) strips: (bool, bool),
    /// Its name in a prompt is looked for after the text is normalised.
    pub(super) normalized: bool,
    /// Only where it is a word of its own.
    pub(super) single_word: bool,
}

impl VocabularyToken {
    pub(super) fn new(text: impl Into<String>, kind: TokenKind) -> Self {
        Self { text: text.into(), kind, strips: (false, false), normalized: false, single_word: false }
    }
}

/// What a file says about tokens.
pub(super) struct TokenizerParts {
    pub(super) tokens: Vec<VocabularyToken>,
    /// Pairs of tokens, the first merged first.
    pub(super) merges: Vec<(String, String)>,
    pub(super) byte_fallback: bool,
    pub(super) ignores_merges: bool,
    pub(super) unknown: Option<String>,
    pub(super) fuses_unknown: bool,
    pub(super) normalizer: Option<NormalizerWrapper>,
    pub(super) pre_tokenizer: Option<PreTokenizerWrapper>,
    pub(super) style: PieceStyle,
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    /// What a raw prompt begins with.
    pub(super) prefix: Vec<u32>,
    /// What a conversation begins with where its template does not write it.
    pub(super) chat_prefix: Vec<u32>,
    /// Tokens that end an answer by the file's own word; well-known names are added.
    pub(super) end_tokens: Vec<u32>,
    pub(super) chat_template: Option<String>,
}

impl TokenizerParts {
    pub(super) fn build(self) -> Result<Tokenizer> {
        let vocabulary = self.vocabulary()?;
        self.check_ids()?;
        self.check_merges(&vocabulary)?;
        let mut builder = BPE::builder()
            .vocab_and_merges(vocabulary, self.merges)
            .byte_fallback(self.byte_fallback)
            .ignore_merges(self.ignores_merges)
            .fuse_unk(self.fuses_unknown);
        if let Some(unknown) = self.unknown {
            builder = builder.unk_token(unknown);
        }
        let model = builder.build().map_err(|e| Error::config("vocabulary", "one that can be built", e))?;

        let mut parsing = AddedVocabulary::new();
        let added = self.tokens.iter().filter(|t| matches!(t.kind, TokenKind::Added | TokenKind::Special));
        let added = added.map(|token| {
            AddedToken::from(token.text.clone(), token.kind == TokenKind::Special)
                .normalized(token.normalized)
                .lstrip(token.strips.0)
                .rstrip(token.strips.1)
                .single_word(token.single_word)
        });
        parsing
            .add_tokens(added, &model, self.normalizer.as_ref())
            .map_err(|e| Error::config("special tokens", "names that differ", e))?;
        let mut plain = parsing.clone();
        plain.set_encode_special_tokens(true);

        let pieces = Pieces::new(self.tokens.iter().map(|t| (t.text.as_str(), t.kind)), self.style);
        let mut end_tokens = end_tokens::well_known(&self.tokens);
        end_tokens.extend(self.end_tokens);
        end_tokens.sort_unstable();
        end_tokens.dedup();
        Ok(Tokenizer {
            model,
            normalizer: self.normalizer,
            pre_tokenizer: self.pre_tokenizer,
            parsing,
            plain,
            pieces,
            bos: self.bos,
            eos: self.eos,
            prefix: self.prefix,
            chat_prefix: self.chat_prefix,
            end_tokens,
            chat_template: self.chat_template,
        })
    }

    /// Token to id, with every text once.
    fn vocabulary(&self) -> Result<Vocab> {
        check_count(self.tokens.len())?;
        let mut vocabulary = Vocab::with_capacity(self.tokens.len());
        for (id, token) in (0..).zip(&self.tokens).filter(|(_, token)| !token.text.is_empty()) {
            if let Some(first) = vocabulary.insert(token.text.clone(), id) {
                let found = format!("`{}` with the ids {first} and {id}", shown(&token.text));
                return Err(Error::config("vocabulary", "tokens that differ", found));
            }
        }
        if vocabulary.is_empty() {
            return Err(Error::config("vocabulary", "tokens", "none"));
        }
        Ok(vocabulary)
    }

    fn check_ids(&self) -> Result<()> {
        let ids = self.bos.iter().chain(&self.eos).chain(&self.prefix).chain(&self.end_tokens);
        for &id in ids {
            if usize::try_from(id).is_ok_and(|id| id >= self.tokens.len()) {
                let expected = format!("an id below {}", self.tokens.len());
                return Err(Error::config("special token", expected, id));
            }
        }
        Ok(())
    }

    /// The library trusts that both tokens and their join are in the vocabulary.
    fn check_merges(&self, vocabulary: &Vocab) -> Result<()> {
        if let Some(unknown) = self.unknown.as_ref().filter(|text| !vocabulary.contains_key(*text)) {
            return Err(Error::config("unknown token", "one of the vocabulary", shown(unknown)));
        }
        let mut seen = HashSet::with_capacity(self.merges.len());
        for (index, (left, right)) in self.merges.iter().enumerate() {
            let joined = format!("{left}{right}");
            for token in [left, right, &joined] {
                if !vocabulary.contains_key(token) {
                    let found = format!("`{}`, which is none", shown(token));
                    return Err(Error::config(format!("merge {index}"), "tokens of the vocabulary", found));
                }
            }
            if !seen.insert((left, right)) {
                let found = format!("`{}` and `{}` again", shown(left), shown(right));
                return Err(Error::config(format!("merge {index}"), "pairs that differ", found));
            }
        }
        Ok(())
    }
}

/// Refuses a number of tokens that no vocabulary has.
pub(super) fn check_count(count: usize) -> Result<()> {
    if count > MOST_TOKENS {
        return Err(Error::config("vocabulary", format!("at most {MOST_TOKENS} tokens"), count));
    }
    Ok(())
}
