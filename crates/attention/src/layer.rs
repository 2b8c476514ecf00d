//! [`attend_layer`]: one call for a whole layer, with a report that says what was computed.

mod fixed;

pub use fixed::{FixedHead, attend_fixed, fix_layer};

use crate::backend::{AttentionBackend, Crossover};
use crate::error::{Error, Result};
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use crate::layout::{Geometry, Lowering};
use crate::pattern::HeadPattern;
use crate::pattern::vertical_slash::{LAST_QUERIES, voting_queries};
use crate::view::TensorViewMut;
use std::time::{Duration, Instant};

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

/// What the heads of a layer should attend to.
///
/// ```
/// use minference_attention::{HeadPattern, LayerPatterns};
///
/// let heads = [HeadPattern::BlockSparse { top_k: 20 }, HeadPattern::AShape { sink: 128, local: 1024 }];
/// // The heads' patterns and nothing else, or with the last 64 queries dense.
/// let pure: LayerPatterns<'_> = (&heads).into();
/// let with_question = LayerPatterns { heads: &heads, dense_queries: 64 };
/// assert_eq!((pure.heads, pure.dense_queries), (with_question.heads, 0));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LayerPatterns<'a> {
    /// One entry per query head.
    pub heads: &'a [HeadPattern],
    /// So many of the last queries see every key, whatever their head's pattern, and so do those in
    /// the same block of 64: they ask the question. 64 of 32,768 cost 0.4 to 0.8 % of dense
    /// attention. (Tri-shape, in the authors' later code, does so for one of the shapes.)
    pub dense_queries: usize,
}

impl<'a, T: AsRef<[HeadPattern]> + ?Sized> From<&'a T> for LayerPatterns<'a> {
    fn from(heads: &'a T) -> Self {
        Self { heads: heads.as_ref(), dense_queries: 0 }
    }
}

/// Sparse attention of one layer: selects what each head attends to by its pattern, and attends.
///
/// A head for which sparse attention does not pay runs dense (see [`Crossover`]), and its estimate
/// is skipped where that is known beforehand. How many pairs a vertical-slash head will compute is
/// only known after its estimate, so the layer has an allowance for estimates that turn out
/// useless, a few percent of its dense attention; what sparse heads save is added to it. So heads
/// with patterns run sparse from about a thousand tokens on, and a layer without any is hardly
/// slower than a dense one.
///
/// `output` is `[queries, heads, head_dim]`.
///
/// # Errors
/// Another number of patterns than heads, an output of another shape, inputs that are not finite,
/// out of memory.
pub fn attend_layer<'a>(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    patterns: impl Into<LayerPatterns<'a>>,
    output: &mut TensorViewMut<'_>,
) -> Result<LayerReport> {
    let (indices, mut heads): (Vec<_>, Vec<_>) = plan_layer(backend, inputs, patterns)?.into_iter().unzip();
    let costs = backend.attend(inputs, &indices, output)?;
    for (head, cost) in heads.iter_mut().zip(costs) {
        head.kernel_time = cost.kernel_time;
    }
    Ok(LayerReport { heads })
}

/// What each head of [`attend_layer`] runs with, after the crossover rule, and a report without the
/// kernels' times.
///
/// # Errors
/// Another number of patterns than heads, and as for the estimates of the backend.
pub fn plan_layer<'a>(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    patterns: impl Into<LayerPatterns<'a>>,
) -> Result<Vec<(SparseIndex, HeadReport)>> {
    let LayerPatterns { heads: patterns, dense_queries } = patterns.into();
    if patterns.len() != inputs.heads() {
        return Err(Error::Shape {
            what: "patterns",
            expected: format!("one for each of the {} query heads", inputs.heads()),
            found: format!("{}", patterns.len()),
        });
    }
    let causal_pairs = inputs.geometry().causal_pairs();
    let crossover = backend.crossover(inputs.k().element_type());
    // Pairs that estimates of an open outcome may still cost. Counted, never timed, so that results
    // don't depend on the clock.
    let mut allowance = crossover.estimate_share * causal_pairs as f64 * patterns.len() as f64;
    let mut plans = Vec::with_capacity(patterns.len());
    for (head, &pattern) in patterns.iter().enumerate() {
        let start = Instant::now();
        let (index, pairs) =
            plan_head(backend, inputs, head, pattern, dense_queries, &crossover, &mut allowance)?;
        let report = HeadReport {
            pattern,
            ran_dense: index.is_dense(),
            pairs,
            causal_pairs,
            index_time: start.elapsed(),
            kernel_time: Duration::ZERO,
        };
        plans.push((index, report));
    }
    Ok(plans)
}

/// The index of one head and its canonical pairs. An estimate of an open outcome is paid from the
/// allowance, and what the head saves is added to it.
fn plan_head(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
    pattern: HeadPattern,
    dense_queries: usize,
    crossover: &Crossover,
    allowance: &mut f64,
) -> Result<(SparseIndex, u64)> {
    let geometry = inputs.geometry();
    let causal_pairs = geometry.causal_pairs();
    let estimate = estimate_pairs(crossover, pattern, geometry);
    let most = crossover.share * causal_pairs as f64;
    let sparse_queries = sparse_queries(geometry, dense_queries);
    // Blocks are whole, so that how many pairs they will be is known, unless a window cuts them.
    let is_open = match pattern {
        HeadPattern::VerticalSlash { .. } => true,
        HeadPattern::BlockSparse { .. } => geometry.window().is_some(),
        HeadPattern::Dense | HeadPattern::AShape { .. } | HeadPattern::TriShape { .. } => false,
    };
    // One query streams the cache once, which no selection of its keys would make cheaper.
    if geometry.queries() == 1
        || sparse_queries == 0
        || least_pairs(pattern, geometry, sparse_queries) as f64 + estimate > most
        || is_open && estimate > *allowance
    {
        return Ok((SparseIndex::Dense, causal_pairs));
    }
    let index = pattern.select(backend, inputs, head)?.with_dense_from(sparse_queries);
    let pairs = backend.pairs(&Lowering::new(&index, geometry)?);
    let is_sparse = pairs as f64 <= most;
    if is_open {
        // A sparse pair costs somewhat more than a dense one: `share` stands for that, too.
        let saved = if is_sparse { most - pairs as f64 } else { 0.0 };
        *allowance += saved - estimate;
    }
    Ok(if is_sparse { (index, pairs) } else { (SparseIndex::Dense, causal_pairs) })
}

/// How many of the first queries are in blocks without a dense one.
fn sparse_queries(geometry: Geometry, dense_queries: usize) -> usize {
    match geometry.queries().saturating_sub(dense_queries) {
        sparse if dense_queries > 0 => sparse / BLOCK * BLOCK,
        all => all,
    }
}

/// Pairs of a head at least, known before any estimate, where all but the first `sparse_queries`
/// are dense.
fn least_pairs(pattern: HeadPattern, geometry: Geometry, sparse_queries: usize) -> u64 {
    let dense_queries = geometry.queries() - sparse_queries;
    match pattern {
        // has last queries of its own
        HeadPattern::TriShape { sink, local, last } => {
            HeadPattern::TriShape { sink, local, last: last.max(dense_queries) }.least_pairs(geometry)
        }
        _ => {
            let (sparse, dense) = geometry.split_last(dense_queries);
            pattern.least_pairs(sparse) + dense.causal_pairs()
        }
    }
}

/// The cost of a pattern's online estimate, in pairs.
fn estimate_pairs(crossover: &Crossover, pattern: HeadPattern, geometry: Geometry) -> f64 {
    let keys = geometry.keys() as f64;
    match pattern {
        HeadPattern::Dense | HeadPattern::AShape { .. } | HeadPattern::TriShape { .. } => 0.0,
        HeadPattern::VerticalSlash { .. } => {
            // what each key costs whoever votes is about a third
            let votes = voting_queries(geometry) as f64 / LAST_QUERIES as f64;
            crossover.line_estimate * keys * votes.max(1.0 / 3.0)
        }
        HeadPattern::BlockSparse { .. } => crossover.block_estimate * keys,
    }
}
