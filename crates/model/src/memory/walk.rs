//! [`PlannedWalk`]: prompts that go through the layers side by side, and are looked at in each.

use super::pass::{PassSizes, PatternBytes};
use super::{FIXED, MemoryForecast};
use crate::decoder::config::ModelConfig;
use crate::device::compute::Compute;
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::CacheFormat;
use minference_attention::HeadPattern;
use minference_attention::inspection::inspection_bytes;
use minference_attention::pattern::block_sparse::scores_bytes;
use minference_attention::search::Objective;

/// Prompts on their way through a model: of each the residual stream, and of one layer queries,
/// keys, values and the dense output.
#[derive(Debug, Clone, Copy)]
pub struct PlannedWalk<'a> {
    /// Tokens of each prompt.
    pub prompts: &'a [usize],
    /// How keys and values are stored.
    pub cache: CacheFormat,
    /// What it runs on.
    pub compute: &'a Compute,
}

impl PlannedWalk<'_> {
    fn pass<'b>(&'b self, config: &'b ModelConfig, tokens: usize) -> PassSizes<'b> {
        let element_type = self.cache.element_type();
        PassSizes { config, compute: self.compute, element_type, tokens, keys: tokens }
    }

    fn longest(&self) -> usize {
        self.prompts.iter().copied().max().unwrap_or(0)
    }

    /// What all prompts have while one layer of them is looked at, with `beside` to look at it.
    fn forecast(&self, config: &ModelConfig, weight_bytes: u64, beside: u64) -> MemoryForecast {
        let sum = |of: &dyn Fn(&PassSizes<'_>) -> u64| {
            let bytes = self.prompts.iter().map(|&tokens| of(&self.pass(config, tokens)));
            bytes.fold(0, u64::saturating_add)
        };
        let rows =
            |pass: &PassSizes<'_>| self.cache.bytes(pass.tokens, [config.kv_heads, config.head_dim]) as u64;
        let activations =
            |pass: &PassSizes<'_>| pass.residual().saturating_add(pass.queries().saturating_mul(2));
        let working = |pass: &PassSizes<'_>| pass.rotations().saturating_add(pass.products());
        let beside = beside.max(self.pass(config, self.longest()).chunk());
        MemoryForecast {
            weights: weight_bytes,
            cache: sum(&rows),
            activations: sum(&activations),
            working: sum(&working).saturating_add(FIXED).saturating_add(beside),
        }
    }
}

impl MemoryForecast {
    /// For a search of patterns. A trial has an index of each head and an output in `f32`; a fit
    /// has one head's estimate of blocks, which is not kept, and those of columns and diagonals,
    /// which are.
    pub fn for_search(
        config: &ModelConfig,
        weight_bytes: u64,
        walk: &PlannedWalk<'_>,
        objective: &Objective,
    ) -> Self {
        let heads = config.heads as u64;
        let longest = walk.pass(config, walk.longest());
        let (mut lines, mut indices, mut scores, mut estimate) = (0u64, 0u64, 0u64, 0u64);
        for &tokens in walk.prompts {
            let pass = walk.pass(config, tokens);
            let Some(geometry) = pass.geometry() else { continue };
            let (mut lines_of_head, mut index, mut all) = (0u64, 0u64, 0u64);
            for pattern in objective.patterns() {
                match pattern {
                    HeadPattern::Dense => {}
                    HeadPattern::BlockSparse { .. } => {
                        let blocks = scores_bytes(geometry);
                        let share = objective.largest_share(geometry);
                        index = index.max((share * blocks as f64) as u64);
                        // the scores, and while pairs are counted an index of any size, joined from
                        // rows
                        all = all.max(blocks.saturating_mul(3));
                        estimate = estimate.max(walk.compute.cpu().block_estimate_bytes(&pass.call()));
                    }
                    HeadPattern::VerticalSlash { .. } => {
                        // of each key a column and a diagonal
                        lines_of_head = (2 * tokens * size_of::<f32>()) as u64;
                        index = index.max(lines_of_head);
                        estimate = estimate.max(walk.compute.cpu().line_estimate_bytes(tokens));
                    }
                    HeadPattern::AShape { .. } | HeadPattern::TriShape { .. } => {
                        index = index.max((2 * tokens * size_of::<u32>()) as u64);
                    }
                }
            }
            lines = lines.saturating_add(heads.saturating_mul(lines_of_head));
            indices = indices.saturating_add(heads.saturating_mul(index));
            scores = scores.saturating_add(all);
        }
        let fit = scores.saturating_add(estimate);
        let trial = output(&longest).saturating_add(longest.attention(PatternBytes::default()));
        let beside = [lines, indices, fit.max(trial)].into_iter().fold(0, u64::saturating_add);
        walk.forecast(config, weight_bytes, beside)
    }

    /// For an inspection of a prompt, `inspected` heads of which are looked at completely.
    pub fn for_inspection(
        config: &ModelConfig,
        weight_bytes: u64,
        walk: &PlannedWalk<'_>,
        plan: &AttentionPlan,
        inspected: usize,
    ) -> Self {
        let tokens = walk.longest();
        let pass = walk.pass(config, tokens);
        let patterns = pass.patterns(plan);
        let attention = pass.attention(patterns).saturating_add(output(&pass));
        let head = inspection_bytes(tokens, config.head_dim, walk.compute.threads())
            .saturating_add(walk.compute.cpu().line_estimate_bytes(tokens))
            .saturating_add(patterns.indices);
        // of each head true and estimated columns and diagonals stay for the report
        let kept = (4 * tokens * size_of::<f32>()) as u64 * inspected as u64;
        walk.forecast(config, weight_bytes, attention.max(head).saturating_add(kept))
    }

    /// For indices that are used in other prompts: the walk, and the indices of all layers, which
    /// stay.
    pub fn for_fixed_indices(
        config: &ModelConfig,
        weight_bytes: u64,
        walk: &PlannedWalk<'_>,
        plan: &AttentionPlan,
    ) -> Self {
        let pass = walk.pass(config, walk.longest());
        let patterns = pass.patterns(plan);
        let kept = patterns.indices.saturating_mul(config.layers.len() as u64);
        walk.forecast(config, weight_bytes, pass.attention(patterns).saturating_add(kept))
    }
}

/// The output of a trial.
fn output(pass: &PassSizes<'_>) -> u64 {
    let row = (pass.config.heads * pass.config.head_dim * size_of::<f32>()) as u64;
    (pass.tokens as u64).saturating_mul(row)
}
