//! [`inspect_head`]: one head looked at completely, to see why it has its pattern and what an index
//! computes of it.
//!
//! Attention itself never sees all probabilities of a head, and its online estimate sees those of
//! the last 64 queries only. An inspection computes every one of them, row by row, and keeps what a
//! report needs: two small maps (where the attention is, and which part of it was computed), the
//! share of the probability mass that the computed keys hold, and for columns and diagonals the
//! true mass beside the estimate. It costs as much as a plain dense attention of the head.
//!
//! ```
//! use minference_attention::inspection::inspect_head;
//! use minference_attention::synthetic::{Planted, planted_head};
//! use minference_attention::{AttentionInputs, CpuBackend, HeadPattern, TensorView};
//!
//! // A head whose queries look at keys 200 and 300, and at themselves.
//! let planted = Planted { columns: vec![200, 300], diagonals: vec![0], width: 0.0 };
//! let head = planted_head(1000, 64, &planted, 1);
//! let view = |data| TensorView::new(data, [1000, 1, 64]);
//! let inputs = AttentionInputs::new(view(&head.q[..])?, view(&head.k[..])?, view(&head.v[..])?)?;
//!
//! let backend = CpuBackend::builder().threads(2).build()?;
//! let index = HeadPattern::VerticalSlash { vertical: 40, slash: 100 }.select(&backend, &inputs, 0)?;
//! let inspection = inspect_head(&backend, &inputs, 0, &index, 50)?;
//!
//! assert_eq!(inspection.side, 50);
//! assert!(inspection.recall > 0.9); // of the probability mass lies on computed keys
//! assert!(inspection.columns.chosen.contains(&300));
//! assert!(inspection.columns.truth[300] > 10.0 * inspection.columns.truth[301]);
//! # Ok::<(), minference_attention::Error>(())
//! ```

mod lines;
mod rows;

pub use lines::LineInspection;

use crate::backend::AttentionBackend;
use crate::error::{Error, Result};
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use crate::lowering::Lowering;
use rows::{HeadRows, Totals};

/// How one head attends to a prompt, and what an index computes of it.
///
/// The maps are squares over positions: cell `c` of either side holds the positions `p` with `p *
/// side / keys == c`. A chunk's queries are the last positions, so that cells of queries before it
/// are empty.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadInspection {
    /// Cells of the maps' sides: the wanted number, or the number of keys where that is smaller.
    pub side: usize,
    /// `[side, side]`, the query's cell first: the largest probability among the queries and keys
    /// of a cell.
    pub attention: Vec<f32>,
    /// `[side, side]`, the query's cell first: the share of a cell's causal pairs that are computed
    /// ([`KeyLayout::contains`](crate::KeyLayout::contains)), 0 to 1; 0 where the cell has none.
    pub computed: Vec<f32>,
    /// Mean over the queries of the probability mass on computed keys, 0 to 1.
    pub recall: f64,
    /// `[side]`: the same mean over the queries of each cell; NaN for a cell without queries.
    pub recall_by_cell: Vec<f32>,
    /// Keys, as all queries see them.
    pub columns: LineInspection,
    /// Distances from query back to key.
    pub diagonals: LineInspection,
}

/// Bytes that [`inspect_head`] takes at most for a prompt of some tokens, maps aside, beside inputs
/// and the online estimate.
pub fn inspection_bytes(tokens: usize, head_dim: usize, threads: usize) -> u64 {
    // Columns and diagonals, true, estimated, and ranked.
    let lines = 4 * size_of::<f32>() + size_of::<f64>();
    (tokens as u64).saturating_mul((rows::bytes_per_key(head_dim, threads) + lines) as u64)
}

/// Computes all probabilities of a head, and compares them with what `index` holds and with what
/// the last queries show.
///
/// Maps have `side` cells a side, or as many as there are keys. It runs on the caller's threads
/// (rayon's current pool), the estimate on the backend's. Memory grows with the number of keys, not
/// with its square.
///
/// # Errors
/// [`Error::Parameter`] for a side of 0; [`Error::Shape`] for a head that is not there;
/// [`Error::Index`] for an index that does not fit; [`Error::NotFinite`] or [`Error::TooLarge`] for
/// inputs without probabilities; [`Error::OutOfMemory`]; and as for
/// [`AttentionBackend::last_query_scores`].
pub fn inspect_head(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
    index: &SparseIndex,
    side: usize,
) -> Result<HeadInspection> {
    inputs.check_head(head)?;
    if side == 0 {
        return Err(Error::Parameter { name: "side of the maps", expected: "at least 1", found: "0".into() });
    }
    let geometry = inputs.geometry();
    let lowering = Lowering::new(index, geometry)?;
    let side = side.min(geometry.keys());
    let totals = HeadRows::new(inputs, head, &lowering, side)?.totals()?;

    let voting = geometry.queries().min(BLOCK);
    let estimate = backend.last_query_scores(inputs, head, voting)?;
    let (columns, diagonals) = match index {
        SparseIndex::Lines(lines) => (lines.columns(), lines.diagonals()),
        SparseIndex::Dense | SparseIndex::Blocks(_) => (&[][..], &[][..]),
    };
    let line = |mass: &[f64], estimate: &[f32], chosen: &[u32]| {
        LineInspection::new(mass, geometry.queries(), estimate, voting, chosen)
    };
    let columns = line(&totals.columns, &estimate.columns, columns);
    let diagonals = line(&totals.diagonals, &estimate.diagonals, diagonals);
    let Totals { attention, held, causal, recall, queries, .. } = totals;
    let share = |(&held, &causal): (&u64, &u64)| if causal == 0 { 0.0 } else { held as f32 / causal as f32 };
    Ok(HeadInspection {
        side,
        attention,
        computed: held.iter().zip(&causal).map(share).collect(),
        recall: recall.iter().sum::<f64>() / geometry.queries() as f64,
        recall_by_cell: recall.iter().zip(&queries).map(|(&sum, &n)| (sum / n as f64) as f32).collect(),
        columns,
        diagonals,
    })
}
