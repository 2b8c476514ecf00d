//! Tri-shape (the authors' later code): A-shape, with the last queries dense, since they ask the
//! question.

use super::a_shape;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::index::SparseIndex;

/// The first `sink` keys and the nearest `local`; all keys for the last `last` queries.
///
/// # Errors
/// None in fact: the lines are in order.
pub fn index(geometry: Geometry, sink: usize, local: usize, last: usize) -> Result<SparseIndex> {
    Ok(a_shape::index(geometry, sink, local)?.with_dense_from(geometry.queries().saturating_sub(last)))
}

/// Pairs that a tri-shape covers at least.
pub(super) fn least_pairs(geometry: Geometry, sink: usize, local: usize, last: usize) -> u64 {
    let (first, last) = geometry.split_last(last);
    a_shape::least_pairs(first, sink, local) + last.causal_pairs()
}
