//! [`NamedPlan`]: which pattern each head gets, and what people call it.

use crate::model::LoadedModel;
use crate::options::AttentionKind;
use anyhow::{Context, Result};
use minference_attention::HeadPattern;
use minference_attention::pattern::config::PatternConfig;
use minference_model::AttentionPlan;
use minference_model::patterns::files::{ModelPatterns, PatternSource};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pattern file that was read, but not yet held against a model.
#[derive(Clone)]
pub(crate) struct PatternFile {
    path: PathBuf,
    patterns: PatternConfig,
}

impl PatternFile {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let patterns = PatternConfig::read(path).context("can't use this pattern file")?;
        Ok(Self { path: path.to_path_buf(), patterns })
    }

    /// Its patterns, if they are for a model.
    pub(crate) fn for_model(self, model: &LoadedModel) -> Result<ModelPatterns> {
        let (config, fingerprint) = (model.model.decoder().config(), model.model.fingerprint());
        ModelPatterns::new(PatternSource::File(self.path), self.patterns, config, fingerprint)
            .context("can't use this pattern file")
    }
}

/// A plan, and what people call it.
pub(crate) struct NamedPlan {
    pub(crate) kind: AttentionKind,
    /// What the kind stands for: a pattern with its budgets, or a pattern file.
    pub(crate) pattern: String,
    pub(crate) plan: AttentionPlan,
    /// How to get better patterns, where that is likely.
    pub(crate) advice: Option<String>,
}

impl NamedPlan {
    /// All keys for everyone.
    pub(crate) fn dense() -> Self {
        Self {
            kind: AttentionKind::DENSE,
            pattern: "every key".into(),
            plan: AttentionPlan::Dense,
            advice: None,
        }
    }

    /// What a model gets for a prompt of some tokens: what its own pattern file says, or else the
    /// default.
    pub(crate) fn minference(model: &LoadedModel, tokens: usize) -> Result<Self> {
        if let Some(found) = model.own_patterns()? {
            return Ok(Self::from_file(found, model, tokens));
        }
        let advice = format!(
            "These are default patterns. `minference search --model {}` finds those of this model.",
            model.name
        );
        Ok(Self {
            kind: AttentionKind::Minference,
            pattern: HeadPattern::default_for(tokens).to_string(),
            plan: AttentionPlan::Default,
            advice: Some(advice),
        })
    }

    pub(crate) fn from_file(found: ModelPatterns, model: &LoadedModel, tokens: usize) -> Self {
        let searched = found.patterns.provenance();
        let searched =
            searched.and_then(|search| search.calibration.iter().map(|sample| sample.tokens).max());
        // Budgets are numbers of tokens. Patterns that were good for half of this prompt may see
        // too little of the whole.
        let advice = searched.filter(|searched| tokens > 2 * searched).map(|searched| {
            format!(
                "The patterns were searched with {searched} tokens, the prompt has {tokens}. `minference search --model {} --tokens {tokens}` \
                 finds patterns for this length.",
                model.name
            )
        });
        Self {
            kind: AttentionKind::Minference,
            pattern: found.source.to_string(),
            plan: AttentionPlan::PerHead(Arc::new(found.patterns)),
            advice,
        }
    }
}
