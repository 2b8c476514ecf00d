//! [`Pass`]: one forward pass on a device, in steps: for each layer its projections, its attention,
//! and the MLP; then logits.

use super::check::check_logits;
use super::layer::Layer;
use super::progress::PassProgress;
use super::{ForwardReport, ForwardRequest, LogitsVisitor};
use crate::decoder::config::ModelConfig;
use crate::decoder::weights::ModelWeights;
use crate::device::operations::{Device, Norm, RowRange};
use crate::error::Result;
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::KvCompression;

/// Rows whose logits are computed at once: enough to hide the widening of weights; a vocabulary of
/// 150,000 makes 150 MB of them.
pub(crate) const LOGIT_ROWS: usize = 256;

/// A model on a device, as passes read it.
pub(crate) struct DeviceModel<'a, D: Device> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) weights: &'a ModelWeights<D::Matrix, D::Vector>,
}

impl<'a, D: Device> DeviceModel<'a, D> {
    pub(crate) fn layer(&self, number: usize) -> Layer<'a, D> {
        Layer { number, config: self.config, weights: &self.weights.layers[number] }
    }
}

/// A forward pass that stops after each step.
pub(crate) struct Pass<D: Device> {
    device: D,
    plan: AttentionPlan,
    dense_queries: usize,
    compression: Option<KvCompression>,
    /// Of this pass.
    tokens: usize,
    /// The last tokens, whose logits are wanted.
    wanted: usize,
    /// Tokens that the cache has room for after this pass.
    room: usize,
    /// One for each rope of the configuration.
    rotations: Vec<D::Rotations>,
    /// The residual stream, `[tokens, hidden]`.
    residual: D::Rows,
    layer: usize,
    next: Next<D>,
    progress: PassProgress,
    report: ForwardReport,
}

/// What the next step of a layer is, with what it needs from the one before.
enum Next<D: Device> {
    Project,
    /// With the queries.
    Attend(D::Heads),
    /// With what the heads gave.
    Finish(D::Heads),
}

impl<D: Device> Pass<D> {
    /// A pass over tokens that follow the `start` in a cache that has room for `capacity`.
    pub(crate) fn new(
        mut device: D,
        model: &DeviceModel<'_, D>,
        request: &ForwardRequest<'_>,
        start: usize,
        capacity: usize,
    ) -> Result<Self> {
        let tokens = request.tokens.len();
        let positions = start..start + tokens;
        let rotate = |rotation| device.rotations(rotation, positions.clone());
        let rotations = request.rotations.iter().map(rotate).collect();
        let scale = model.config.embedding_scale;
        let residual = device.embed(&model.weights.embedding, request.tokens, scale)?;
        Ok(Self {
            plan: request.plan.clone(),
            dense_queries: request.dense_queries,
            compression: request.compression,
            tokens,
            wanted: request.wanted,
            room: capacity - start - tokens,
            rotations,
            residual,
            layer: 0,
            next: Next::Project,
            progress: PassProgress::new(request.progress.clone(), tokens, model.config.layers.len()),
            report: ForwardReport::default(),
            device,
        })
    }

    /// Whether all layers are done, so that only [`logits`](Self::logits) are left.
    pub(crate) fn layers_are_done(&self, config: &ModelConfig) -> bool {
        self.layer == config.layers.len()
    }

    /// The share of the layers' work that is done, 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        self.progress.share()
    }

    /// One of a layer's projections, attention and MLP; nothing where all layers are done.
    /// `caches` has one entry per layer.
    pub(crate) fn step(&mut self, model: &DeviceModel<'_, D>, caches: &mut [D::LayerCache]) -> Result<()> {
        if self.layers_are_done(model.config) {
            return Ok(());
        }
        let (layer, cache) = (model.layer(self.layer), &mut caches[self.layer]);
        let (device, progress) = (&mut self.device, &mut self.progress);
        // Of the last layer, queries that are wanted attend; those that vote only vote.
        let voting = self.compression.map_or(0, |compression| compression.voting_queries());
        let is_last = self.layer + 1 == model.config.layers.len();
        let [first, first_attending] = match is_last {
            true => [self.wanted.max(voting).min(self.tokens), self.wanted].map(|last| self.tokens - last),
            false => [0, 0],
        };
        let began = device.mark();
        let times = &mut self.report.times;
        match std::mem::replace(&mut self.next, Next::Project) {
            Next::Project => {
                let rotations = &self.rotations[model.config.layers[self.layer].rope];
                let residual = (&self.residual, self.tokens);
                let queries = layer.project(device, residual, first, rotations, cache, progress)?;
                times.projections += device.between(&began, &device.mark());
                self.next = Next::Attend(queries);
            }
            Next::Attend(queries) => {
                let heads = model.config.heads;
                let keys = device.cached(cache);
                let plan = self.plan.layer(self.layer, heads, keys, self.dense_queries)?;
                let skipped = first_attending - first;
                let (attended, report) = layer.attend(device, &queries, skipped, cache, plan, progress)?;
                let index = report.index_time();
                let ended = device.mark();
                times.index += index;
                times.attention += device.between(&began, &ended).saturating_sub(index);
                self.report.layers.push((&report).into());
                if let Some(compression) = &self.compression {
                    layer.keep(device, cache, &queries, compression, self.room)?;
                    times.compression += device.between(&ended, &device.mark());
                }
                self.next = Next::Finish(attended);
            }
            Next::Finish(attended) => {
                let residual = (&mut self.residual, self.tokens);
                layer.finish(device, &attended, first_attending, residual, progress)?;
                times.mlp += device.between(&began, &device.mark());
                self.layer += 1;
            }
        }
        Ok(())
    }

    /// Ends the pass: hands out the logits of the wanted tokens.
    pub(crate) fn logits(
        mut self,
        model: &DeviceModel<'_, D>,
        visit: &mut LogitsVisitor<'_>,
    ) -> Result<ForwardReport> {
        let weights = model.weights;
        for start in (self.tokens - self.wanted..self.tokens).step_by(LOGIT_ROWS) {
            let range = start..self.tokens.min(start + LOGIT_ROWS);
            let norm = Norm { weight: &weights.final_norm, epsilon: model.config.norm_epsilon };
            let rows = RowRange { rows: &self.residual, range };
            let logits = self.device.logits(rows, norm, &weights.output)?;
            check_logits(&logits, model.config.vocabulary, start)?;
            visit(&logits)?;
            self.progress.advance(0)?;
        }
        Ok(self.report)
    }
}
