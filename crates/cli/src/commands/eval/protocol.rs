//! How several questions about one text are asked.

use clap::Args;
use minference_eval::evaluate::{CompressionTime, Protocol, SessionMode};

/// How questions follow each other, and what they find kept.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ProtocolOptions {
    /// How several questions about one text follow each other
    #[arg(long, value_enum, default_value = "requests", value_name = "MODE", help_heading = "Evaluation")]
    session: SessionMode,
    /// When methods that compress choose what stays
    #[arg(long, value_enum, default_value = "context", value_name = "WHEN", help_heading = "Evaluation")]
    compress: CompressionTime,
}

impl From<ProtocolOptions> for Protocol {
    fn from(options: ProtocolOptions) -> Self {
        Self { session: options.session, compression: options.compress }
    }
}
