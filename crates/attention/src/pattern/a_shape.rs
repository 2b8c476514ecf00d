//! A-shape (paper, section 3.1; StreamingLLM): the first keys and the nearest ones. Static: nothing
//! is estimated.

use crate::error::Result;
use crate::geometry::Geometry;
use crate::index::SparseIndex;

/// The first `sink` keys and the nearest `local`, of which the query's own is always one.
///
/// # Errors
/// None in fact: the lines are in order.
pub fn index(geometry: Geometry, sink: usize, local: usize) -> Result<SparseIndex> {
    let up_to = |count: usize| (0..count.min(geometry.keys()) as u32).collect();
    SparseIndex::lines(up_to(sink), up_to(local.max(1)))
}

/// Pairs that an A-shape covers at least: the rounding of spans may add some, and a sliding window
/// may hide the first keys.
pub(super) fn least_pairs(geometry: Geometry, sink: usize, local: usize) -> u64 {
    let local = local.max(1);
    geometry.nearest_pairs(if geometry.window().is_some() { local } else { local.saturating_add(sink) })
}
