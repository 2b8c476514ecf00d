//! What can be wrong with a model, with what was expected and what was found. Texts of errors don't
//! repeat their source's ([`minference_attention::error`] says why).

use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a model's configuration.
    #[error("{field}: expected {expected}, found {found}")]
    Config {
        /// The field's path, such as `rope_scaling.factor`.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file that can't be read or written.
    #[error("can't access {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model file that is not what it should be.
    #[error("{path}: {place}: expected {expected}, found {found}")]
    File {
        /// The file.
        path: PathBuf,
        /// Where in it, such as `tensor blk.3.attn_q.weight`.
        place: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A tensor, or an argument, of the wrong shape or size.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which tensor or argument.
        what: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A prompt that does not fit.
    #[error("the prompt has {tokens} tokens: expected {expected}")]
    Prompt {
        /// Its length.
        tokens: usize,
        /// What would fit, and what to do.
        expected: String,
    },
    /// More memory than there is.
    #[error("not enough memory for {what}: {needed} bytes are needed, {available} are there")]
    OutOfMemory {
        /// What the memory is for.
        what: String,
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
    },
    /// A token id that the vocabulary does not have.
    #[error("token {id}: expected an id below {vocabulary}, the size of the vocabulary")]
    UnknownToken {
        /// The id.
        id: u32,
        /// Number of ids.
        vocabulary: usize,
    },
    /// A text with a token that the vocabulary names and the model has no row for.
    #[error(
        "the prompt holds `{token}`, token {id} of the vocabulary, which this model can't read: expected tokens below {rows}, the rows of its \
         embedding; take it out"
    )]
    TokenWithoutRow {
        /// The id.
        id: u32,
        /// Its name.
        token: String,
        /// Number of ids that the model can read.
        rows: usize,
    },
    /// A model without a chat template, where one is needed.
    #[error("the model has no chat template: give the prompt as it is (`--raw`)")]
    NoChatTemplate,
    /// A chat template that can't be rendered.
    #[error("the model's chat template, line {line}: {message}")]
    ChatTemplate {
        /// Counted from 1; 0 where it is not known.
        line: usize,
        /// What is wrong, or what the template objects to.
        message: String,
    },
    /// A variable for a chat template that can't be given.
    #[error("argument `{name}` of the chat template: {message}")]
    TemplateArgument {
        /// What it is called.
        name: String,
        /// What was expected, and what was found.
        message: String,
    },
    /// A message with a special token's name, and a chat template that does not write messages as
    /// they are, so that the name could pass for the template's own.
    #[error(
        "a message holds `{token}`, a special token of the model, and the chat template changes such messages: \
         expected messages without it; take it out, or give the prompt as it is (`--raw`)"
    )]
    SpecialTokenInMessage {
        /// The name.
        token: String,
    },
    /// Logits that no token can be chosen from.
    #[error(
        "logits: expected finite numbers, or minus infinity for tokens that are ruled out; found {found}"
    )]
    Logits {
        /// What is there.
        found: String,
    },
    /// Attention refused its inputs, or was cancelled.
    #[error(transparent)]
    Attention(#[from] minference_attention::Error),
}

impl Error {
    /// The file that it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. } | Self::File { path, .. } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn config(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Config { field: shown(&field.into()), expected: expected.into(), found: found.to_string() }
    }

    pub(crate) fn file(
        path: &Path,
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        let (place, expected, found) = (shown(&place.into()), expected.into(), found.to_string());
        Self::File { path: path.into(), place, expected, found }
    }

    /// For `map_err` of whatever touches a file.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }

    /// The same error, saying which file holds the field or the tensor.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Config { field: place, expected, found } | Self::Shape { what: place, expected, found } => {
                Self::File { path: path.into(), place, expected, found }
            }
            other => other,
        }
    }

    pub(crate) fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }
}

/// A text of a file in an error: files can hold megabytes where a name belongs, and characters that
/// move a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut characters = text.chars();
    let mut short = String::new();
    for character in characters.by_ref().take(LONGEST) {
        match character {
            '"' | '\'' | '\\' => short.push(character),
            other => short.extend(other.escape_debug()),
        }
    }
    if characters.next().is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_files_are_short_and_printable() {
        assert_eq!(shown("blk.0.attn_q.weight \"é\""), "blk.0.attn_q.weight \"é\"");
        assert_eq!(shown("a\u{1b}[31m\n\u{202e}b"), "a\\u{1b}[31m\\n\\u{202e}b");
        assert_eq!(shown(&"x".repeat(5000)).len(), 103);
        let error = Error::file(Path::new("f"), format!("tensor {}", "y".repeat(5000)), "a", "b");
        assert!(error.to_string().len() < 150);
    }
}
