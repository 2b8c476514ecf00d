//! [`Settings`]: what `tokenizer_config.json` changes about `tokenizer.json`, as transformers 5.24
//! does it.
//!
//! transformers makes a class of a folder: mostly `TokenizersBackend`, which takes `tokenizer.json`
//! as it is written. Some classes take only vocabulary, merges and post-processor, and cut text by
//! rules of their own; of these, the settings of a leading blank matter:
//!
//! | setting | what it changes |
//! |---|---|
//! | `tokenizer_class`, and `config.json`'s `model_type` | which class it is |
//! | `legacy` | `LlamaTokenizer`: a blank before each stretch of text, not only before the first |
//! | `add_prefix_space` | `LlamaTokenizer`: whether there is one at all |
//! | | byte-level classes but `TokenizersBackend`: a blank before each word; refused where `tokenizer.json` says otherwise |
//! | `bos_token` and all other `*_token` | names of special tokens; new ones get ids ([`Folder::named_tokens`]) |
//! | `extra_special_tokens`, `additional_special_tokens`, `model_specific_special_tokens` | the same |
//! | `added_tokens_decoder` | the same, with the white space that belongs to them |
//! | `split_special_tokens` | names of special tokens are text, even those that a chat template writes: refused |
//! | `fix_mistral_regex` | another regular expression for Mistral's vocabularies: refused where `tokenizer.json` has the old one |
//! | `clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output` | what is printed: refused |
//!
//! All others change no id. `add_bos_token` and `add_eos_token` are not read beside a
//! `tokenizer.json`, whose post-processor counts; lengths, sides and padding concern batches;
//! `clean_up_tokenization_spaces`, `errors` and `spaces_between_special_tokens` other kinds of
//! vocabularies. All this was tried with transformers: `golden/tokenizer_settings`.
//!
//! Where a byte-level class would cut words otherwise than `tokenizer.json` does, the file counts:
//! models were trained with it.

use super::files::{Folder, ModelEntry};
use super::{PieceStyle, Written};
use crate::error::{Error, Result};
use crate::text::tokenizer::pre_tokenizer;
use tokenizers::PreTokenizerWrapper;
use tokenizers::normalizers::replace::Replace;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};

/// More tokens than this have the vocabularies that `fix_mistral_regex` is for.
const SMALL_VOCABULARY: usize = 100_000;

/// Families whose byte-level vocabularies were published with a wrong regular expression.
const MISTRAL: [&str; 5] = ["mistral", "mistral3", "voxtral", "ministral", "pixtral"];

/// Who makes tokens of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `TokenizersBackend`.
    AsWritten,
    /// `LlamaTokenizer`, with SentencePiece's blanks: before the text, and perhaps before each
    /// stretch between special tokens.
    Llama { prepend: PrependScheme },
    /// `GemmaTokenizer`: the same without a blank that is not in the text.
    Gemma,
    /// `Qwen2Tokenizer` and its kin, for byte-level vocabularies.
    ByteLevel { prefix: bool },
}

/// The settings that change how text becomes tokens.
#[derive(Debug)]
pub(super) struct Settings {
    class: Class,
    fixes_mistral: bool,
}

impl Settings {
    /// Of a folder whose tokens are written in a style.
    ///
    /// # Errors
    /// [`Error::File`] for a setting of another type, or one that is refused.
    pub(super) fn of(folder: &Folder, style: PieceStyle) -> Result<Self> {
        let refused = [
            "split_special_tokens",
            "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
        ];
        for name in refused {
            if folder.flag(name)? == Some(true) {
                return Err(folder.wrong_setting(name, "false, the only value that is supported", true));
            }
        }
        let prefix = folder.flag("add_prefix_space")?;
        let prepend = match (prefix, folder.flag("legacy")?) {
            (Some(false), _) => PrependScheme::Never,
            (_, Some(true)) => PrependScheme::Always,
            _ => PrependScheme::First,
        };
        let class = match class_name(folder, style) {
            "LlamaTokenizer" => Class::Llama { prepend },
            "GemmaTokenizer" => Class::Gemma,
            "CodeLlamaTokenizer" if prepend == PrependScheme::Always => {
                Class::Llama { prepend: PrependScheme::First }
            }
            "CodeLlamaTokenizer" => Class::Llama { prepend },
            "Qwen2Tokenizer" | "Qwen3_5Tokenizer" | "GPT2Tokenizer" | "CohereTokenizer"
            | "GPTNeoXTokenizer" => Class::ByteLevel { prefix: prefix == Some(true) },
            _ => Class::AsWritten,
        };
        Ok(Self { class, fixes_mistral: folder.flag("fix_mistral_regex")? == Some(true) })
    }

    /// What becomes of `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::File`] for settings that contradict it and are refused.
    pub(super) fn apply(&self, folder: &Folder, model: &ModelEntry, written: Written) -> Result<Written> {
        if self.fixes_mistral && model.vocab.len() > SMALL_VOCABULARY {
            check_mistral(folder, written.pre_tokenizer.as_ref())?;
        }
        let byte_level = written.style == PieceStyle::ByteLevel;
        match self.class {
            Class::Llama { prepend } if !byte_level => Ok(Written {
                normalizer: None,
                pre_tokenizer: Some(Metaspace::new('\u{2581}', prepend, false).into()),
                unknown: None,
                style: PieceStyle::ByteFallback { strips_first_space: prepend != PrependScheme::Never },
            }),
            Class::Gemma if !byte_level => {
                let blanks =
                    Replace::new(" ", "\u{2581}").map_err(|e| Error::config("normalizer", "blanks", e))?;
                Ok(Written {
                    normalizer: Some(blanks.into()),
                    pre_tokenizer: None,
                    unknown: written.unknown,
                    style: PieceStyle::ByteFallback { strips_first_space: false },
                })
            }
            Class::ByteLevel { prefix }
                if byte_level && prefix != adds_prefix(written.pre_tokenizer.as_ref()) =>
            {
                let expected = format!("{}, as in tokenizer.json", !prefix);
                Err(folder.wrong_setting("add_prefix_space", &expected, prefix))
            }
            _ => Ok(written),
        }
    }
}

/// The name of the class that transformers takes, without `Fast`.
fn class_name(folder: &Folder, style: PieceStyle) -> &str {
    let family = folder.model_text("model_type");
    match family {
        // These have no class of their own, whatever their files say.
        Some("mistral" | "phi3" | "glm" | "glm4") => return "TokenizersBackend",
        Some("qwen2") => return "Qwen2Tokenizer",
        _ => {}
    }
    let usual = match family {
        Some("qwen3") => "Qwen2Tokenizer",
        Some("gemma3" | "gemma3_text") => "GemmaTokenizer",
        _ => "TokenizersBackend",
    };
    let name = folder.class().map_or(usual, |name| name.strip_suffix("Fast").unwrap_or(name));
    // Llama 3 and its kin name a class that cannot read them.
    if name == "LlamaTokenizer" && style == PieceStyle::ByteLevel { "TokenizersBackend" } else { name }
}

/// Whether a pre-tokenizer puts a blank before words that have none.
fn adds_prefix(pre_tokenizer: Option<&PreTokenizerWrapper>) -> bool {
    match pre_tokenizer {
        Some(PreTokenizerWrapper::ByteLevel(step)) => step.add_prefix_space,
        Some(PreTokenizerWrapper::Sequence(steps)) => {
            steps.as_ref().iter().any(|step| adds_prefix(Some(step)))
        }
        _ => false,
    }
}

/// Refuses the wrong regular expression of Mistral's vocabularies, where the settings say that it
/// is to be another.
fn check_mistral(folder: &Folder, pre_tokenizer: Option<&PreTokenizerWrapper>) -> Result<()> {
    let is_family = folder.model_text("model_type").is_some_and(|family| MISTRAL.contains(&family));
    // Files that transformers 5 wrote have the right one.
    let major: Option<u32> =
        folder.model_text("transformers_version").and_then(|version| version.split('.').next()?.parse().ok());
    if !is_family
        || major.is_some_and(|major| major >= 5)
        || pre_tokenizer.is_none_or(pre_tokenizer::is_tekken)
    {
        return Ok(());
    }
    let expected = "false, or the right regular expression in tokenizer.json";
    Err(folder.wrong_setting("fix_mistral_regex", expected, true))
}
