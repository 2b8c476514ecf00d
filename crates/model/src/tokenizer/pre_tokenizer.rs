//! How text is cut into words before merges: the pre-tokenizers of byte-level vocabularies, by the names that GGUF files give
//! them (`tokenizer.ggml.pre`).
//!
//! A name stands for a normal form and one or more regular expressions; each cuts the pieces that the one before it has left. A wrong
//! one still gives plausible tokens and a worse model, so that names that are not in [`KNOWN`] are refused.

use crate::error::{Error, Result, shown};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DIGIT: &str = r"\p{N}";

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct PreTokenizer {
    names: &'static [&'static str],
    /// Applied one after the other.
    expressions: &'static [&'static str],
    /// Text is brought into Unicode's normal form C first.
    composed: bool,
    /// A word that is a token is not built up by merges.
    pub(super) ignores_merges: bool,
    /// Raw prompts begin with the beginning-of-sequence token where the file does not say.
    pub(super) adds_bos: bool,
    /// The family never begins raw prompts with one, whatever the file says.
    pub(super) without_bos: bool,
}

const PLAIN: PreTokenizer = PreTokenizer {
    names: &[],
    expressions: &[],
    composed: false,
    ignores_merges: false,
    adds_bos: false,
    without_bos: false,
};

/// Sources: the `tokenizer.json` of the families, and what llama.cpp does for the name.
const KNOWN: [PreTokenizer; 9] = [
    PreTokenizer { names: &["gpt-2"], expressions: &[GPT2], ..PLAIN },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3"],
        expressions: &[LLAMA3],
        ignores_merges: true,
        adds_bos: true,
        ..PLAIN
    },
    PreTokenizer { names: &["qwen2"], expressions: &[QWEN2], composed: true, ..PLAIN },
    PreTokenizer { names: &["smollm", "starcoder"], expressions: &[DIGIT, GPT2], ..PLAIN },
    PreTokenizer {
        names: &["glm4"],
        expressions: &[LLAMA3],
        ignores_merges: true,
        without_bos: true,
        ..PLAIN
    },
    PreTokenizer { names: &["chatglm-bpe"], expressions: &[LLAMA3], without_bos: true, ..PLAIN },
    PreTokenizer { names: &["dbrx", "smaug-bpe"], expressions: &[LLAMA3], ..PLAIN },
    PreTokenizer {
        names: &["tekken"],
        expressions: &[TEKKEN],
        ignores_merges: true,
        adds_bos: true,
        ..PLAIN
    },
    PreTokenizer { names: &["gpt-4o"], expressions: &[GPT4O], ..PLAIN },
];

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
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        for expression in self.expressions {
            let pattern = SplitPattern::Regex((*expression).to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|e| Error::config("pre-tokenizer", "a regular expression", e))?;
            steps.push(split.into());
        }
        steps.push(ByteLevel::new(false, false, false).into());
        Ok(Sequence::new(steps).into())
    }
}

/// What a file must name.
pub(super) fn expected_names() -> String {
    let names: Vec<&str> = KNOWN.iter().flat_map(|known| known.names).copied().collect();
    format!("one of {}", names.join(", "))
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
