//! [`Decoder`]: the one transformer that all families share, from token ids to logits.
//!
//! A forward pass goes layer by layer over all its tokens (the paper's appendix C): attention needs
//! every query of the layer at once, everything else runs in chunks of rows, so that no `[tokens,
//! intermediate]` tensor exists. In the last layer only the tokens whose logits are wanted have
//! queries.
//!
//! | module | what it holds |
//! |---|---|
//! | `attention` | projections, norms and rotations of queries and keys, the cache, sparse attention |
//! | `mlp` | attention's output projection and the gated MLP, added to the residual stream |
//! | `check` | what a pass relies on: configurations, and numbers that are finite |
//! | `report` | what a pass computed and how long its parts took |
//! | `steps` | a pass that stops within each layer, for search and inspection |

mod attention;
mod check;
pub mod config;
mod mlp;
pub(crate) mod progress;
mod report;
pub mod rope;
mod steps;
pub mod weights;

pub(crate) use steps::LayerSteps;

pub use report::{ForwardReport, LayerSummary, PhaseTimes};

use crate::decoder::config::ModelConfig;
use crate::decoder::rope::{Rotation, RotationTable};
use crate::decoder::weights::ModelWeights;
use crate::device::compute::{Compute, MatmulArithmetic};
use crate::device::matrix::{Product, Scratch, Store, multiply};
use crate::error::{Error, Result};
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::{KvCache, KvCompression};
use minference_attention::Progress;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Rows that projections and the MLP take at once: enough to hide the widening of weights, few
/// enough for the buffers.
pub(crate) const CHUNK: usize = 1024;
/// Rows whose logits are computed at once: enough to hide the widening of weights; a vocabulary of
/// 150,000 makes 150 MB of them.
pub(crate) const LOGIT_ROWS: usize = 256;
/// Rows from which threads share work on rows; a decoding step is not worth their wake-up.
const PARALLEL_ROWS: usize = 16;

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

/// What the parts of a pass share.
struct Pass<'a> {
    decoder: &'a Decoder,
    compute: &'a Compute,
    progress: Option<Arc<dyn Progress>>,
    /// Of this pass.
    tokens: usize,
    /// One for each rope of the configuration.
    tables: Vec<RotationTable>,
    scratch: Scratch,
    report: ForwardReport,
    /// Units of progress behind us, and of all.
    done: u64,
    total: u64,
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
        let tokens = request.tokens.len();
        let start = cache.tokens();
        let layers = self.config.layers.len();
        let positions = start..start + tokens;
        let mut pass = Pass::new(self, compute, request.rotations, positions, request.progress.clone());
        let mut residual = self.embed(compute, request.tokens)?;
        let voting = request.compression.map_or(0, |compression| compression.voting_queries());
        // of the last layer, queries that are wanted attend; those that vote only vote
        let last_queries = request.wanted.max(voting).min(tokens);
        let room = cache.capacity() - start - tokens;
        for layer in 0..layers {
            let is_last = layer + 1 == layers;
            let first = if is_last { tokens - last_queries } else { 0 };
            let first_attending = if is_last { tokens - request.wanted } else { 0 };
            let layer_cache = cache.layer_mut(layer);
            let queries = pass.project(layer, layer_cache, &residual, first)?;
            let (heads, dense_queries) = (self.config.heads, request.dense_queries);
            let plan = request.plan.layer(layer, heads, layer_cache.rows(), dense_queries)?;
            let (attended, report) =
                pass.attend(layer, layer_cache, &queries, first_attending - first, plan)?;
            pass.report.layers.push((&report).into());
            if let Some(compression) = &request.compression {
                pass.compress(layer, layer_cache, &queries, compression, room)?;
            }
            drop(queries);
            pass.add_attention_and_mlp(layer, &attended, first_attending, &mut residual)?;
        }
        let first = tokens - request.wanted;
        let wanted = &residual[first * self.config.hidden..];
        for (i, rows) in wanted.chunks(LOGIT_ROWS * self.config.hidden).enumerate() {
            let logits = pass.logits(rows);
            check::check_logits(&logits, self.config.vocabulary, first + i * LOGIT_ROWS)?;
            visit(&logits)?;
            pass.advance(0)?;
        }
        Ok(pass.report)
    }

    /// The residual stream at its start, `[tokens, hidden]`.
    fn embed(&self, compute: &Compute, tokens: &[u32]) -> Result<Vec<f32>> {
        let (hidden, scale) = (self.config.hidden, self.config.embedding_scale);
        let mut residual = buffer("the residual stream", tokens.len(), hidden)?;
        residual.par_chunks_mut(hidden).zip(tokens).for_each(|(row, &id)| {
            self.weights.embedding.widen_row(compute.kernels(), id as usize, row);
            if scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= scale);
            }
        });
        Ok(residual)
    }
}

impl<'a> Pass<'a> {
    /// Over the tokens at some positions.
    fn new(
        decoder: &'a Decoder,
        compute: &'a Compute,
        rotations: &[Rotation],
        positions: Range<usize>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Self {
        let (tokens, layers) = (positions.len(), decoder.config.layers.len());
        Self {
            decoder,
            compute,
            progress,
            tokens,
            tables: rotations.iter().map(|rotation| rotation.table(positions.clone())).collect(),
            scratch: Scratch::default(),
            report: ForwardReport::default(),
            done: 0,
            total: 3 * (layers * tokens) as u64,
        }
    }

    /// Logits of residual rows.
    fn logits(&mut self, residual: &[f32]) -> Vec<f32> {
        let (weights, config) = (&self.decoder.weights, &self.decoder.config);
        let mut normed = vec![0.0; residual.len()];
        self.norm_rows(residual, &weights.final_norm, &mut normed);
        let mut logits = vec![0.0; residual.len() / config.hidden * config.vocabulary];
        let product = Product { matrix: &weights.output, out: &mut logits, store: Store::Overwrite };
        multiply(self.compute.kernels(), MatmulArithmetic::F32, &normed, &mut [product], &mut self.scratch);
        logits
    }

    /// Products of a layer's rows with its weights.
    fn multiply(&mut self, inputs: &[f32], products: &mut [Product<'_>]) {
        multiply(self.compute.kernels(), self.compute.matmul(), inputs, products, &mut self.scratch);
    }

    /// Norm of each row, `[rows, weight.len()]`.
    fn norm_rows(&self, rows: &[f32], weight: &[f32], out: &mut [f32]) {
        let (kernels, epsilon) = (self.compute.kernels(), self.decoder.config.norm_epsilon);
        for_rows(out, weight.len(), |i, out| {
            let row = &rows[i * weight.len()..(i + 1) * weight.len()];
            kernels.rms_norm(row, weight, epsilon, out);
        });
    }

    /// Reports that units of work are done; an error if it is time to stop.
    fn advance(&mut self, units: usize) -> Result<()> {
        self.done += units as u64;
        if let Some(progress) = &self.progress {
            progress.advance(self.done, self.total);
            if progress.cancelled() {
                return Err(minference_attention::Error::Cancelled.into());
            }
        }
        Ok(())
    }
}

/// Zeros for `rows` rows, or an error where there is no memory.
fn buffer(what: &'static str, rows: usize, width: usize) -> Result<Vec<f32>> {
    let mut data = reserved(what, rows, width)?;
    data.resize(rows * width, 0.0);
    Ok(data)
}

/// Nothing yet, with room for `rows` rows, or an error where there is no memory.
fn reserved(what: &'static str, rows: usize, width: usize) -> Result<Vec<f32>> {
    let elements = rows.saturating_mul(width);
    let mut data = Vec::new();
    data.try_reserve_exact(elements).map_err(|_| {
        let bytes = elements.saturating_mul(size_of::<f32>());
        minference_attention::Error::OutOfMemory { what, bytes }
    })?;
    Ok(data)
}

/// Does something with each row of `width` elements, in parallel where there are enough.
fn for_rows(data: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if data.len() < PARALLEL_ROWS * width {
        data.chunks_exact_mut(width).enumerate().for_each(|(i, row)| work(i, row));
    } else {
        data.par_chunks_exact_mut(width).with_min_len(4).enumerate().for_each(|(i, row)| work(i, row));
    }
}
