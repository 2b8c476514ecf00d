//! [`HeadFit`]: budgets of one head, fitted to a number of pairs by the canonical lowering.

use super::{CalibrationSample, judge};
use crate::backend::{AttentionBackend, LineScores};
use crate::error::Result;
use crate::index::SparseIndex;
use crate::lowering::Lowering;
use crate::pattern::block_sparse::{self, BlockScores};
use crate::pattern::provenance::Fit;
use crate::pattern::vertical_slash::{self, KEPT_DIAGONALS, LAST_QUERIES};
use crate::pattern::{HeadPattern, a_shape, tri_shape};
use std::ops::RangeInclusive;

/// How far computed pairs may be from the target.
pub(super) const TOLERANCE: f64 = 0.02;

/// A candidate with its fitted budget.
pub(super) struct FittedBudget {
    pub(super) pattern: HeadPattern,
    /// One for each sample.
    pub(super) indices: Vec<SparseIndex>,
    /// Of all samples.
    pub(super) pairs: u64,
    pub(super) fit: Fit,
}

/// One head's online estimates, used for every budget: of columns and diagonals made once, of
/// blocks once for each fit.
pub(super) struct HeadFit<'a, B> {
    backend: &'a B,
    samples: &'a [CalibrationSample<'a>],
    head: usize,
    lines: Vec<LineScores>,
    blocks: Vec<BlockScores>,
}

impl<'a, B: AttentionBackend> HeadFit<'a, B> {
    pub(super) fn new(backend: &'a B, samples: &'a [CalibrationSample<'a>], head: usize) -> Self {
        Self { backend, samples, head, lines: Vec::new(), blocks: Vec::new() }
    }

    /// Pairs that a pattern computes, over all samples.
    pub(super) fn pairs_of(&mut self, pattern: HeadPattern) -> Result<u64> {
        let pairs = self.at(pattern).map(|(_, pairs)| pairs);
        self.forget_blocks();
        pairs
    }

    /// A candidate whose last budget computes as many pairs as `target`, or as nearly as there is.
    pub(super) fn fit(&mut self, candidate: HeadPattern, target: u64) -> Result<FittedBudget> {
        let fitted = self.bisect(candidate, target);
        self.forget_blocks();
        fitted
    }

    /// Of a million tokens, blocks' scores take half a gigabyte a head: all heads' are never there
    /// at once. To estimate them again for another share costs little beside a trial.
    fn forget_blocks(&mut self) {
        self.blocks = Vec::new();
    }

    /// Only pairs are kept on the way, since an index may be as large as the scores.
    fn bisect(&mut self, candidate: HeadPattern, target: u64) -> Result<FittedBudget> {
        let (indices, pairs) = self.at(candidate)?;
        // What meets the target as it stands stays: budgets nearby may compute the same.
        if pairs == target {
            return Ok(FittedBudget { pattern: candidate, indices, pairs, fit: Fit::Close });
        }
        drop(indices);
        let budgets = self.budgets(candidate);
        let (mut below, mut above) = (*budgets.start(), *budgets.end());
        let mut under = self.at(with_budget(candidate, below))?.1;
        if under >= target {
            return self.fitted(candidate, below, target, Fit::AtLeast);
        }
        let mut over = self.at(with_budget(candidate, above))?.1;
        if over <= target {
            return self.fitted(candidate, above, target, Fit::AtMost);
        }
        // More budget computes no less: between these two the pairs pass the target.
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            let pairs = self.at(with_budget(candidate, middle))?.1;
            if pairs <= target {
                (below, under) = (middle, pairs);
            } else {
                (above, over) = (middle, pairs);
            }
        }
        let best = if over - target < target - under { above } else { below };
        self.fitted(candidate, best, target, Fit::Nearest)
    }

    /// A candidate with a budget; `otherwise` says how it fits where it is not close.
    fn fitted(
        &mut self,
        candidate: HeadPattern,
        budget: usize,
        target: u64,
        otherwise: Fit,
    ) -> Result<FittedBudget> {
        let pattern = with_budget(candidate, budget);
        let (indices, pairs) = self.at(pattern)?;
        Ok(FittedBudget { pattern, indices, pairs, fit: judge(pairs, target).unwrap_or(otherwise) })
    }

    /// The last budgets of a candidate that differ in what they compute.
    fn budgets(&self, candidate: HeadPattern) -> RangeInclusive<usize> {
        let keys = self.samples.iter().map(|sample| sample.inputs.geometry().keys()).max().unwrap_or(1);
        let blocks =
            self.samples.iter().map(|sample| sample.inputs.geometry().key_blocks()).max().unwrap_or(1);
        match candidate {
            HeadPattern::Dense => 0..=0,
            HeadPattern::AShape { .. } => 1..=keys,
            HeadPattern::TriShape { .. } => 1..=keys,
            HeadPattern::VerticalSlash { .. } => KEPT_DIAGONALS.min(keys)..=keys,
            HeadPattern::BlockSparse { .. } => 1..=blocks,
        }
    }

    /// A pattern's indices for each sample, and the pairs of all.
    fn at(&mut self, pattern: HeadPattern) -> Result<(Vec<SparseIndex>, u64)> {
        self.estimate(pattern)?;
        let mut indices = Vec::with_capacity(self.samples.len());
        let mut pairs = 0;
        for (at, sample) in self.samples.iter().enumerate() {
            let geometry = sample.inputs.geometry();
            let index = match pattern {
                HeadPattern::Dense => SparseIndex::Dense,
                HeadPattern::AShape { sink, local } => a_shape::index(geometry, sink, local)?,
                HeadPattern::TriShape { sink, local, last } => tri_shape::index(geometry, sink, local, last)?,
                HeadPattern::VerticalSlash { vertical, slash } => {
                    vertical_slash::index(&self.lines[at], vertical, slash)?
                }
                HeadPattern::BlockSparse { top_k } => block_sparse::index(&self.blocks[at], top_k)?,
            };
            pairs += self.backend.pairs(&Lowering::new(&index, geometry)?);
            indices.push(index);
        }
        Ok((indices, pairs))
    }

    /// Makes the estimates that a pattern needs, where they are not there.
    fn estimate(&mut self, pattern: HeadPattern) -> Result<()> {
        let (backend, head) = (self.backend, self.head);
        match pattern {
            HeadPattern::VerticalSlash { .. } if self.lines.is_empty() => {
                let scores = |sample: &CalibrationSample<'_>| {
                    backend.last_query_scores(&sample.inputs, head, LAST_QUERIES)
                };
                self.lines = self.samples.iter().map(scores).collect::<Result<_>>()?;
            }
            HeadPattern::BlockSparse { .. } if self.blocks.is_empty() => {
                let scores =
                    |sample: &CalibrationSample<'_>| block_sparse::estimate(backend, &sample.inputs, head);
                self.blocks = self.samples.iter().map(scores).collect::<Result<_>>()?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The same pattern with another last budget.
fn with_budget(pattern: HeadPattern, budget: usize) -> HeadPattern {
    match pattern {
        HeadPattern::Dense => HeadPattern::Dense,
        HeadPattern::AShape { sink, .. } => HeadPattern::AShape { sink, local: budget },
        HeadPattern::TriShape { sink, last, .. } => HeadPattern::TriShape { sink, local: budget, last },
        HeadPattern::VerticalSlash { vertical, .. } => HeadPattern::VerticalSlash { vertical, slash: budget },
        HeadPattern::BlockSparse { .. } => HeadPattern::BlockSparse { top_k: budget },
    }
}

/// Whether two patterns differ in nothing but their last budget.
pub(super) fn is_same_family(one: HeadPattern, other: HeadPattern) -> bool {
    with_budget(one, 0) == with_budget(other, 0)
}
