//! [`PassSizes`]: the parts of a pass over some tokens, in bytes.

use crate::decoder::config::ModelConfig;
use crate::device::compute::Compute;
use crate::device::cpu::CHUNK;
use crate::patterns::plan::AttentionPlan;
use minference_attention::{CallShape, ElementType, Geometry, HeadPattern};

const F32: u64 = size_of::<f32>() as u64;
/// What a thread has of its own for products with weights, at most.
const PER_THREAD: u64 = 1 << 20;

/// A pass over the last `tokens` of `keys` tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassSizes<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) compute: &'a Compute,
    /// Of queries, and of attention's output.
    pub(super) element_type: ElementType,
    pub(super) tokens: usize,
    pub(super) keys: usize,
}

/// What patterns need beside the pass.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PatternBytes {
    /// Indices of a layer's heads.
    pub(super) indices: u64,
    /// The largest estimate of a head, with what it is chosen in.
    pub(super) estimate: u64,
}

impl PassSizes<'_> {
    /// The residual stream.
    pub(super) fn residual(&self) -> u64 {
        self.rows(self.config.hidden as u64 * F32)
    }

    /// Queries of a layer; attention's output takes as much.
    pub(super) fn queries(&self) -> u64 {
        self.rows((self.config.heads * self.config.head_dim * self.element_type.bytes()) as u64)
    }

    /// Sines and cosines of all positions.
    pub(super) fn rotations(&self) -> u64 {
        let pairs: u64 = self.config.ropes.iter().map(|rope| rope.rotary_dim as u64 / 2).sum();
        self.rows(2 * F32 * pairs)
    }

    /// A chunk's rows on their way through projections or the MLP.
    pub(super) fn chunk(&self) -> u64 {
        let ModelConfig { hidden, intermediate, heads, kv_heads, head_dim, .. } = *self.config;
        let projected = hidden + (heads + 2 * kv_heads) * head_dim;
        let gated = hidden + heads * head_dim + 2 * intermediate;
        F32 * (projected.max(gated) * self.tokens.min(CHUNK)) as u64
    }

    /// What products with weights need, and keep for the next ones: a chunk's packed inputs, and
    /// each thread's blocks.
    pub(super) fn products(&self) -> u64 {
        let mut columns =
            [self.config.hidden, self.config.intermediate, self.config.heads * self.config.head_dim];
        columns.sort_unstable();
        // a buffer that grows may get twice as large as it was
        let columns = columns[2].max(2 * columns[1]) as u64;
        // whole vectors of rows
        let rows = self.tokens.min(CHUNK).next_multiple_of(64) as u64;
        F32 * rows * columns + PER_THREAD * self.compute.threads() as u64
    }

    /// What attention is called with.
    pub(super) fn call(&self) -> CallShape {
        CallShape {
            queries: self.tokens,
            keys: self.keys,
            heads: self.config.heads,
            kv_heads: self.config.kv_heads,
            head_dim: self.config.head_dim,
            element_type: self.element_type,
        }
    }

    /// Where its queries stand.
    pub(super) fn geometry(&self) -> Option<Geometry> {
        Geometry::chunk(self.tokens, self.keys, None).ok()
    }

    /// A layer's attention: indices of all heads, and what estimates or kernels take beside them.
    pub(super) fn attention(&self, patterns: PatternBytes) -> u64 {
        let kernels = self.compute.cpu().attend_bytes(&self.call());
        patterns.indices.saturating_add(kernels.max(patterns.estimate))
    }

    /// What a plan's patterns need, in the layer where they need the most.
    pub(super) fn patterns(&self, plan: &AttentionPlan) -> PatternBytes {
        let Some(geometry) = self.geometry() else { return PatternBytes::default() };
        let layers = 0..self.config.layers.len();
        let of_layer = |layer| {
            // a plan for another model is refused when it is used
            let patterns = plan.patterns(layer, self.config.heads, self.keys).unwrap_or_default();
            patterns.iter().fold(PatternBytes::default(), |sum, pattern| {
                let index = pattern.index_bytes(geometry);
                PatternBytes {
                    indices: sum.indices.saturating_add(index),
                    estimate: sum.estimate.max(self.estimate(pattern, index)),
                }
            })
        };
        layers.map(of_layer).fold(PatternBytes::default(), |most, of_layer| PatternBytes {
            indices: most.indices.max(of_layer.indices),
            estimate: most.estimate.max(of_layer.estimate),
        })
    }

    /// What the estimate of a pattern takes, with an index on its way.
    fn estimate(&self, pattern: &HeadPattern, index: u64) -> u64 {
        let backend = self.compute.cpu();
        match pattern {
            HeadPattern::Dense | HeadPattern::AShape { .. } | HeadPattern::TriShape { .. } => 0,
            HeadPattern::VerticalSlash { .. } => backend.line_estimate_bytes(self.keys),
            // rows before they are joined
            HeadPattern::BlockSparse { .. } => {
                backend.block_estimate_bytes(&self.call()).saturating_add(index.saturating_mul(2))
            }
        }
    }

    fn rows(&self, bytes: u64) -> u64 {
        (self.tokens as u64).saturating_mul(bytes)
    }
}
