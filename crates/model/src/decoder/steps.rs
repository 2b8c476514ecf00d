//! [`LayerSteps`]: a forward pass that stops within each layer, for those who look at its queries,
//! keys and values.

use super::layer::Layer;
use super::pass::DeviceModel;
use super::progress::PassProgress;
use super::{Decoder, PhaseTimes};
use crate::decoder::progress::CancelOnly;
use crate::decoder::rope::RotationTable;
use crate::device::compute::Compute;
use crate::device::cpu::{Cpu, CpuRows};
use crate::device::operations::Device;
use crate::error::Result;
use crate::session::kv_cache::{CacheFormat, LayerCache};
use crate::session::token_rows::PlainRows;
use minference_attention::{AttentionInputs, HeadPattern, LayerReport, Progress};
use std::sync::Arc;
use std::time::Instant;

/// A whole prompt on its way through the layers. It holds the residual stream, and keys and values
/// of one layer at a time.
///
/// For each layer: [`project`](Self::project), [`attend`](Self::attend) as often as wanted,
/// [`finish`](Self::finish).
pub(crate) struct LayerSteps<'a> {
    decoder: &'a Decoder,
    device: Cpu,
    tokens: usize,
    rotations: Vec<RotationTable>,
    residual: CpuRows,
    cache: LayerCache,
    layer: usize,
    progress: PassProgress,
    times: PhaseTimes,
}

impl<'a> LayerSteps<'a> {
    /// - `progress`: is asked whether to stop, and told nothing: how far this is, the caller knows
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub(crate) fn new(
        decoder: &'a Decoder,
        compute: &Compute,
        tokens: &[u32],
        cache: CacheFormat,
        progress: Option<&Arc<dyn Progress>>,
    ) -> Result<Self> {
        decoder.check_tokens(tokens)?;
        let (config, mut device) = (&decoder.config, Cpu::new(compute));
        let rotate = |rope: &crate::decoder::rope::RopeConfig| {
            Ok(device.rotations(&rope.rotation(tokens.len())?, 0..tokens.len()))
        };
        let rotations = config.ropes.iter().map(rotate).collect::<Result<_>>()?;
        let cancel_only =
            progress.map(|progress| -> Arc<dyn Progress> { Arc::new(CancelOnly(progress.clone())) });
        Ok(Self {
            decoder,
            tokens: tokens.len(),
            rotations,
            residual: device.embed(&decoder.weights.embedding, tokens, config.embedding_scale)?,
            cache: LayerCache::new(config, tokens.len(), cache)?,
            layer: 0,
            progress: PassProgress::new(cancel_only, tokens.len(), config.layers.len()),
            times: PhaseTimes::default(),
            device,
        })
    }

    fn layer(&self) -> Layer<'a, Cpu> {
        DeviceModel { config: &self.decoder.config, weights: &self.decoder.weights }.layer(self.layer)
    }

    /// The layer's queries, `[tokens, heads, head_dim]`; its keys and values are kept.
    pub(crate) fn project(&mut self) -> Result<PlainRows> {
        let (layer, began) = (self.layer(), Instant::now());
        self.cache.truncate(0);
        let rotations = &self.rotations[layer.config.layers[self.layer].rope];
        let residual = (&self.residual, self.tokens);
        let (device, cache) = (&mut self.device, &mut self.cache);
        let queries = layer.project(device, residual, 0, rotations, cache, &mut self.progress)?;
        self.times.projections += began.elapsed();
        Ok(queries)
    }

    /// What the layer's attention sees.
    pub(crate) fn inputs<'b>(&'b self, queries: &'b PlainRows) -> Result<AttentionInputs<'b>> {
        Cpu::inputs(queries, 0, &self.cache, self.layer().view())
    }

    /// The heads' output, `[tokens, heads, head_dim]`, with a pattern for each head.
    pub(crate) fn attend(
        &mut self,
        queries: &PlainRows,
        patterns: &[HeadPattern],
    ) -> Result<(PlainRows, LayerReport)> {
        let (layer, began) = (self.layer(), Instant::now());
        let (device, cache) = (&mut self.device, &self.cache);
        let attended = layer.attend(device, queries, 0, cache, patterns.into(), &mut self.progress)?;
        let index = attended.1.index_time();
        self.times.index += index;
        self.times.attention += began.elapsed().saturating_sub(index);
        Ok(attended)
    }

    /// Ends the layer with its heads' output; the next one begins.
    pub(crate) fn finish(&mut self, attended: &PlainRows) -> Result<()> {
        let (layer, began) = (self.layer(), Instant::now());
        let residual = (&mut self.residual, self.tokens);
        layer.finish(&mut self.device, attended, 0, residual, &mut self.progress)?;
        self.times.mlp += began.elapsed();
        self.layer += 1;
        Ok(())
    }

    /// Where the time went since this was asked last.
    pub(crate) fn take_times(&mut self) -> PhaseTimes {
        std::mem::take(&mut self.times)
    }
}
