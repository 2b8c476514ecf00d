//! How text is cut into words before merges: the pre-tokenizers of byte-level vocabularies, by the
//! names that GGUF files give them (`tokenizer.ggml.pre`).
//!
//! A name stands for a normal form and one or more steps; each cuts the pieces that the one before
//! it has left. A wrong one still gives plausible tokens and a worse model, so that names that are
//! not in [`KNOWN`] are refused.

mod expressions;
mod table;

use crate::error::{Error, Result, shown};
use expressions::TEKKEN;
use table::KNOWN;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct PreTokenizer {
    names: &'static [&'static str],
    /// Applied to the text, one after the other.
    steps: &'static [Step],
    /// Applied then, when each byte is written as the character that stands for it.
    byte_steps: &'static [Step],
    /// Text is brought into Unicode's normal form C first.
    composed: bool,
    /// A word that is a token is not built up by merges.
    pub(super) ignores_merges: bool,
    /// Raw prompts begin with the beginning-of-sequence token where the file does not say.
    pub(super) adds_bos: bool,
    /// The family never begins raw prompts with one, whatever the file says.
    pub(super) without_bos: bool,
}

/// One way of cutting a piece of text.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Each match of a regular expression is a piece, and what lies between two of them is one.
    Cut(&'static str),
    /// Each digit of any script is a piece.
    Digits,
    /// Digits side by side are a piece.
    RunsOfDigits,
    /// Punctuation side by side is a piece: Unicode's, and all signs of ASCII.
    RunsOfPunctuation,
}

impl Step {
    fn cutter(self) -> Result<PreTokenizerWrapper> {
        Ok(match self {
            Self::Cut(expression) => {
                let pattern = SplitPattern::Regex(expression.to_owned());
                Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                    .map_err(|e| Error::config("pre-tokenizer", "a regular expression", e))?
                    .into()
            }
            Self::Digits => Digits::new(true).into(),
            Self::RunsOfDigits => Digits::new(false).into(),
            Self::RunsOfPunctuation => Punctuation::new(SplitDelimiterBehavior::Contiguous).into(),
        })
    }
}

impl PreTokenizer {
    /// By the name that a GGUF file gives it.
    pub(super) fn named(name: &str) -> Result<Self> {
        KNOWN.into_iter().find(|known| known.names.contains(&name)).ok_or_else(|| {
            // llama.cpp's conversion writes it for what it does not know.
            let meaning = if name == "default" { ", which says that it is unknown" } else { "" };
            Error::config("tokenizer.ggml.pre", expected_names(), format!("`{}`{meaning}", shown(name)))
        })
    }

    pub(super) fn normalizer(&self) -> Option<NormalizerWrapper> {
        self.composed.then(|| NFC.into())
    }

    /// Cuts text and writes each byte as the character that stands for it in the vocabulary.
    pub(super) fn cutter(&self) -> Result<PreTokenizerWrapper> {
        let before = self.steps.iter().map(|step| step.cutter());
        let bytes = std::iter::once(Ok(ByteLevel::new(false, false, false).into()));
        let steps = before.chain(bytes).chain(self.byte_steps.iter().map(|step| step.cutter()));
        Ok(Sequence::new(steps.collect::<Result<_>>()?).into())
    }
}

/// Whether words are first cut as Mistral's newer vocabularies are.
pub(super) fn is_tekken(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().first().is_some_and(is_tekken),
        PreTokenizerWrapper::Split(step) => step.pattern == SplitPattern::Regex(TEKKEN.to_owned()),
        _ => false,
    }
}

/// The same for text that other text stands before: without a blank that only a text's beginning
/// gets.
pub(super) fn continuing(pre_tokenizer: &PreTokenizerWrapper) -> PreTokenizerWrapper {
    match pre_tokenizer {
        PreTokenizerWrapper::Metaspace(step) if step.prepend_scheme == PrependScheme::First => {
            Metaspace::new(step.get_replacement(), PrependScheme::Never, step.split).into()
        }
        PreTokenizerWrapper::Sequence(steps) => {
            Sequence::new(steps.as_ref().iter().map(continuing).collect()).into()
        }
        other => other.clone(),
    }
}

/// What a file must name.
pub(super) fn expected_names() -> String {
    format!("one of {}", known_names().collect::<Vec<_>>().join(", "))
}

pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().flat_map(|known| known.names).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _};

    fn words(name: &str, text: &str) -> Vec<String> {
        let mut cut = PreTokenizedString::from(text);
        PreTokenizer::named(name).unwrap().cutter().unwrap().pre_tokenize(&mut cut).unwrap();
        let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.iter().map(|(_, range, _)| text[range.0..range.1].to_owned()).collect()
    }

    #[test]
    fn names_differ_in_digits_apostrophes_and_newlines() {
        let text = "I'LL pay 12345.\n\n  done";
        let expected = ["I", "'", "LL", " pay", " 12345", ".", "\n\n ", " done"];
        assert_eq!(words("gpt-2", text), expected);
        let expected = ["I", "'LL", " pay", " ", "123", "45", ".\n\n", " ", " done"];
        assert_eq!(words("llama-bpe", text), expected);
        let expected = ["I", "'LL", " pay", " ", "1", "2", "3", "4", "5", ".\n\n", " ", " done"];
        assert_eq!(words("qwen2", text), expected);
        let expected = ["I", "'", "LL", " pay", " ", "1", "2", "3", "4", "5", ".", "\n\n ", " done"];
        assert_eq!(words("smollm", text), expected);
        let expected = ["I", "'LL", " pay", " ", "123", "45", ".\n\n", " ", " done"];
        assert_eq!(words("glm4", text), expected);
    }

    #[test]
    fn case_divides_words_for_tekken() {
        assert_eq!(words("tekken", "someCamelCase HTTPServer"), ["some", "Camel", "Case", " HTTPServer"]);
        assert_eq!(words("gpt-4o", "It's IT'S"), ["It's", " IT'S"]);
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let error = PreTokenizer::named("kimi-k2").unwrap_err().to_string();
        assert!(
            error.contains("`kimi-k2`") && error.contains("llama-bpe") && error.contains("qwen2"),
            "{error}"
        );
        let error = PreTokenizer::named("default").unwrap_err().to_string();
        assert!(error.contains("`default`, which says that it is unknown"), "{error}");
    }
}
