//! [`Protocol`]: how the questions of one sample follow each other, and when its keys and values
//! are compressed.
//!
//! Both are those of SCBench (arXiv 2412.10319), whose texts are long and asked about several
//! times.
//!
//! | session | each question is asked |
//! |---|---|
//! | `requests` | of the text alone: earlier questions and answers are forgotten |
//! | `turns` | in one conversation, after the earlier questions and their reference answers |
//!
//! As in SCBench, what stands in the conversation are the *reference* answers, not the model's own:
//! all methods are asked the same, and one wrong answer does not spoil the next.
//!
//! | compression | what stays is chosen |
//! |---|---|
//! | `context` | once, when the text was read, before any question is known: a cache that is kept for later questions |
//! | `prompt` | when a question was read: of each request, from the whole text, as in SnapKV's paper; of a conversation, the first |
//!
//! A sample of one question is read as a whole, unless it is compressed before the question. Where
//! the parts of a prompt, text and question, are not known (RULER, InfiniteBench), the question is
//! always seen.
//!
//! ```
//! use minference_eval::evaluate::{CompressionTime, Protocol, SessionMode};
//!
//! let protocol = Protocol { session: "turns".parse()?, ..Protocol::default() };
//! assert_eq!(protocol.compression, CompressionTime::Context);
//! assert_eq!(protocol.settings()["session"], "turns");
//! // runs that say nothing are those of the default
//! assert!(Protocol::default().settings().is_empty());
//! // what each question compresses is a copy of what all of them share
//! let prompt = Protocol { compression: "prompt".parse()?, ..Protocol::default() };
//! assert!(prompt.copies_cache(5) && !prompt.copies_cache(1));
//! assert!("chat".parse::<SessionMode>().is_err());
//! # Ok::<(), minference_eval::Error>(())
//! ```

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::str::FromStr;

/// How the questions of a sample follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum SessionMode {
    /// Each is asked of the text alone.
    #[default]
    Requests,
    /// One after the other in a conversation, with the reference answers to those before, as in
    /// SCBench.
    Turns,
}

/// When keys and values are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum CompressionTime {
    /// When the text was read, before any question is known: the cache serves all questions.
    #[default]
    Context,
    /// When a question was read, too: for each request anew, in a conversation by the first
    /// question.
    Prompt,
}

/// How a sample is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Protocol {
    /// How its questions follow each other.
    pub session: SessionMode,
    /// When keys and values are compressed, by methods that do.
    pub compression: CompressionTime,
}

impl Protocol {
    /// The settings that change results. Defaults are left out, so that runs of earlier versions
    /// can go on.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        if self.session != SessionMode::default() {
            settings.insert("session".to_string(), self.session.name().to_string());
        }
        if self.compression != CompressionTime::default() {
            settings.insert("compressed after".into(), self.compression.name().into());
        }
        settings
    }
}

impl Protocol {
    /// Whether what all questions of a sample share is kept whole beside the copy that each
    /// question compresses.
    pub fn copies_cache(&self, questions: usize) -> bool {
        questions > 1
            && *self == Self { session: SessionMode::Requests, compression: CompressionTime::Prompt }
    }
}

impl SessionMode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Turns];

    /// As commands and results spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Turns => "turns",
        }
    }
}

impl CompressionTime {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Context, Self::Prompt];

    /// As commands and results spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Prompt => "prompt",
        }
    }
}

impl FromStr for SessionMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| Error::choice("session", "requests or turns", format!("{text:?}")))
    }
}

impl FromStr for CompressionTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|time| time.name() == text);
        found.ok_or_else(|| Error::choice("compress", "context or prompt", format!("{text:?}")))
    }
}
