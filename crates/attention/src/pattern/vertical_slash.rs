//! Vertical-slash (paper, section 3.2): columns that every query looks at, and diagonals at fixed
//! distances.

use super::top::best;
use crate::backend::LineScores;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::index::SparseIndex;

/// Queries that vote: the last 64, of a whole prompt.
pub const LAST_QUERIES: usize = 64;
/// Of a chunk that follows others, one in so many queries votes, so that what the estimate costs
/// stays a small share of what it saves, ...
const QUERIES_PER_VOTE: usize = 128;
/// ... but at least as many as the lanes of the widest vector: fewer would cost as much.
const LEAST_QUERIES: usize = 16;
/// The first columns are always kept, whatever the budget.
pub const KEPT_COLUMNS: usize = 30;
/// The nearest diagonals are always kept, whatever the budget.
pub const KEPT_DIAGONALS: usize = 100;

/// How many of the last queries vote: 64 of a whole prompt or of a chunk of 8,192 tokens, fewer of
/// shorter chunks, since each chunk has an estimate of its own over all keys before it.
pub fn voting_queries(geometry: Geometry) -> usize {
    let most = match geometry.offset() {
        0 => LAST_QUERIES,
        _ => (geometry.queries() / QUERIES_PER_VOTE / LEAST_QUERIES * LEAST_QUERIES)
            .clamp(LEAST_QUERIES, LAST_QUERIES),
    };
    geometry.queries().min(most)
}

/// The `vertical` best columns and the `slash` best diagonals, those always kept among them; equal
/// scores go to the lower index.
///
/// # Errors
/// None in fact: the lines are in order.
pub fn index(scores: &LineScores, vertical: usize, slash: usize) -> Result<SparseIndex> {
    let columns = best(&scores.columns, 0..KEPT_COLUMNS, vertical.max(KEPT_COLUMNS));
    let diagonals = best(&scores.diagonals, 0..KEPT_DIAGONALS, slash.max(KEPT_DIAGONALS));
    SparseIndex::lines(columns, diagonals)
}

/// Pairs of the cheapest diagonals that the budget can buy: the nearest hundred, and otherwise the
/// farthest.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_chunks_have_fewer_votes() {
        let votes = |queries, keys| voting_queries(Geometry::chunk(queries, keys, None).unwrap());
        // whole prompts
        assert_eq!([votes(10, 10), votes(64, 64), votes(1000, 1000)], [10, 64, 64]);
        let chunks = [5, 100, 2047, 2048, 4096, 6000, 8191, 8192, 100_000];
        let expected = [5, 16, 16, 16, 32, 32, 48, 64, 64];
        assert_eq!(chunks.map(|queries| votes(queries, 200_000)), expected);
    }
}
