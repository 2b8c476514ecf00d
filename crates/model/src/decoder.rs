//! [`Decoder`]: the one transformer that all families share, from token ids to logits.
//!
//! A forward pass goes layer by layer over all its tokens (the paper's appendix C). In the last
//! layer only the tokens whose logits are wanted have queries.
//!
//! | module | what it holds |
//! |---|---|
//! | `layer` | one layer: project, attend, keep, finish |
//! | `pass` | the way through all layers, step by step, and logits |
//! | `batch` | one token of each of several sessions |
//! | `device_pass` | the same on whatever device there is: the one place where they meet |
//! | `check` | what a pass relies on: configurations, and numbers that are finite |
//! | `report` | what a pass computed and how long its parts took |
//! | `steps` | a pass that stops within each layer, for search and inspection |

mod batch;
mod check;
pub mod config;
mod device_pass;
mod layer;
mod pass;
pub(crate) mod progress;
mod report;
pub mod rope;
mod steps;
pub mod weights;

pub(crate) use batch::BatchToken;
pub(crate) use device_pass::{DevicePass, decode_rows_on};
pub(crate) use pass::LOGIT_ROWS;
#[cfg(test)]
pub(crate) use pass::{DeviceModel, Pass};
pub(crate) use steps::LayerSteps;

pub use report::{ForwardReport, LayerCounts, PhaseTimes};

use crate::decoder::config::ModelConfig;
use crate::decoder::rope::Rotation;
use crate::decoder::weights::ModelWeights;
use crate::device::compute::Compute;
use crate::device::cpu::reserved;
use crate::error::{Error, Result};
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::{KvCache, KvCompression};
use minference_attention::Progress;
use std::sync::Arc;

/// A model's configuration and weights, each checked, and against each other.
#[derive(Debug)]
pub struct Decoder {
    config: ModelConfig,
    weights: ModelWeights,
}

/// One forward pass: tokens that follow those in the cache.
#[derive(Clone)]
pub struct ForwardRequest<'a> {
    /// Token ids.
    pub tokens: &'a [u32],
    /// Which pattern each head gets.
    pub plan: &'a AttentionPlan,
    /// So many of the last tokens see every key, whatever their heads' patterns:
    /// [`AttentionPlan::dense_queries`] at the end of a prompt, none in the chunks before it.
    pub dense_queries: usize,
    /// How many of the last tokens' logits are wanted; at least 1.
    pub wanted: usize,
    /// What stays in the cache of the tokens that are in it after this pass; all without it.
    pub compression: Option<KvCompression>,
    /// Angles of each of the configuration's ropes.
    pub rotations: &'a [Rotation],
    /// Follows the pass, in units of a third of a layer's token, and may cancel it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Sees the logits of a pass, some tokens at a time and in their order, `[rows, vocabulary]`.
pub type LogitsVisitor<'a> = dyn FnMut(&[f32]) -> Result<()> + Send + 'a;

/// What a forward pass gives.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Logits of the last tokens, `[wanted, vocabulary]`.
    pub logits: Vec<f32>,
    /// What was computed.
    pub report: ForwardReport,
}

impl Decoder {
    /// # Errors
    /// [`Error::Config`] for a configuration that contradicts itself; [`Error::Shape`] for weights
    /// that are not what it says.
    pub fn new(config: ModelConfig, weights: ModelWeights) -> Result<Self> {
        check::check_config(&config)?;
        weights.check(&config)?;
        Ok(Self { config, weights })
    }

    /// The configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights.
    pub fn weights(&self) -> &ModelWeights {
        &self.weights
    }

    /// Reads tokens: appends their keys and values to the cache, and computes the logits of the
    /// last ones.
    ///
    /// # Errors
    /// [`Error::Prompt`] for no tokens, or more than the cache has room for; [`Error::Shape`] for
    /// ids beyond the vocabulary; out of memory, cancelled, numbers that are not finite. The cache
    /// is then as it was, or empty if the pass had dropped some of it.
    pub fn forward(
        &self,
        compute: &Compute,
        cache: &mut KvCache,
        request: &ForwardRequest<'_>,
    ) -> Result<Forward> {
        let rows = request.wanted.min(request.tokens.len());
        let mut logits = reserved("logits", rows, self.config.vocabulary)?;
        let report = self.forward_visiting(compute, cache, request, &mut |rows| {
            logits.extend_from_slice(rows);
            Ok(())
        })?;
        Ok(Forward { logits, report })
    }

    /// As [`forward`](Self::forward), for many logits: they are handed out while they are computed,
    /// and not kept.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and those of `visit`.
    pub fn forward_visiting(
        &self,
        compute: &Compute,
        cache: &mut KvCache,
        request: &ForwardRequest<'_>,
        visit: &mut LogitsVisitor<'_>,
    ) -> Result<ForwardReport> {
        self.check_request(request, cache)?;
        let dropped = cache.dropped();
        let result = compute.install(|| self.run(compute, cache, request, visit));
        match &result {
            Ok(_) => cache.finish_pass(request.tokens.len(), dropped),
            Err(_) => cache.undo_pass(dropped),
        }
        result
    }

    fn check_request(&self, request: &ForwardRequest<'_>, cache: &KvCache) -> Result<()> {
        let tokens = request.tokens.len();
        self.check_tokens(request.tokens)?;
        let room = cache.capacity().saturating_sub(cache.tokens());
        if tokens > room {
            let expected = format!("at most {room}, which the key-value cache has room for");
            return Err(Error::Prompt { tokens, expected });
        }
        if request.wanted == 0 || request.wanted > tokens {
            return Err(Error::shape("wanted logits", format!("1 to {tokens} tokens"), request.wanted));
        }
        if request.rotations.len() != self.config.ropes.len() {
            let expected = format!("{}, one for each rope", self.config.ropes.len());
            return Err(Error::shape("rotations", expected, request.rotations.len()));
        }
        Ok(())
    }

    /// Refuses no tokens, and ids beyond the vocabulary.
    pub(crate) fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        if tokens.is_empty() {
            return Err(Error::Prompt { tokens: 0, expected: "at least one".into() });
        }
        let vocabulary = self.config.vocabulary;
        match tokens.iter().find(|&&id| id as usize >= vocabulary) {
            Some(id) => {
                Err(Error::shape("token id", format!("less than the vocabulary of {vocabulary}"), id))
            }
            None => Ok(()),
        }
    }

    fn run(
        &self,
        compute: &Compute,
        cache: &mut KvCache,
        request: &ForwardRequest<'_>,
        visit: &mut LogitsVisitor<'_>,
    ) -> Result<ForwardReport> {
        let mut pass = DevicePass::new(self, compute, cache, request)?;
        while !pass.layers_are_done(self) {
            pass.step(self, compute, cache)?;
        }
        pass.logits(self, compute, visit)
    }

    /// Begins a pass that goes in steps. The caller ends it:
    /// [`KvCache::finish_pass`] or [`KvCache::undo_pass`].
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but for what is found later.
    pub(crate) fn begin(
        &self,
        compute: &Compute,
        cache: &KvCache,
        request: &ForwardRequest<'_>,
    ) -> Result<DevicePass> {
        self.check_request(request, cache)?;
        DevicePass::new(self, compute, cache, request)
    }
}
