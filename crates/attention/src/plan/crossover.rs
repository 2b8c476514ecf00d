//! The crossover rule: when sparse attention pays, as functions of what is known before an estimate
//! and of what is known after it.

use crate::backend::Crossover;
use crate::geometry::Geometry;
use crate::index::BLOCK;
use crate::pattern::HeadPattern;
use crate::pattern::vertical_slash::{LAST_QUERIES, voting_queries};

/// What is known about a head before anything is estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prospect {
    /// Sparse attention would not pay, whatever an estimate finds.
    Dense,
    /// It may pay.
    Sparse {
        /// The cost of its estimate, in pairs.
        estimate: f64,
        /// Whether only the estimate tells how many pairs there will be.
        is_open: bool,
    },
}

/// What is known about a head before its estimate; `sparse_queries` of the first queries are not
/// dense.
pub fn before(
    pattern: HeadPattern,
    geometry: Geometry,
    sparse_queries: usize,
    crossover: &Crossover,
) -> Prospect {
    let estimate = estimate_pairs(crossover, pattern, geometry);
    // Blocks are whole, so that how many pairs they will be is known, unless a window cuts them.
    let is_open = match pattern {
        HeadPattern::VerticalSlash { .. } => true,
        HeadPattern::BlockSparse { .. } => geometry.window().is_some(),
        HeadPattern::Dense | HeadPattern::AShape { .. } | HeadPattern::TriShape { .. } => false,
    };
    // One query streams the cache once, which no selection of its keys would make cheaper.
    if geometry.queries() == 1
        || sparse_queries == 0
        || least_pairs(pattern, geometry, sparse_queries) as f64 + estimate > most_pairs(geometry, crossover)
    {
        return Prospect::Dense;
    }
    Prospect::Sparse { estimate, is_open }
}

/// Whether a head of so many pairs runs sparse, now that they are known.
pub fn after(pairs: u64, geometry: Geometry, crossover: &Crossover) -> bool {
    pairs as f64 <= most_pairs(geometry, crossover)
}

/// The most pairs with which a head runs sparse.
pub fn most_pairs(geometry: Geometry, crossover: &Crossover) -> f64 {
    crossover.share * geometry.causal_pairs() as f64
}

/// How many of the first queries are in blocks without a dense one.
pub fn sparse_queries(geometry: Geometry, dense_queries: usize) -> usize {
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
            // a third of the cost is per key, however many queries vote
            let votes = voting_queries(geometry) as f64 / LAST_QUERIES as f64;
            crossover.line_estimate * keys * votes.max(1.0 / 3.0)
        }
        HeadPattern::BlockSparse { .. } => crossover.block_estimate * keys,
    }
}
