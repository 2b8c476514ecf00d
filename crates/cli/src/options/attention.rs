//! Which pattern each head gets.

use crate::model::{LoadedModel, NamedPlan, PatternFile};
use crate::options::Length;
use anyhow::{Result, bail};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use minference_attention::HeadPattern;
use minference_attention::pattern::PatternKind;
use minference_model::AttentionPlan;
use std::path::PathBuf;

/// What the heads of a model get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttentionKind {
    /// The same pattern for all heads.
    Uniform(PatternKind),
    /// For each head what a pattern file says.
    Minference,
}

impl AttentionKind {
    pub(crate) const DENSE: Self = Self::Uniform(PatternKind::Dense);

    /// As the command line spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform(kind) => kind.name(),
            Self::Minference => "minference",
        }
    }
}

impl ValueEnum for AttentionKind {
    fn value_variants<'a>() -> &'a [Self] {
        use PatternKind::{AShape, BlockSparse, TriShape, VerticalSlash};
        const ALL: [AttentionKind; 6] = [
            AttentionKind::DENSE,
            AttentionKind::Uniform(AShape),
            AttentionKind::Uniform(TriShape),
            AttentionKind::Uniform(VerticalSlash),
            AttentionKind::Uniform(BlockSparse),
            AttentionKind::Minference,
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Uniform(kind) => kind.to_possible_value(),
            Self::Minference => Some(PossibleValue::new(self.name()).help(
                "For each head what a pattern file says, that of --patterns or else the model's own; without one, \
                 vertical-slash with its default budgets for all; the last 64 tokens of a prompt see everything",
            )),
        }
    }
}

/// What to attend to while the prompt is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Attention")]
pub(crate) struct AttentionOptions {
    /// What the tokens of the prompt attend to; those of the answer attend to everything
    #[arg(long, value_enum, value_name = "KIND", default_value = "minference")]
    attention: AttentionKind,
    /// Patterns of single heads, for minference: a file of ours, or one as the paper's authors
    /// published them [default: the model's own, see below]
    #[arg(long, value_name = "FILE")]
    patterns: Option<PathBuf>,
    /// Columns of vertical-slash [default: a 64th of the prompt, at most 1000]
    #[arg(long, value_name = "KEYS")]
    vertical: Option<usize>,
    /// Diagonals of vertical-slash [default: an 8th of the prompt, at most 6096]
    #[arg(long, value_name = "DIAGONALS")]
    slash: Option<usize>,
    /// Blocks of block-sparse [default: 100]
    #[arg(long, value_name = "BLOCKS")]
    blocks: Option<usize>,
    /// First keys of a-shape and tri-shape [default: 1024, of tri-shape 128]
    #[arg(long, value_name = "KEYS")]
    sink: Option<usize>,
    /// Nearest keys of a-shape and tri-shape [default: 4096, of tri-shape 3968]
    #[arg(long, value_name = "KEYS")]
    local: Option<usize>,
    /// Last queries of tri-shape, which see everything [default: 100]
    #[arg(long, value_name = "QUERIES")]
    last: Option<usize>,
    /// Read the prompt so many tokens at a time, such as 8K: less memory, but patterns are
    /// estimated anew for each chunk [default: all at once]
    #[arg(long, value_name = "TOKENS")]
    chunk: Option<Length>,
}

impl AttentionOptions {
    /// The same with another kind, whose budgets are those that were given for it, or its defaults.
    pub(crate) fn with_kind(self, attention: AttentionKind) -> Self {
        Self { attention, ..self }
    }

    /// Tokens that are read at once, if not all.
    pub(crate) fn chunk(&self) -> Option<usize> {
        self.chunk.map(|length| length.0)
    }

    /// Refuses what would have no effect, or no meaning, before a model is fetched.
    pub(crate) fn check(&self) -> Result<()> {
        use AttentionKind::{Minference, Uniform};
        use PatternKind::{AShape, BlockSparse, TriShape, VerticalSlash};
        let uses: [(&str, bool, &[AttentionKind]); 7] = [
            ("--patterns", self.patterns.is_some(), &[Minference]),
            ("--vertical", self.vertical.is_some(), &[Uniform(VerticalSlash)]),
            ("--slash", self.slash.is_some(), &[Uniform(VerticalSlash)]),
            ("--blocks", self.blocks.is_some(), &[Uniform(BlockSparse)]),
            ("--sink", self.sink.is_some(), &[Uniform(AShape), Uniform(TriShape)]),
            ("--local", self.local.is_some(), &[Uniform(AShape), Uniform(TriShape)]),
            ("--last", self.last.is_some(), &[Uniform(TriShape)]),
        ];
        for (option, is_given, kinds) in uses {
            if is_given && !kinds.contains(&self.attention) {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                bail!(
                    "{option}: expected --attention {}, found --attention {}",
                    kinds.join(" or "),
                    self.attention.name()
                );
            }
        }
        Ok(())
    }

    /// The file of `--patterns`, read before a model is fetched.
    pub(crate) fn patterns(&self) -> Result<Option<PatternFile>> {
        self.patterns.as_deref().map(PatternFile::read).transpose()
    }

    /// The plan for a model and a prompt of some tokens.
    pub(crate) fn plan(
        &self,
        model: &LoadedModel,
        tokens: usize,
        patterns: Option<PatternFile>,
    ) -> Result<NamedPlan> {
        let AttentionKind::Uniform(kind) = self.attention else {
            return match patterns {
                None => NamedPlan::minference(model, tokens),
                Some(file) => Ok(NamedPlan::from_file(file.for_model(model)?, model, tokens)),
            };
        };
        let pattern = match kind {
            PatternKind::Dense => return Ok(NamedPlan::dense()),
            PatternKind::AShape => {
                let (sink, local) = (self.sink.unwrap_or(1024), self.local.unwrap_or(4096));
                HeadPattern::AShape { sink, local }
            }
            PatternKind::TriShape => HeadPattern::TriShape {
                sink: self.sink.unwrap_or(128),
                local: self.local.unwrap_or(3968),
                last: self.last.unwrap_or(100),
            },
            PatternKind::VerticalSlash => self.vertical_slash(HeadPattern::default_for(tokens)),
            PatternKind::BlockSparse => HeadPattern::BlockSparse { top_k: self.blocks.unwrap_or(100) },
        };
        let plan = AttentionPlan::Uniform(pattern);
        Ok(NamedPlan { kind: self.attention, pattern: pattern.to_string(), plan, advice: None })
    }

    fn vertical_slash(&self, default: HeadPattern) -> HeadPattern {
        match default {
            HeadPattern::VerticalSlash { vertical, slash } => HeadPattern::VerticalSlash {
                vertical: self.vertical.unwrap_or(vertical),
                slash: self.slash.unwrap_or(slash),
            },
            other => other,
        }
    }
}
