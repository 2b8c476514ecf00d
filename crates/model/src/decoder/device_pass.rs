//! [`DevicePass`]: a pass on whatever device a [`Compute`] is. The one place where passes and
//! devices meet.

use super::batch::{BatchToken, decode_rows};
use super::pass::{DeviceModel, Pass};
use super::{Decoder, ForwardReport, ForwardRequest, LogitsVisitor};
use crate::device::compute::Compute;
use crate::device::cpu::Cpu;
use crate::error::Result;
use crate::session::kv_cache::KvCache;

/// A forward pass that stops after each step.
pub(crate) enum DevicePass {
    Cpu(Pass<Cpu>),
}

impl DevicePass {
    /// A pass over tokens that follow those in the cache.
    pub(super) fn new(
        decoder: &Decoder,
        compute: &Compute,
        cache: &KvCache,
        request: &ForwardRequest<'_>,
    ) -> Result<Self> {
        let (start, capacity) = (cache.tokens(), cache.capacity());
        let model = on_cpu(decoder);
        let pass = compute.install(|| Pass::new(Cpu::new(compute), &model, request, start, capacity))?;
        Ok(Self::Cpu(pass))
    }

    /// Whether only the logits are left.
    pub(crate) fn layers_are_done(&self, decoder: &Decoder) -> bool {
        match self {
            Self::Cpu(pass) => pass.layers_are_done(decoder.config()),
        }
    }

    /// The share of the layers' work that is done, 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        match self {
            Self::Cpu(pass) => pass.done(),
        }
    }

    /// One of a layer's projections, attention and MLP.
    ///
    /// # Errors
    /// As [`Decoder::forward`]; the caller then undoes the pass.
    pub(crate) fn step(&mut self, decoder: &Decoder, compute: &Compute, cache: &mut KvCache) -> Result<()> {
        match self {
            Self::Cpu(pass) => compute.install(|| pass.step(&on_cpu(decoder), cache.layers_mut())),
        }
    }

    /// Ends the pass: hands out the logits of the wanted tokens.
    ///
    /// # Errors
    /// As [`step`](Self::step), and those of `visit`.
    pub(crate) fn logits(
        self,
        decoder: &Decoder,
        compute: &Compute,
        visit: &mut LogitsVisitor<'_>,
    ) -> Result<ForwardReport> {
        match self {
            Self::Cpu(pass) => compute.install(|| pass.logits(&on_cpu(decoder), visit)),
        }
    }
}

/// [`decode_rows`] on the device that the caches are on.
///
/// # Errors
/// As [`decode_rows`].
pub(crate) fn decode_rows_on(
    decoder: &Decoder,
    compute: &Compute,
    batch: &mut [BatchToken<'_, Cpu>],
) -> Result<Vec<f32>> {
    let mut device = Cpu::for_several_sessions(compute);
    compute.install(|| decode_rows(&mut device, &on_cpu(decoder), batch))
}

fn on_cpu(decoder: &Decoder) -> DeviceModel<'_, Cpu> {
    DeviceModel { config: decoder.config(), weights: decoder.weights() }
}
