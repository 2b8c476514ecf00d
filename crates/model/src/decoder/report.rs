//! What a forward pass computed, and how long its parts took.

use minference_attention::LayerReport;
use std::time::Duration;

/// Sparse attention of one layer, summed over its heads and over the passes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LayerCounts {
    /// Query-key pairs that were computed.
    pub pairs: u64,
    /// Pairs that dense attention computes.
    pub causal_pairs: u64,
    /// Heads that ran dense, because their pattern says so or because sparse attention would not
    /// have paid.
    pub dense_heads: usize,
    /// Heads in all.
    pub heads: usize,
}

impl LayerCounts {
    /// Computed share of the causal area, 0 to 1.
    pub fn computed_share(&self) -> f64 {
        self.pairs as f64 / self.causal_pairs.max(1) as f64
    }

    fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.causal_pairs += other.causal_pairs;
        self.dense_heads += other.dense_heads;
        self.heads += other.heads;
    }
}

impl From<&LayerReport> for LayerCounts {
    fn from(report: &LayerReport) -> Self {
        Self {
            pairs: report.pairs(),
            causal_pairs: report.causal_pairs(),
            dense_heads: report.heads.iter().filter(|head| head.ran_dense).count(),
            heads: report.heads.len(),
        }
    }
}

/// Wall-clock time of the parts of forward passes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PhaseTimes {
    /// Projections of queries, keys and values, with their norms and rotations.
    pub projections: Duration,
    /// Online estimates and indices of attention.
    pub index: Duration,
    /// Attention itself.
    pub attention: Duration,
    /// Attention's output projection and the MLP.
    pub mlp: Duration,
    /// Choosing what stays in the key-value cache, and dropping the rest.
    pub compression: Duration,
}

impl PhaseTimes {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.projections + self.index + self.attention + self.mlp + self.compression
    }
}

/// What forward passes computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForwardReport {
    /// One entry per layer. Of the last layer only the queries whose logits were wanted count.
    pub layers: Vec<LayerCounts>,
    /// Where the time went.
    pub times: PhaseTimes,
}

impl ForwardReport {
    /// Computed share of attention's causal area over all layers, 0 to 1.
    pub fn computed_share(&self) -> f64 {
        let mut all = LayerCounts::default();
        self.layers.iter().for_each(|layer| all.add(layer));
        all.computed_share()
    }

    /// Adds what a later pass over the next tokens computed.
    pub fn add(&mut self, other: &Self) {
        self.layers.resize(self.layers.len().max(other.layers.len()), LayerCounts::default());
        for (layer, other) in self.layers.iter_mut().zip(&other.layers) {
            layer.add(other);
        }
        self.times.projections += other.times.projections;
        self.times.index += other.times.index;
        self.times.attention += other.times.attention;
        self.times.mlp += other.times.mlp;
        self.times.compression += other.times.compression;
    }
}
