//! [`AttentionPlan`]: which pattern each head of a model gets.

use crate::error::{Error, Result};
use minference_attention::pattern::config::PatternConfig;
use minference_attention::{HeadPattern, HeadPlan, LayerPlan};
use std::sync::Arc;

/// Which pattern each head gets.
#[derive(Debug, Clone, Default)]
pub enum AttentionPlan {
    /// All keys, everywhere.
    Dense,
    /// Vertical-slash with budgets that grow with the prompt: what a model without a pattern file
    /// gets ([`HeadPattern::default_for`]).
    #[default]
    Default,
    /// One pattern for all heads.
    Uniform(HeadPattern),
    /// What a pattern file says.
    PerHead(Arc<PatternConfig>),
    /// What each layer's heads are told, layer by layer: how evaluations give heads the indices of
    /// another prompt (the paper's ablation "static").
    Layers(Arc<Vec<Vec<HeadPlan>>>),
}

/// Queries at the end of a prompt that see everything: a question is rarely longer.
const QUESTION_QUERIES: usize = 64;

impl AttentionPlan {
    /// The patterns of a layer's heads, for a prompt that has `tokens` tokens so far.
    ///
    /// # Errors
    /// A pattern file, or a plan for each layer, of another model.
    pub fn patterns(&self, layer: usize, heads: usize, tokens: usize) -> Result<Vec<HeadPattern>> {
        Ok(match self {
            Self::Dense => vec![HeadPattern::Dense; heads],
            Self::Default => vec![HeadPattern::default_for(tokens); heads],
            Self::Uniform(pattern) => vec![*pattern; heads],
            Self::PerHead(config) => {
                (0..heads).map(|head| Ok(config.head(layer, head)?.pattern)).collect::<Result<_>>()?
            }
            Self::Layers(layers) => layer_of(layers, layer)?.iter().map(HeadPlan::pattern).collect(),
        })
    }

    /// How many queries at the end of a prompt see every key, whatever their head's pattern. They
    /// ask the question: estimates that choose by the mean of many queries, and shapes that don't
    /// estimate, would lose what only they look for. None where one pattern for all heads was named
    /// ([`AttentionPlan::Uniform`]), which is computed as it is.
    pub fn dense_queries(&self) -> usize {
        match self {
            Self::Default | Self::PerHead(_) | Self::Layers(_) => QUESTION_QUERIES,
            Self::Dense | Self::Uniform(_) => 0,
        }
    }

    /// How a layer's heads choose, for a prompt that has `tokens` tokens so far.
    ///
    /// - `dense_queries`: so many of the last queries see every key, whatever their head's plan
    ///
    /// # Errors
    /// As [`patterns`](Self::patterns).
    pub fn layer(
        &self,
        layer: usize,
        heads: usize,
        tokens: usize,
        dense_queries: usize,
    ) -> Result<LayerPlan<'_>> {
        Ok(match self {
            Self::Layers(layers) => LayerPlan { heads: layer_of(layers, layer)?.into(), dense_queries },
            _ => LayerPlan { dense_queries, ..(&self.patterns(layer, heads, tokens)?).into() },
        })
    }
}

fn layer_of(layers: &[Vec<HeadPlan>], layer: usize) -> Result<&[HeadPlan]> {
    let expected = || format!("at most {}, of the model that they were made with", layers.len());
    let found = layers.get(layer).map(Vec::as_slice);
    found.ok_or_else(|| Error::shape("layers of an attention plan", expected(), layer + 1))
}
