//! [`AttentionPlan`]: which pattern each head of a model gets.

use crate::decoder::Decoder;
use crate::device::compute::Compute;
use crate::error::{Error, Result};
use crate::patterns::layer_walk::walk_layers;
use crate::session::kv_cache::CacheFormat;
use minference_attention::layer::{FixedHead, fix_layer};
use minference_attention::pattern::config::PatternConfig;
use minference_attention::{HeadPattern, Progress};
use std::borrow::Cow;
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
    /// No estimates: what another prompt's heads attended to (the paper's ablation "static").
    Fixed(Arc<FixedIndices>),
}

/// What all heads attended to in one prompt, for use in others.
#[derive(Debug, Clone)]
pub struct FixedIndices {
    layers: Vec<Vec<FixedHead>>,
}

/// Queries at the end of a prompt that see everything: a question is rarely longer.
const QUESTION_QUERIES: usize = 64;

/// How one layer chooses its keys.
#[derive(Debug)]
pub(crate) struct LayerPlan<'a> {
    /// Head by head.
    pub(crate) heads: HeadPlans<'a>,
    /// So many of the last queries see every key.
    pub(crate) dense_queries: usize,
}

/// How the heads of one layer choose their keys.
#[derive(Debug)]
pub(crate) enum HeadPlans<'a> {
    /// Each head's pattern chooses.
    Patterns(Cow<'a, [HeadPattern]>),
    /// It was chosen before.
    Fixed(&'a [FixedHead]),
}

impl AttentionPlan {
    /// The patterns of a layer's heads, for a prompt that has `tokens` tokens so far.
    ///
    /// # Errors
    /// A pattern file, or fixed indices, of another model.
    pub fn patterns(&self, layer: usize, heads: usize, tokens: usize) -> Result<Vec<HeadPattern>> {
        Ok(match self {
            Self::Dense => vec![HeadPattern::Dense; heads],
            Self::Default => vec![HeadPattern::default_for(tokens); heads],
            Self::Uniform(pattern) => vec![*pattern; heads],
            Self::PerHead(config) => {
                (0..heads).map(|head| Ok(config.head(layer, head)?.pattern)).collect::<Result<_>>()?
            }
            Self::Fixed(indices) => indices.layer(layer)?.iter().map(|head| head.pattern).collect(),
        })
    }

    /// How many queries at the end of a prompt see every key, whatever their head's pattern. They
    /// ask the question: estimates that choose by the mean of many queries, and shapes that don't
    /// estimate, would lose what only they look for. None where one pattern for all heads was named
    /// ([`AttentionPlan::Uniform`]), which is computed as it is.
    pub fn dense_queries(&self) -> usize {
        match self {
            Self::Default | Self::PerHead(_) | Self::Fixed(_) => QUESTION_QUERIES,
            Self::Dense | Self::Uniform(_) => 0,
        }
    }

    /// How a layer's heads choose, for a prompt that has `tokens` tokens so far.
    pub(crate) fn heads(&self, layer: usize, heads: usize, tokens: usize) -> Result<HeadPlans<'_>> {
        match self {
            Self::Fixed(indices) => Ok(HeadPlans::Fixed(indices.layer(layer)?)),
            _ => Ok(HeadPlans::Patterns(self.patterns(layer, heads, tokens)?.into())),
        }
    }
}

impl FixedIndices {
    /// What a plan chooses in a whole prompt. The prompt goes through the model densely, so that
    /// what is chosen in one layer does not depend on what was in another.
    ///
    /// # Errors
    /// As for [`walk_layers`], and a plan for another model.
    pub fn of_prompt(
        decoder: &Decoder,
        compute: &Compute,
        tokens: &[u32],
        plan: &AttentionPlan,
        cache: CacheFormat,
        progress: Option<&Arc<dyn Progress>>,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(decoder.config().layers.len());
        walk_layers(decoder, compute, tokens, cache, progress, &mut |walked| {
            let patterns = plan.patterns(walked.layer, walked.inputs.heads(), tokens.len())?;
            layers.push(fix_layer(compute.backend(), &walked.inputs, &patterns)?);
            Ok(())
        })?;
        Ok(Self { layers })
    }

    fn layer(&self, layer: usize) -> Result<&[FixedHead]> {
        let expected = || format!("at most {}, of the model that they were made with", self.layers.len());
        let found = self.layers.get(layer).map(Vec::as_slice);
        found.ok_or_else(|| Error::shape("layers of fixed indices", expected(), layer + 1))
    }
}
