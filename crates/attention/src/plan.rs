//! [`LayerPlan`]: how the heads of a layer choose their keys, and [`plan_layer`], which finds what
//! each of them attends to, after the rule that keeps it from being slower than dense.
//!
//! | module | what it holds |
//! |---|---|
//! | `crossover` | when sparse attention pays: before an estimate, and after it |
//! | `fixed` | an index of one prompt, for prompts and chunks of other lengths |

pub mod crossover;
mod fixed;

pub use fixed::FixedIndex;

use crate::backend::AttentionBackend;
use crate::error::{Error, Result};
use crate::index::SparseIndex;
use crate::inputs::AttentionInputs;
use crate::layer::HeadReport;
use crate::lowering::Lowering;
use crate::pattern::HeadPattern;
use crossover::Prospect;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// How one head chooses its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum HeadPlan {
    /// By its pattern, for each prompt anew.
    Pattern(HeadPattern),
    /// As it chose in another prompt: nothing is estimated, and nothing asks whether it pays.
    Fixed(FixedIndex),
}

impl HeadPlan {
    /// The pattern that chooses, or chose.
    pub fn pattern(&self) -> HeadPattern {
        match self {
            Self::Pattern(pattern) => *pattern,
            Self::Fixed(fixed) => fixed.pattern,
        }
    }
}

impl From<HeadPattern> for HeadPlan {
    fn from(pattern: HeadPattern) -> Self {
        Self::Pattern(pattern)
    }
}

/// How the heads of a layer choose their keys.
///
/// ```
/// use minference_attention::{HeadPattern, LayerPlan};
///
/// let heads = [HeadPattern::BlockSparse { top_k: 20 }, HeadPattern::AShape { sink: 128, local: 1024 }];
/// // The heads' patterns and nothing else, or with the last 64 queries dense.
/// let pure = LayerPlan::from(&heads);
/// let with_question = LayerPlan { dense_queries: 64, ..LayerPlan::from(&heads) };
/// assert_eq!((pure.heads, pure.dense_queries), (with_question.heads, 0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPlan<'a> {
    /// One entry per query head.
    pub heads: Cow<'a, [HeadPlan]>,
    /// So many of the last queries see every key, whatever their head's plan, and so do those in
    /// the same block of 64: they ask the question. 64 of 32,768 cost 0.4 to 0.8 % of dense
    /// attention. (Tri-shape, in the authors' later code, does so for one of the shapes.)
    pub dense_queries: usize,
}

impl<T: AsRef<[HeadPattern]> + ?Sized> From<&T> for LayerPlan<'_> {
    fn from(heads: &T) -> Self {
        let heads = heads.as_ref().iter().map(|&pattern| pattern.into()).collect();
        Self { heads: Cow::Owned(heads), dense_queries: 0 }
    }
}

/// What one head runs with.
#[derive(Debug, Clone)]
pub struct PlannedHead {
    /// What it attends to; dense where sparse attention would not pay.
    pub lowering: Lowering<'static>,
    /// What that will compute; the kernel's time is not known yet.
    pub report: HeadReport,
}

/// What each head of a layer attends to, after the crossover rule.
///
/// A head for which sparse attention does not pay runs dense (see
/// [`Crossover`](crate::Crossover)), and its estimate is skipped where that is known beforehand.
/// How many pairs a vertical-slash head will compute is only known after its estimate, so the layer
/// has an allowance for estimates that turn out useless, a few percent of its dense attention; what
/// sparse heads save is added to it. So heads with patterns run sparse from about a thousand tokens
/// on, and a layer without any is hardly slower than a dense one.
///
/// # Errors
/// Another number of plans than heads, and as for the estimates of the backend.
pub fn plan_layer<'a>(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    plan: impl Into<LayerPlan<'a>>,
) -> Result<Vec<PlannedHead>> {
    let LayerPlan { heads, dense_queries } = plan.into();
    if heads.len() != inputs.heads() {
        return Err(Error::Shape {
            what: "plans",
            expected: format!("one for each of the {} query heads", inputs.heads()),
            found: format!("{}", heads.len()),
        });
    }
    let geometry = inputs.geometry();
    let mut planner = LayerPlanner::new(backend, inputs, dense_queries);
    let plan_head = |(head, plan): (usize, &HeadPlan)| {
        let start = Instant::now();
        let (lowering, pairs) = planner.plan_head(head, plan)?;
        let report = HeadReport {
            pattern: plan.pattern(),
            ran_dense: lowering.index().is_dense(),
            pairs,
            causal_pairs: geometry.causal_pairs(),
            index_time: start.elapsed(),
            kernel_time: Duration::ZERO,
        };
        Ok(PlannedHead { lowering, report })
    };
    heads.iter().enumerate().map(plan_head).collect()
}

/// Plans the heads of one layer, one after the other.
struct LayerPlanner<'a, B> {
    backend: &'a B,
    inputs: &'a AttentionInputs<'a>,
    crossover: crate::Crossover,
    /// How many of the first queries are not dense.
    sparse_queries: usize,
    /// Pairs that estimates of an open outcome may still cost. Counted, never timed, so that
    /// results don't depend on the clock.
    allowance: f64,
}

impl<'a, B: AttentionBackend> LayerPlanner<'a, B> {
    fn new(backend: &'a B, inputs: &'a AttentionInputs<'a>, dense_queries: usize) -> Self {
        let geometry = inputs.geometry();
        let crossover = backend.crossover(inputs.k().element_type());
        let causal_pairs = geometry.causal_pairs() as f64;
        Self {
            backend,
            inputs,
            sparse_queries: crossover::sparse_queries(geometry, dense_queries),
            allowance: crossover.estimate_share * causal_pairs * inputs.heads() as f64,
            crossover,
        }
    }

    /// What a head attends to, and its canonical pairs.
    fn plan_head(&mut self, head: usize, plan: &HeadPlan) -> Result<(Lowering<'static>, u64)> {
        match plan {
            HeadPlan::Pattern(pattern) => self.plan_pattern(head, *pattern),
            HeadPlan::Fixed(fixed) => self.plan_fixed(fixed),
        }
    }

    /// An estimate of an open outcome is paid from the allowance, and what the head saves is added
    /// to it.
    fn plan_pattern(&mut self, head: usize, pattern: HeadPattern) -> Result<(Lowering<'static>, u64)> {
        let geometry = self.inputs.geometry();
        let (estimate, is_open) =
            match crossover::before(pattern, geometry, self.sparse_queries, &self.crossover) {
                Prospect::Sparse { estimate, is_open } if !is_open || estimate <= self.allowance => {
                    (estimate, is_open)
                }
                Prospect::Sparse { .. } | Prospect::Dense => return self.dense(),
            };
        let index = pattern.select(self.backend, self.inputs, head)?.with_dense_from(self.sparse_queries);
        let lowering = Lowering::new(index, geometry)?;
        let pairs = self.backend.pairs(&lowering);
        let is_sparse = crossover::after(pairs, geometry, &self.crossover);
        if is_open {
            // A sparse pair costs somewhat more than a dense one: `share` stands for that, too.
            let most = crossover::most_pairs(geometry, &self.crossover);
            let saved = if is_sparse { most - pairs as f64 } else { 0.0 };
            self.allowance += saved - estimate;
        }
        if is_sparse { Ok((lowering, pairs)) } else { self.dense() }
    }

    /// As with patterns, a single query sees everything.
    fn plan_fixed(&self, fixed: &FixedIndex) -> Result<(Lowering<'static>, u64)> {
        let geometry = self.inputs.geometry();
        if self.sparse_queries == 0 || geometry.queries() == 1 {
            return self.dense();
        }
        let index = fixed.fit(geometry)?.with_dense_from(self.sparse_queries);
        let lowering = Lowering::new(index, geometry)?;
        let pairs = self.backend.pairs(&lowering);
        Ok((lowering, pairs))
    }

    fn dense(&self) -> Result<(Lowering<'static>, u64)> {
        let geometry = self.inputs.geometry();
        Ok((Lowering::new(SparseIndex::Dense, geometry)?, geometry.causal_pairs()))
    }
}
