//! [`search_patterns`]: the offline search over a whole model, in one pass over the calibration
//! prompts.
//!
//! The prompts go through the layers side by side, densely. In each layer [`search_layer`] finds
//! the patterns of its heads from their queries, keys and values, which are then forgotten; nothing
//! is kept but the residual streams and what was found. A search that was interrupted goes on from
//! the layers that it has: the dense pass through them is repeated, the trials are not, and what
//! comes out is the same.
//!
//! ```no_run
//! use minference_attention::pattern::config::FileFormat;
//! use minference_attention::search::{ERRORS_FROM, Objective};
//! use minference_model::patterns::search::{SearchRequest, search_patterns};
//! use minference_model::{CacheFormat, Compute, ComputeOptions, Model};
//!
//! let model = Model::load("qwen2.5-0.5b-instruct-q4_k_m.gguf")?;
//! let calibration = std::fs::read_to_string("a-novel.txt")?;
//! let request = SearchRequest {
//!     samples: &[model.raw_prompt(&calibration)?],
//!     objective: &Objective::paper(),
//!     errors_from: ERRORS_FROM,
//!     cache: CacheFormat::F16,
//!     progress: None,
//! };
//! let compute = Compute::new(ComputeOptions::default())?;
//! let patterns = search_patterns(model.decoder(), &compute, &request, Vec::new(), &mut |_| Ok(()))?;
//! patterns.write("qwen2.5-0.5b-instruct-q4_k_m.patterns.json".as_ref(), FileFormat::Native)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::decoder::progress::CancelOnly;
use crate::decoder::{Decoder, LayerSteps};
use crate::device::compute::Compute;
use crate::error::{Error, Result};
use crate::session::kv_cache::CacheFormat;
use minference_attention::pattern::config::{HeadEntry, PatternConfig};
use minference_attention::search::{CalibrationSample, Objective, search_layer};
use minference_attention::{AttentionBackend, HeadPattern, Progress};
use std::sync::Arc;

/// What to search, and on what.
#[derive(Clone)]
pub struct SearchRequest<'a> {
    /// The calibration prompts' tokens; errors are averaged over them.
    pub samples: &'a [Vec<u32>],
    /// What is tried, and what wins.
    pub objective: &'a Objective,
    /// The first query row that counts in errors.
    pub errors_from: usize,
    /// How keys and values are stored.
    pub cache: CacheFormat,
    /// Follows the search in parts of layers, and may cancel it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Finds a pattern for each head.
///
/// - `found`: layers that an earlier, interrupted search of the same request found
/// - `on_layer`: gets all layers found so far, each time that one is added
///
/// # Errors
/// No prompts, prompts shorter than the estimates need, an objective that contradicts itself, more
/// layers found than there are; those of `on_layer`; out of memory, cancelled.
pub fn search_patterns(
    decoder: &Decoder,
    compute: &Compute,
    request: &SearchRequest<'_>,
    found: Vec<Vec<HeadEntry>>,
    on_layer: &mut (dyn FnMut(&[Vec<HeadEntry>]) -> Result<()> + Send),
) -> Result<PatternConfig> {
    let layers = decoder.config().layers.len();
    if found.len() > layers {
        return Err(Error::shape("layers found before", format!("at most {layers}"), found.len()));
    }
    request.objective.check()?;
    compute.install(|| run(decoder, compute, request, found, on_layer))
}

fn run(
    decoder: &Decoder,
    compute: &Compute,
    request: &SearchRequest<'_>,
    mut found: Vec<Vec<HeadEntry>>,
    on_layer: &mut (dyn FnMut(&[Vec<HeadEntry>]) -> Result<()> + Send),
) -> Result<PatternConfig> {
    let (layers, heads) = (decoder.config().layers.len(), decoder.config().heads);
    let watched =
        request.progress.clone().map(|progress| compute.backend_with(Arc::new(CancelOnly(progress))));
    let backend = watched.as_deref().unwrap_or(compute.backend());
    let mut steps = Vec::with_capacity(request.samples.len());
    for tokens in request.samples {
        let progress = request.progress.as_ref();
        steps.push(LayerSteps::new(decoder, compute, tokens, request.cache, progress)?);
    }
    let mut search_progress = SearchProgress::new(request, layers);
    let dense = vec![HeadPattern::Dense; heads];
    for layer in 0..if found.len() == layers { 0 } else { layers } {
        let mut queries = Vec::with_capacity(steps.len());
        let mut attended = Vec::with_capacity(steps.len());
        for steps in &mut steps {
            queries.push(steps.project()?);
        }
        for (steps, queries) in steps.iter_mut().zip(&queries) {
            attended.push(steps.attend(queries, &dense)?.0);
            search_progress.advance();
        }
        if layer == found.len() {
            let samples = steps.iter().zip(&queries).zip(&attended).map(|((steps, queries), dense)| {
                Ok(CalibrationSample { inputs: steps.inputs(queries)?, dense: dense.view()? })
            });
            let samples: Vec<CalibrationSample<'_>> = samples.collect::<Result<_>>()?;
            found.push(search(backend, &samples, request, &mut search_progress)?);
            on_layer(&found)?;
        }
        drop(queries);
        search_progress.layer_done(layer);
        if layer + 1 < layers {
            for (steps, attended) in steps.iter_mut().zip(&attended) {
                steps.finish(attended)?;
            }
        }
    }
    Ok(PatternConfig::new(found)?)
}

fn search(
    backend: &dyn AttentionBackend,
    samples: &[CalibrationSample<'_>],
    request: &SearchRequest<'_>,
    search_progress: &mut SearchProgress,
) -> Result<Vec<HeadEntry>> {
    let on_trial = &mut || search_progress.advance();
    Ok(search_layer(&backend, samples, request.objective, request.errors_from, on_trial)?)
}

/// Progress in parts of layers: a dense pass for each prompt, and the trials.
struct SearchProgress {
    progress: Option<Arc<dyn Progress>>,
    parts: u64,
    done: u64,
    total: u64,
}

impl SearchProgress {
    fn new(request: &SearchRequest<'_>, layers: usize) -> Self {
        let parts = (request.samples.len() + request.objective.trials()) as u64;
        Self { progress: request.progress.clone(), parts, done: 0, total: parts * layers as u64 }
    }

    fn advance(&mut self) {
        self.done = (self.done + 1).min(self.total);
        self.report();
    }

    /// Whatever was left out, the layer is done.
    fn layer_done(&mut self, layer: usize) {
        self.done = self.parts * (layer as u64 + 1);
        self.report();
    }

    fn report(&self) {
        if let Some(progress) = &self.progress {
            progress.advance(self.done, self.total);
        }
    }
}
