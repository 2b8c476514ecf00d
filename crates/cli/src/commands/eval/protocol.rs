//! How several questions about one text are asked.

use clap::{Args, ValueEnum};
use minference_eval::evaluate::{CompressionTime, Protocol, SessionMode};

/// How questions follow each other, and what they find kept.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ProtocolOptions {
    /// How several questions about one text follow each other
    #[arg(long, value_enum, default_value = "requests", value_name = "MODE", help_heading = "Evaluation")]
    session: SessionChoice,
    /// When methods that compress choose what stays
    #[arg(long, value_enum, default_value = "context", value_name = "WHEN", help_heading = "Evaluation")]
    compress: CompressChoice,
}

/// Modes of SCBench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SessionChoice {
    /// Each is asked of the text alone
    Requests,
    /// One after the other in a conversation, with the reference answers to those before, as in
    /// SCBench
    Turns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressChoice {
    /// When the text was read, before any question is known: the cache serves all questions
    Context,
    /// When a question was read, too: for each request anew, in a conversation by the first
    /// question
    Prompt,
}

impl From<ProtocolOptions> for Protocol {
    fn from(options: ProtocolOptions) -> Self {
        Self {
            session: match options.session {
                SessionChoice::Requests => SessionMode::Requests,
                SessionChoice::Turns => SessionMode::Turns,
            },
            compression: match options.compress {
                CompressChoice::Context => CompressionTime::Context,
                CompressChoice::Prompt => CompressionTime::Prompt,
            },
        }
    }
}
