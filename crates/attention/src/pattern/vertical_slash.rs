//! Vertical-slash (paper, section 3.2): columns that every query looks at, and diagonals at fixed distances.

use super::top::best;
use crate::backend::LineScores;
use crate::error::Result;
use crate::index::SparseIndex;
use crate::layout::Geometry;

/// Queries that vote: the last 64.
pub const LAST_QUERIES: usize = 64;
/// The first columns are always kept, whatever the budget.
pub const KEPT_COLUMNS: usize = 30;
/// The nearest diagonals are always kept, whatever the budget.
pub const KEPT_DIAGONALS: usize = 100;

/// The `vertical` best columns and the `slash` best diagonals, those always kept among them; equal scores go to the lower index.
///
/// # Errors
/// None in fact: the lines are in order.
pub fn index(scores: &LineScores, vertical: usize, slash: usize) -> Result<SparseIndex> {
    let columns = best(&scores.columns, 0..KEPT_COLUMNS, vertical.max(KEPT_COLUMNS));
    let diagonals = best(&scores.diagonals, 0..KEPT_DIAGONALS, slash.max(KEPT_DIAGONALS));
    SparseIndex::lines(columns, diagonals)
}

/// Pairs of the cheapest diagonals that the budget can buy: the nearest hundred, and otherwise the farthest.
pub(super) fn least_pairs(geometry: Geometry, slash: usize) -> u64 {
    let (keys, offset) = (geometry.keys() as u64, geometry.offset() as u64);
    let slash = (slash.max(KEPT_DIAGONALS) as u64).min(keys);
    let nearest = (KEPT_DIAGONALS as u64).min(slash);
    // the diagonal at distance d holds min(keys - d, queries) pairs
    let sum = |from: u64, to: u64| -> u64 {
        let full = to.min(offset).saturating_sub(from);
        let (from, to) = (from.max(offset), to.max(offset));
        let falling = if to > from { (to - from) * ((keys - from) + (keys - to) + 1) / 2 } else { 0 };
        full * geometry.queries() as u64 + falling
    };
    let pairs = sum(0, nearest) + sum((keys - (slash - nearest)).max(nearest), keys);
    if geometry.window().is_some() { 0 } else { pairs }
}
