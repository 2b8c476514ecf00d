//! [`AttentionPlan`]: which pattern each head of a model gets.

use crate::error::Result;
use minference_attention::HeadPattern;
use minference_attention::pattern::config::PatternConfig;
use std::sync::Arc;

/// Which pattern each head gets.
#[derive(Debug, Clone, Default)]
pub enum AttentionPlan {
    /// All keys, everywhere.
    Dense,
    /// Vertical-slash with budgets that grow with the prompt: what a model without a pattern file gets
    /// ([`HeadPattern::default_for`]).
    #[default]
    Default,
    /// One pattern for all heads.
    Uniform(HeadPattern),
    /// What a pattern file says.
    PerHead(Arc<PatternConfig>),
}

impl AttentionPlan {
    /// The patterns of a layer's heads, for a prompt that has `tokens` tokens so far.
    ///
    /// # Errors
    /// A pattern file for another model.
    pub fn patterns(&self, layer: usize, heads: usize, tokens: usize) -> Result<Vec<HeadPattern>> {
        Ok(match self {
            Self::Dense => vec![HeadPattern::Dense; heads],
            Self::Default => vec![HeadPattern::default_for(tokens); heads],
            Self::Uniform(pattern) => vec![*pattern; heads],
            Self::PerHead(config) => {
                (0..heads).map(|head| Ok(config.head(layer, head)?.pattern)).collect::<Result<_>>()?
            }
        })
    }
}
