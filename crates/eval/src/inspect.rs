//! [`inspect_prompt`]: what sparse attention does to a prompt in a model, as an
//! [`InspectionReport`].
//!
//! The prompt goes through the model densely. In each layer the plan's patterns attend to the same
//! queries, keys and values, so that a head's error is its own and not that of the layers before
//! it. The last layer is looked at like the others, though a prefill computes only one query of it.
//!
//! ```no_run
//! use minference_eval::inspect::{Heads, InspectionRequest, inspect_prompt};
//! use minference_model::{AttentionPlan, CacheFormat, Compute, ComputeOptions, Model};
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let prompt = model.raw_prompt(&std::fs::read_to_string("report.txt")?)?;
//! let request = InspectionRequest {
//!     tokens: &prompt,
//!     plan: &AttentionPlan::Default,
//!     heads: &Heads::Worst,
//!     side: 192,
//!     cache: CacheFormat::F16,
//!     progress: None,
//! };
//! let report = inspect_prompt(&model, &compute, "SmolLM2", "the default", &request)?;
//! report.write("inspection.html".as_ref(), None)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::report::{HeadSummary, InspectedHead, InspectedLayer, InspectionReport, LayerTimes};
use minference_attention::inspection::inspect_head;
use minference_attention::plan::plan_layer;
use minference_attention::search::attention_errors;
use minference_attention::{Error as AttentionError, Progress, SparseIndex};
use minference_model::patterns::layer_walk::{WalkedLayer, walk_layers};
use minference_model::{AttentionPlan, CacheFormat, Compute, Model, Result};
use std::sync::Arc;
use std::time::Instant;

/// Heads that are looked at completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heads {
    /// Of each kind of pattern the sparse head with the largest error.
    Worst,
    /// These, as layer and head, counted from 0.
    Chosen(Vec<(usize, usize)>),
}

/// What to look at.
#[derive(Clone)]
pub struct InspectionRequest<'a> {
    /// The prompt.
    pub tokens: &'a [u32],
    /// Which pattern each head gets.
    pub plan: &'a AttentionPlan,
    /// Heads that are looked at completely.
    pub heads: &'a Heads,
    /// Cells of their maps' sides.
    pub side: usize,
    /// How keys and values are stored.
    pub cache: CacheFormat,
    /// Follows the inspection, layer by layer, and may cancel it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Looks at a prompt's attention in all layers.
///
/// - `name`: the model's, for the reader
/// - `patterns`: where the plan comes from, a sentence
///
/// # Errors
/// A chosen head that the model doesn't have, a prompt of no tokens, a plan for another model, out
/// of memory, cancelled.
pub fn inspect_prompt(
    model: &Model,
    compute: &Compute,
    name: &str,
    patterns: &str,
    request: &InspectionRequest<'_>,
) -> Result<InspectionReport> {
    let config = model.decoder().config();
    if let Heads::Chosen(heads) = request.heads {
        for &(layer, head) in heads {
            if layer >= config.layers.len() || head >= config.heads {
                let expected =
                    format!("one of {} layers and {} heads, from 0 on", config.layers.len(), config.heads);
                let found = format!("layer {layer}, head {head}");
                return Err(AttentionError::Shape { what: "inspected head", expected, found }.into());
            }
        }
    }
    let mut inspection =
        Inspection { compute, request, layers: Vec::new(), heads: Vec::new(), pairs: (0, 0) };
    let times = walk_layers(
        model.decoder(),
        compute,
        request.tokens,
        request.cache,
        request.progress.as_ref(),
        &mut |layer| inspection.visit(layer),
    )?;
    let Inspection { mut layers, mut heads, pairs, .. } = inspection;
    for (layer, times) in layers.iter_mut().zip(times) {
        layer.times.projections = times.projections.as_secs_f64();
        layer.times.mlp = times.mlp.as_secs_f64();
    }
    heads.sort_by_key(|inspected| (inspected.layer, inspected.head));
    Ok(InspectionReport {
        model: name.to_string(),
        fingerprint: model.fingerprint().to_string(),
        prompt_tokens: request.tokens.len(),
        patterns: patterns.to_string(),
        layers,
        heads,
        computed_share: pairs.0 as f64 / (pairs.1 as f64).max(1.0),
    })
}

/// What was seen so far.
struct Inspection<'a> {
    compute: &'a Compute,
    request: &'a InspectionRequest<'a>,
    layers: Vec<InspectedLayer>,
    heads: Vec<InspectedHead>,
    /// Computed, and in all.
    pairs: (u64, u64),
}

impl Inspection<'_> {
    fn visit(&mut self, walked: &WalkedLayer<'_>) -> Result<()> {
        let (backend, inputs) = (&self.compute.backend(), &walked.inputs);
        let plan = self.request.plan;
        let (heads, keys) = (inputs.heads(), inputs.geometry().keys());
        let plan = plan.layer(walked.layer, heads, keys, plan.dense_queries())?;
        let start = Instant::now();
        let planned = plan_layer(backend, inputs, plan)?;
        let (indices, reports): (Vec<SparseIndex>, Vec<_>) =
            planned.into_iter().map(|head| (head.lowering.into_index(), head.report)).unzip();
        let estimates = start.elapsed();
        let (errors, costs) = attention_errors(backend, inputs, &indices, walked.dense, 0)?;
        let mut summaries = Vec::with_capacity(reports.len());
        for (head, (report, error)) in reports.iter().zip(errors).enumerate() {
            let summary = HeadSummary {
                pattern: report.pattern,
                ran_dense: report.ran_dense,
                computed_share: report.computed_share(),
                error,
            };
            summaries.push(summary);
            self.pairs = (self.pairs.0 + report.pairs, self.pairs.1 + report.causal_pairs);
            if self.wants(walked.layer, head, &summary) {
                let inspection = inspect_head(backend, inputs, head, &indices[head], self.request.side)?;
                self.heads.push(InspectedHead { layer: walked.layer, head, summary, inspection });
            }
        }
        let times = LayerTimes {
            estimates: estimates.as_secs_f64(),
            attention: costs.iter().map(|cost| cost.kernel_time.as_secs_f64()).sum(),
            // known when the layer is done
            ..LayerTimes::default()
        };
        self.layers.push(InspectedLayer { heads: summaries, times });
        Ok(())
    }

    /// Whether to look at a head; of a kind's worst ones only the last is kept.
    fn wants(&mut self, layer: usize, head: usize, summary: &HeadSummary) -> bool {
        match self.request.heads {
            Heads::Chosen(chosen) => chosen.contains(&(layer, head)),
            Heads::Worst if summary.ran_dense => false,
            Heads::Worst => {
                let kind = summary.pattern.name();
                match self.heads.iter().position(|inspected| inspected.summary.pattern.name() == kind) {
                    None => true,
                    Some(place) if self.heads[place].summary.error < summary.error => {
                        self.heads.remove(place);
                        true
                    }
                    Some(_) => false,
                }
            }
        }
    }
}
