//! [`AttentionBackend`]: what a device must offer, and nothing more.
//!
//! Patterns and backends add up instead of multiplying: a pattern turns scores into a
//! [`SparseIndex`], a backend attends to whatever an index lowers to. A new backend implements
//! three methods and must pass [`conformance::conforms`](crate::conformance::conforms).

use crate::element::ElementType;
use crate::error::Result;
use crate::index::SparseIndex;
use crate::inputs::AttentionInputs;
use crate::lowering::Lowering;
use crate::view::TensorViewMut;
use std::time::Duration;

/// Softmax of the last queries over all keys, summed along columns and diagonals (paper, section
/// 3.2, vertical-slash).
#[derive(Debug, Clone, PartialEq)]
pub struct LineScores {
    /// For each key: the sum of its probabilities over the voting queries. `[keys]`
    pub columns: Vec<f32>,
    /// For each distance from query back to key: the sum of the probabilities along that diagonal.
    /// `[keys]`
    pub diagonals: Vec<f32>,
}

/// Receives a query block's number and its scores of the key blocks up to its own, `[key blocks]`;
/// from several threads, in any order, each block once.
pub type BlockScoreVisitor<'a> = &'a (dyn Fn(usize, &[f32]) + Sync);

/// What attending one head took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadCost {
    /// This head's part of the wall-clock time: the time that threads spent on it, divided by the
    /// number of threads.
    pub kernel_time: Duration,
}

/// Where sparse attention stops paying on a backend: constants from a benchmark, never timed at run
/// time, so that results don't depend on the clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossover {
    /// A head whose lowered index covers more than this share of the causal area runs dense.
    pub share: f64,
    /// Cost of a vertical-slash estimate for which 64 queries vote, in query-key pairs per key.
    pub line_estimate: f64,
    /// Cost of a block-sparse estimate, in query-key pairs per key.
    pub block_estimate: f64,
    /// Estimates whose outcome is open (vertical-slash: how far apart will the diagonals lie?) may
    /// cost this share of a layer's causal area before any has turned out useful; without
    /// allowance, a head runs dense.
    pub estimate_share: f64,
}

/// Follows a long computation, and may stop it.
pub trait Progress: Send + Sync {
    /// `done` of `total` units are finished. Called from several threads, often.
    fn advance(&self, done: u64, total: u64);

    /// Whether to stop with [`Error::Cancelled`](crate::Error::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// A device that computes sparse attention.
pub trait AttentionBackend: Sync {
    /// The online estimate of a vertical-slash head: the softmax of the last `last_queries` (at
    /// most 64) queries of `head`.
    ///
    /// # Errors
    /// Out of memory, or cancelled.
    fn last_query_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        last_queries: usize,
    ) -> Result<LineScores>;

    /// The online estimate of a block-sparse head: scaled products of mean-pooled blocks of 64
    /// queries and keys.
    ///
    /// # Errors
    /// Out of memory, or cancelled.
    fn pooled_block_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        visitor: BlockScoreVisitor<'_>,
    ) -> Result<()>;

    /// Attends every head to what its lowering says, which was made for the geometry of the inputs.
    /// `output` is `[queries, heads, head_dim]`.
    ///
    /// # Errors
    /// Shapes or lowerings that don't fit, inputs that are not finite, out of memory, cancelled.
    /// The output is then undefined.
    fn attend_lowered(
        &self,
        inputs: &AttentionInputs<'_>,
        heads: &[Lowering<'_>],
        output: &mut TensorViewMut<'_>,
    ) -> Result<Vec<HeadCost>>;

    /// [`attend_lowered`](Self::attend_lowered) for indices that were not lowered yet.
    ///
    /// # Errors
    /// The same, and indices that don't fit the geometry of the inputs.
    fn attend(
        &self,
        inputs: &AttentionInputs<'_>,
        indices: &[SparseIndex],
        output: &mut TensorViewMut<'_>,
    ) -> Result<Vec<HeadCost>> {
        let lower = |index| Lowering::new(index, inputs.geometry());
        let heads: Vec<Lowering<'_>> = indices.iter().map(lower).collect::<Result<_>>()?;
        self.attend_lowered(inputs, &heads, output)
    }

    /// Where sparse attention stops paying, for inputs of a type.
    fn crossover(&self, element_type: ElementType) -> Crossover;

    /// What computes inputs of a type, as results name it: arithmetic and instruction set or
    /// device.
    fn description(&self, element_type: ElementType) -> String;

    /// The canonical cost of a head: [`Lowering::pairs`], in parallel where the backend can.
    fn pairs(&self, lowering: &Lowering<'_>) -> u64 {
        lowering.pairs()
    }
}

/// A reference to a backend is one too, so that `&dyn AttentionBackend` can be handed to what takes
/// `&impl AttentionBackend`.
impl<B: AttentionBackend + ?Sized> AttentionBackend for &B {
    fn last_query_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        last_queries: usize,
    ) -> Result<LineScores> {
        (**self).last_query_scores(inputs, head, last_queries)
    }

    fn pooled_block_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        visitor: BlockScoreVisitor<'_>,
    ) -> Result<()> {
        (**self).pooled_block_scores(inputs, head, visitor)
    }

    fn attend_lowered(
        &self,
        inputs: &AttentionInputs<'_>,
        heads: &[Lowering<'_>],
        output: &mut TensorViewMut<'_>,
    ) -> Result<Vec<HeadCost>> {
        (**self).attend_lowered(inputs, heads, output)
    }

    fn crossover(&self, element_type: ElementType) -> Crossover {
        (**self).crossover(element_type)
    }

    fn description(&self, element_type: ElementType) -> String {
        (**self).description(element_type)
    }

    fn pairs(&self, lowering: &Lowering<'_>) -> u64 {
        (**self).pairs(lowering)
    }
}
