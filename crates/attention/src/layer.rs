//! [`attend_layer`]: one call for a whole layer, with a report that says what was computed.

use crate::backend::AttentionBackend;
use crate::error::Result;
use crate::inputs::AttentionInputs;
use crate::pattern::HeadPattern;
use crate::plan::{LayerPlan, plan_layer};
use crate::view::TensorViewMut;
use std::time::Duration;

/// What one head did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadReport {
    /// The pattern that was asked for.
    pub pattern: HeadPattern,
    /// Whether it ran dense, because the pattern says so or because sparse attention would not have
    /// paid.
    pub ran_dense: bool,
    /// Query-key pairs that were computed, by the canonical layout.
    pub pairs: u64,
    /// Pairs that dense attention computes.
    pub causal_pairs: u64,
    /// Wall-clock time of the online estimate, of building the index, and of counting its pairs.
    pub index_time: Duration,
    /// This head's part of the kernels' wall-clock time, without what heads share (packing of K and
    /// V).
    pub kernel_time: Duration,
}

impl HeadReport {
    /// Computed share of the causal area, 0 to 1.
    pub fn computed_share(&self) -> f64 {
        self.pairs as f64 / self.causal_pairs as f64
    }
}

/// What one layer did.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerReport {
    /// One entry per query head.
    pub heads: Vec<HeadReport>,
}

impl LayerReport {
    /// Pairs of all heads.
    pub fn pairs(&self) -> u64 {
        self.heads.iter().map(|head| head.pairs).sum()
    }
    /// Pairs of all heads, were they dense.
    pub fn causal_pairs(&self) -> u64 {
        self.heads.iter().map(|head| head.causal_pairs).sum()
    }
    /// Computed share of the causal area over all heads, 0 to 1.
    pub fn computed_share(&self) -> f64 {
        self.pairs() as f64 / self.causal_pairs() as f64
    }
    /// Time of all online estimates.
    pub fn index_time(&self) -> Duration {
        self.heads.iter().map(|head| head.index_time).sum()
    }
    /// Time of all kernels.
    pub fn kernel_time(&self) -> Duration {
        self.heads.iter().map(|head| head.kernel_time).sum()
    }
}

/// Sparse attention of one layer: finds what each head attends to as its plan says, and attends.
///
/// A head for which sparse attention does not pay runs dense; see [`plan_layer`].
///
/// `output` is `[queries, heads, head_dim]`.
///
/// # Errors
/// Another number of plans than heads, an output of another shape, inputs that are not finite, out
/// of memory.
pub fn attend_layer<'a>(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    plan: impl Into<LayerPlan<'a>>,
    output: &mut TensorViewMut<'_>,
) -> Result<LayerReport> {
    let planned = plan_layer(backend, inputs, plan)?;
    let (lowerings, mut heads): (Vec<_>, Vec<_>) =
        planned.into_iter().map(|head| (head.lowering, head.report)).unzip();
    let costs = backend.attend_lowered(inputs, &lowerings, output)?;
    for (head, cost) in heads.iter_mut().zip(costs) {
        head.kernel_time = cost.kernel_time;
    }
    Ok(LayerReport { heads })
}
