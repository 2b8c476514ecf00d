//! [`LayerSteps`]: a forward pass that stops within each layer, for those who look at its queries,
//! keys and values.

use super::{Decoder, Pass, PhaseTimes};
use crate::decoder::progress::Untold;
use crate::decoder::rope::Rotation;
use crate::device::compute::Compute;
use crate::error::Result;
use crate::session::kv_cache::{CacheFormat, LayerCache};
use crate::session::token_rows::{PlainRows, TokenRows};
use minference_attention::{AttentionInputs, HeadPattern, LayerReport, Progress};
use std::sync::Arc;

/// A whole prompt on its way through the layers. It holds the residual stream, and keys and values
/// of one layer at a time.
///
/// For each layer: [`project`](Self::project), [`attend`](Self::attend) as often as wanted,
/// [`finish`](Self::finish).
pub(crate) struct LayerSteps<'a> {
    pass: Pass<'a>,
    residual: Vec<f32>,
    cache: LayerCache,
    layer: usize,
}

impl<'a> LayerSteps<'a> {
    /// - `progress`: is asked whether to stop, and told nothing: how far this is, the caller knows
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub(crate) fn new(
        decoder: &'a Decoder,
        compute: &'a Compute,
        tokens: &[u32],
        cache: CacheFormat,
        progress: Option<&Arc<dyn Progress>>,
    ) -> Result<Self> {
        decoder.check_tokens(tokens)?;
        let rotations: Vec<Rotation> =
            decoder.config.ropes.iter().map(|rope| rope.rotation(tokens.len())).collect::<Result<_>>()?;
        let untold = progress.map(|progress| -> Arc<dyn Progress> { Arc::new(Untold(progress.clone())) });
        Ok(Self {
            pass: Pass::new(decoder, compute, &rotations, 0..tokens.len(), untold),
            residual: decoder.embed(compute, tokens)?,
            cache: LayerCache::new(&decoder.config, tokens.len(), cache)?,
            layer: 0,
        })
    }

    /// The layer's queries, `[tokens, heads, head_dim]`; its keys and values are kept.
    pub(crate) fn project(&mut self) -> Result<TokenRows> {
        self.cache.truncate(0);
        self.pass.project(self.layer, &mut self.cache, &self.residual, 0)
    }

    /// What the layer's attention sees.
    pub(crate) fn inputs<'b>(&'b self, queries: &'b TokenRows) -> Result<AttentionInputs<'b>> {
        self.pass.inputs(self.layer, &self.cache, queries, 0)
    }

    /// The heads' output, `[tokens, heads, head_dim]`, with a pattern for each head.
    pub(crate) fn attend(
        &mut self,
        queries: &TokenRows,
        patterns: &[HeadPattern],
    ) -> Result<(PlainRows, LayerReport)> {
        self.pass.attend(self.layer, &self.cache, queries, 0, patterns.into())
    }

    /// Ends the layer with its heads' output; the next one begins.
    pub(crate) fn finish(&mut self, attended: &PlainRows) -> Result<()> {
        self.pass.add_attention_and_mlp(self.layer, attended, 0, &mut self.residual)?;
        self.layer += 1;
        Ok(())
    }

    /// Where the time went since this was asked last.
    pub(crate) fn take_times(&mut self) -> PhaseTimes {
        std::mem::take(&mut self.pass.report.times)
    }
}
