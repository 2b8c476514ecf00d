//! [`CudaDevice::attend_layer`]: a whole layer's sparse attention on the device, with estimates.
//!
//! Estimates, selection, lowering and attention of all heads are enqueued one after the other;
//! nothing returns to the host in between. What each head ran with is read when
//! [`PlannedLayer::report`] is asked for.
//!
//! | file | what it holds |
//! |---|---|
//! | `heads` | a plan in the form in which the kernels take it |
//! | `workspace` | the buffers of a layer's index |

mod heads;
pub(crate) mod workspace;

use crate::attention::LayerInputs;
use crate::device::{CudaDevice, Mark};
use crate::error::{Error, Result};
use crate::launch::{self, HeadKind, HeadOutcome, NO_BLOCK, ScoresCall, VotesCall};
use crate::memory::Buffer;
use crate::pooled::{BlockMeans, BlockScores};
use crate::view::DeviceViewMut;
use crate::votes::LineVotes;
use heads::HeadTable;
use minference_attention::pattern::vertical_slash::voting_queries;
use minference_attention::plan::crossover::most_pairs;
use minference_attention::{
    Crossover, Geometry, HeadPattern, HeadReport, LayerPlan, LayerReport, SparseIndex,
};
use std::time::Duration;
use workspace::{LineSelection, Lists, slab_rows};

/// Where sparse attention stops paying, as measured on an H200: a list of spans and columns runs at
/// nearly the rate of a dense one, and the estimates of a head at 32K tokens take what 700 pairs a
/// key take. All estimates of a layer run at once, so that none can wait for the outcome of
/// another: one whose outcome is open runs where it costs at most `estimate_share` of the head's
/// dense attention.
pub const CROSSOVER: Crossover =
    Crossover { share: 0.9, line_estimate: 700.0, block_estimate: 680.0, estimate_share: 0.045 };

/// A layer's plan on the device, with room for what it chooses: made once for a geometry, used for
/// every call with inputs of that geometry.
#[derive(Debug)]
pub struct PlannedLayer {
    geometry: Geometry,
    patterns: Vec<HeadPattern>,
    lists: Lists,
    lines: Option<(LineVotes, LineSelection)>,
    blocks: Option<(BlockMeans, BlockScores)>,
    outcomes: Buffer<HeadOutcome>,
    /// The most pairs with which a head runs sparse.
    most_pairs: f64,
    /// All heads are dense, and their tiles were made: they serve every call.
    is_lowered: bool,
    is_dense: bool,
    /// Before the estimates, between lowering and attention, after it.
    marks: Option<[Mark; 3]>,
}

impl PlannedLayer {
    /// The plan for inputs of a geometry; nothing is computed yet.
    ///
    /// # Errors
    /// Another number of plans than query heads, fixed indices that do not fit,
    /// [`Error::OutOfMemory`].
    pub fn new(device: &CudaDevice, inputs: &LayerInputs<'_>, plan: &LayerPlan<'_>) -> Result<Self> {
        Self::with_crossover(device, inputs, plan, &CROSSOVER)
    }

    /// The same with another rule for what runs dense than [`CROSSOVER`].
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_crossover(
        device: &CudaDevice,
        inputs: &LayerInputs<'_>,
        plan: &LayerPlan<'_>,
        crossover: &Crossover,
    ) -> Result<Self> {
        let (geometry, heads) = (inputs.geometry, inputs.q.heads());
        if plan.heads.len() != heads {
            return Err(Error::Shape {
                what: "plans",
                expected: format!("one for each of {heads} query heads"),
                found: plan.heads.len().to_string(),
            });
        }
        let table = HeadTable::new(plan, geometry, crossover)?;
        let lines = || -> Result<_> {
            let votes = LineVotes::new(device, inputs, &table.line_heads)?;
            Ok((votes, LineSelection::new(device, geometry.keys(), table.line_heads.len())?))
        };
        let blocks = || -> Result<_> {
            let rows = slab_rows(geometry, table.block_heads.len());
            let means = BlockMeans::new(device, inputs, &table.block_heads)?;
            Ok((means, BlockScores::new(device, inputs, table.block_heads.len(), 0..rows)?))
        };
        Ok(Self {
            geometry,
            patterns: plan.heads.iter().map(|head| head.pattern()).collect(),
            lists: Lists::new(device, inputs, &table)?,
            lines: (!table.line_heads.is_empty()).then(lines).transpose()?,
            blocks: (!table.block_heads.is_empty()).then(blocks).transpose()?,
            outcomes: Buffer::zeros(device, "what heads ran with", heads)?,
            most_pairs: most_pairs(geometry, crossover),
            is_lowered: false,
            is_dense: table.is_dense(),
            marks: None,
        })
    }

    /// What the last call computed, and how long the device took; waits for it. Times are a
    /// layer's: a head's part of the estimates is an equal one, that of attention goes by its
    /// pairs.
    ///
    /// # Errors
    /// A lost device, or no call yet.
    pub fn report(&self) -> Result<LayerReport> {
        let Some([start, lowered, end]) = &self.marks else {
            return Err(Error::Shape {
                what: "report",
                expected: "a call of attend_layer before it".into(),
                found: "none".into(),
            });
        };
        let (index, kernel) = (start.until(lowered)?, lowered.until(end)?);
        let outcomes = self.outcomes.to_vec()?;
        let all: u64 = outcomes.iter().map(|outcome| outcome.pairs).sum();
        let causal_pairs = self.geometry.causal_pairs();
        let head = |(outcome, &pattern): (&HeadOutcome, &HeadPattern)| HeadReport {
            pattern,
            ran_dense: outcome.reason != 0,
            pairs: outcome.pairs,
            causal_pairs,
            index_time: index / self.patterns.len() as u32,
            kernel_time: Duration::from_secs_f64(
                kernel.as_secs_f64() * outcome.pairs as f64 / all.max(1) as f64,
            ),
        };
        Ok(LayerReport { heads: outcomes.iter().zip(&self.patterns).map(head).collect() })
    }

    /// What a head's keys were chosen to be in the last call, before the crossover; waits for it.
    ///
    /// # Errors
    /// A lost device.
    pub fn index(&self, head: usize) -> Result<SparseIndex> {
        let params = self.lists.heads.to_vec()?[head];
        let words = |at: i64, count: usize| -> Result<Vec<u32>> {
            let mut words = vec![0; count];
            self.lists.selected.download(at as usize, &mut words)?;
            Ok(words)
        };
        let index = if params.kind == HeadKind::Lines as i32 {
            SparseIndex::lines(
                words(params.columns_at, params.column_count as usize)?,
                words(params.diagonals_at, params.diagonal_count as usize)?,
            )?
        } else if params.kind == HeadKind::Shape as i32 {
            let first = |count: i32| (0..count as u32).collect();
            SparseIndex::lines(first(params.column_count), first(params.diagonal_count))?
        } else if params.kind == HeadKind::Blocks as i32 {
            let places = params.row_places as usize;
            let all = words(params.rows_at, places * self.geometry.query_blocks())?;
            let row = |row: &[u32]| row.iter().copied().filter(|&block| block != NO_BLOCK).collect();
            SparseIndex::blocks(&all.chunks(places).map(row).collect::<Vec<Vec<u32>>>())?
        } else {
            SparseIndex::Dense
        };
        Ok(index.with_dense_from(params.dense_from as usize))
    }
}

impl CudaDevice {
    /// Enqueues the estimates, the selection, the lowering and the attention of all heads; nothing
    /// waits. `output` is `[queries, heads, head_dim]`, of the inputs' type or f32.
    ///
    /// # Errors
    /// [`Error::Shape`] for a plan of another geometry or an output that does not fit;
    /// [`Error::HeadDim`]; what the driver refuses.
    pub fn attend_layer(
        &self,
        inputs: &LayerInputs<'_>,
        planned: &mut PlannedLayer,
        output: &mut DeviceViewMut<'_>,
    ) -> Result<()> {
        if planned.geometry != inputs.geometry || planned.patterns.len() != inputs.q.heads() {
            return Err(Error::Shape {
                what: "planned layer",
                expected: format!("one for {} heads, {:?}", inputs.q.heads(), inputs.geometry),
                found: format!("{} heads, {:?}", planned.patterns.len(), planned.geometry),
            });
        }
        let start = self.mark()?;
        self.choose(inputs, planned)?;
        if !planned.is_lowered {
            launch::lower(self, inputs, &planned.lists, planned.most_pairs, &planned.outcomes)?;
            planned.is_lowered = planned.is_dense;
        }
        let lowered = self.mark()?;
        self.attend_tiles(inputs, &mut planned.lists.tiles, output)?;
        planned.marks = Some([start, lowered, self.mark()?]);
        Ok(())
    }

    /// Estimates and selection.
    fn choose(&self, inputs: &LayerInputs<'_>, planned: &mut PlannedLayer) -> Result<()> {
        let geometry = inputs.geometry;
        if let Some((result, selection)) = &mut planned.lines {
            let votes = voting_queries(geometry);
            launch::votes(self, &mut VotesCall { inputs, votes, result })?;
            launch::select_lines(self, geometry.keys(), result, selection, &planned.lists)?;
        }
        if let Some((means, result)) = &mut planned.blocks {
            launch::block_means(self, inputs, means)?;
            let rows = slab_rows(geometry, means.heads.len());
            for first in (0..geometry.query_blocks()).step_by(rows) {
                result.rows = first..(first + rows).min(geometry.query_blocks());
                launch::block_scores(self, &mut ScoresCall { inputs, means, result })?;
                launch::select_rows(self, inputs, means, result, &planned.lists)?;
            }
        }
        Ok(())
    }
}
