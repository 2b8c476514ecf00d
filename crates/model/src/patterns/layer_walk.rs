//! [`walk_layers`]: a prompt's way through a model, layer by layer, with dense attention, for those
//! who want to see each layer's queries, keys and values.
//!
//! Sparse attention can be held against dense attention there on equal terms: both get the same
//! inputs, and the errors of one layer don't reach the next.
//!
//! ```no_run
//! use minference_attention::search::relative_errors;
//! use minference_attention::{HeadPattern, TensorView, TensorViewMut, attend_layer};
//! use minference_model::patterns::layer_walk::walk_layers;
//! use minference_model::{CacheFormat, Compute, ComputeOptions, Model};
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let prompt = model.raw_prompt("A long text.")?;
//! walk_layers(model.decoder(), &compute, &prompt, CacheFormat::F16, None, &mut |layer| {
//!     let shape = layer.inputs.q().shape();
//!     let mut output = vec![0.0f32; shape.iter().product()];
//!     let patterns = vec![HeadPattern::AShape { sink: 128, local: 1024 }; shape[1]];
//!     attend_layer(&compute.backend(), &layer.inputs, &patterns, &mut TensorViewMut::new(&mut output, shape)?)?;
//!     let errors = relative_errors(layer.dense, TensorView::new(&output, shape)?, 0)?;
//!     println!("layer {}: {errors:.3?}", layer.layer);
//!     Ok(())
//! })?;
//! # Ok::<(), minference_model::Error>(())
//! ```

use crate::decoder::{Decoder, LayerSteps, PhaseTimes};
use crate::device::compute::Compute;
use crate::error::Result;
use crate::session::kv_cache::CacheFormat;
use minference_attention::{AttentionInputs, HeadPattern, Progress, TensorView};
use std::sync::Arc;

/// A layer, as a prompt meets it.
#[derive(Debug, Clone, Copy)]
pub struct WalkedLayer<'a> {
    /// Its number, from 0.
    pub layer: usize,
    /// Queries, keys and values of all tokens.
    pub inputs: AttentionInputs<'a>,
    /// What dense attention gives for them, `[tokens, heads, head_dim]`.
    pub dense: TensorView<'a>,
}

/// Walks through all layers; `visit` sees each. Gives the times of the layers' parts, attention
/// being dense and `visit` left out.
///
/// # Errors
/// As [`Decoder::forward`], and those of `visit`.
pub fn walk_layers(
    decoder: &Decoder,
    compute: &Compute,
    tokens: &[u32],
    cache: CacheFormat,
    progress: Option<&Arc<dyn Progress>>,
    visit: &mut (dyn FnMut(&WalkedLayer<'_>) -> Result<()> + Send),
) -> Result<Vec<PhaseTimes>> {
    compute.install(|| {
        let layers = decoder.config().layers.len();
        let patterns = vec![HeadPattern::Dense; decoder.config().heads];
        let mut steps = LayerSteps::new(decoder, compute, tokens, cache, progress)?;
        let mut times = Vec::with_capacity(layers);
        for layer in 0..layers {
            let queries = steps.project()?;
            let attended = steps.attend(&queries, &patterns)?.0;
            visit(&WalkedLayer { layer, inputs: steps.inputs(&queries)?, dense: attended.view()? })?;
            drop(queries);
            steps.finish(&attended)?;
            times.push(steps.take_times());
            if let Some(progress) = progress {
                progress.advance(layer as u64 + 1, layers as u64);
            }
        }
        Ok(times)
    })
}
