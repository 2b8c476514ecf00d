//! Which pattern each head gets.

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use minference_attention::HeadPattern;
use minference_attention::pattern::config::PatternConfig;
use minference_model::{AttentionPlan, Model};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Kinds of attention, as the command line spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttentionChoice {
    /// All keys
    Dense,
    /// The first keys and the nearest
    AShape,
    /// The same, and everything for the last queries
    TriShape,
    /// The best columns and diagonals, estimated from the last queries
    VerticalSlash,
    /// The best blocks of 64 keys for each block of queries
    BlockSparse,
    /// Per head, what the model's pattern file says; without one, vertical-slash with budgets that grow with the prompt
    Minference,
}

impl fmt::Display for AttentionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// What to attend to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Attention")]
pub(crate) struct AttentionOptions {
    /// What prompt tokens attend to
    #[arg(long, value_enum, default_value = "minference")]
    attention: AttentionChoice,
    /// A pattern file, ours or in the format of the published ones, for --attention minference
    #[arg(long, value_name = "FILE")]
    patterns: Option<PathBuf>,
    /// Columns of vertical-slash [default: a 64th of the prompt, at most 1000]
    #[arg(long)]
    vertical: Option<usize>,
    /// Diagonals of vertical-slash [default: an 8th of the prompt, at most 6096]
    #[arg(long)]
    slash: Option<usize>,
    /// Blocks of block-sparse
    #[arg(long, default_value_t = 100)]
    top_k: usize,
    /// First keys of a-shape and tri-shape [default: 1024; tri-shape 128]
    #[arg(long)]
    sink: Option<usize>,
    /// Nearest keys of a-shape and tri-shape [default: 4096; tri-shape 3968]
    #[arg(long)]
    local: Option<usize>,
    /// Last queries of tri-shape, which see everything
    #[arg(long, default_value_t = 100)]
    last: usize,
    /// Read the prompt in chunks of so many tokens [default: in one piece]
    #[arg(long)]
    chunk: Option<usize>,
}

/// A plan, and what it is called.
pub(crate) struct NamedPlan {
    pub(crate) name: String,
    pub(crate) plan: AttentionPlan,
}

/// All keys for everyone.
pub(crate) fn dense_plan() -> NamedPlan {
    NamedPlan { name: AttentionChoice::Dense.to_string(), plan: AttentionPlan::Dense }
}

/// What a model gets by default.
pub(crate) fn default_plan() -> NamedPlan {
    NamedPlan { name: AttentionChoice::Minference.to_string(), plan: AttentionPlan::Default }
}

impl AttentionOptions {
    /// Tokens that are read at once, if not all.
    pub(crate) fn chunk(&self) -> Option<usize> {
        self.chunk
    }

    /// The plan for a model and a prompt of some tokens.
    pub(crate) fn plan(&self, model: &Model, tokens: usize) -> Result<NamedPlan> {
        if self.chunk == Some(0) {
            bail!("--chunk: expected at least 1, found 0");
        }
        if self.patterns.is_some() && self.attention != AttentionChoice::Minference {
            bail!("--patterns is for --attention minference, found --attention {}", self.attention);
        }
        let name = self.attention.to_string();
        let uniform = |pattern| AttentionPlan::Uniform(pattern);
        let plan = match self.attention {
            AttentionChoice::Dense => AttentionPlan::Dense,
            AttentionChoice::AShape => uniform(HeadPattern::AShape {
                sink: self.sink.unwrap_or(1024),
                local: self.local.unwrap_or(4096),
            }),
            AttentionChoice::TriShape => uniform(HeadPattern::TriShape {
                sink: self.sink.unwrap_or(128),
                local: self.local.unwrap_or(3968),
                last: self.last,
            }),
            AttentionChoice::VerticalSlash => match HeadPattern::default_for(tokens) {
                HeadPattern::VerticalSlash { vertical, slash } => uniform(HeadPattern::VerticalSlash {
                    vertical: self.vertical.unwrap_or(vertical),
                    slash: self.slash.unwrap_or(slash),
                }),
                other => uniform(other),
            },
            AttentionChoice::BlockSparse => uniform(HeadPattern::BlockSparse { top_k: self.top_k }),
            AttentionChoice::Minference => match &self.patterns {
                None => AttentionPlan::Default,
                Some(path) => {
                    let config = model.decoder().config();
                    let patterns = PatternConfig::read_for_model(path, config.layers.len(), config.heads)
                        .context("can't use this pattern file")?;
                    AttentionPlan::PerHead(Arc::new(patterns))
                }
            },
        };
        Ok(NamedPlan { name, plan })
    }
}
