//! [`HeadPattern`]: the shape of one head's attention, found offline, with its budget.
//!
//! | pattern | keys that a query at position `i` attends to |
//! |---|---|
//! | `Dense` | all `j <= i` |
//! | `AShape` | `j < sink` or `i - j < local` |
//! | `TriShape` | A-shape, but the last `last` queries are dense |
//! | `VerticalSlash` | `j` in the chosen columns, or `i - j` in the chosen diagonals |
//! | `BlockSparse` | `j` in the chosen blocks of 64 keys of `i`'s block of 64 queries |
//!
//! The first three are static; of the others, [`HeadPattern::select`] makes the online estimate. A
//! sparse pattern may compute a superset of its definition, never less, and every query attends at
//! least to itself.
//!
//! ```
//! use minference_attention::{CpuBackend, AttentionInputs, HeadPattern, TensorView};
//!
//! # let (q, k, v) = (vec![0.1f32; 300 * 8], vec![0.1f32; 300 * 8], vec![0.1f32; 300 * 8]);
//! # let shape = [300, 1, 8];
//! let inputs = AttentionInputs::new(
//!     TensorView::new(&q, shape)?, TensorView::new(&k, shape)?, TensorView::new(&v, shape)?)?;
//! let pattern = HeadPattern::VerticalSlash { vertical: 40, slash: 120 };
//! let index = pattern.select(&CpuBackend::new()?, &inputs, 0)?;
//! assert!(!index.is_dense());
//! # Ok::<(), minference_attention::Error>(())
//! ```

pub mod a_shape;
pub mod block_sparse;
pub mod config;
mod kind;
mod native_format;
mod notation;
mod original_format;
pub mod provenance;
pub mod top;
pub mod tri_shape;
pub mod vertical_slash;

pub use kind::PatternKind;
pub use notation::Notation;

use crate::backend::AttentionBackend;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use std::fmt;

/// The pattern of one head with its budget, in tokens or blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeadPattern {
    /// Every key.
    Dense,
    /// The first `sink` keys and the nearest `local` (the query's own at least). Paper: 1024 and
    /// 4096.
    AShape {
        /// First keys.
        sink: usize,
        /// Nearest keys.
        local: usize,
    },
    /// A-shape with dense last queries. The original's: 128, 3968, 100.
    TriShape {
        /// First keys.
        sink: usize,
        /// Nearest keys.
        local: usize,
        /// Last queries.
        last: usize,
    },
    /// The best `vertical` columns (30 at least) and `slash` diagonals (100 at least), by the last
    /// queries' softmax ([`voting_queries`](vertical_slash::voting_queries)).
    VerticalSlash {
        /// Columns.
        vertical: usize,
        /// Diagonals.
        slash: usize,
    },
    /// The best `top_k` blocks of 64 keys for each block of 64 queries (its own at least), by
    /// mean-pooled scores. Paper: 100.
    BlockSparse {
        /// Key blocks.
        top_k: usize,
    },
}

impl HeadPattern {
    /// The pattern for a head of which nothing is known, at a prompt of `tokens` tokens:
    /// vertical-slash with `tokens / 64` columns and `tokens / 8` diagonals, at most (1000, 6096),
    /// the budget of most heads in the published files.
    pub fn default_for(tokens: usize) -> Self {
        Self::VerticalSlash { vertical: (tokens / 64).min(1000), slash: (tokens / 8).min(6096) }
    }

    /// The pattern's kind, as files and commands spell it.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Chooses what the head attends to; the two dynamic patterns look at Q and K for it (the
    /// paper's online estimate).
    ///
    /// It does what the pattern says, whether it pays or not: the crossover rule is
    /// [`attend_layer`](crate::attend_layer)'s.
    ///
    /// # Errors
    /// As for the backend's estimates.
    pub fn select(
        &self,
        backend: &impl AttentionBackend,
        inputs: &AttentionInputs<'_>,
        head: usize,
    ) -> Result<SparseIndex> {
        let geometry = inputs.geometry();
        match *self {
            Self::Dense => Ok(SparseIndex::Dense),
            Self::AShape { sink, local } => a_shape::index(geometry, sink, local),
            Self::TriShape { sink, local, last } => tri_shape::index(geometry, sink, local, last),
            Self::VerticalSlash { vertical, slash } => {
                let votes = vertical_slash::voting_queries(geometry);
                let scores = backend.last_query_scores(inputs, head, votes)?;
                vertical_slash::index(&scores, vertical, slash)
            }
            Self::BlockSparse { top_k } => block_sparse::select(backend, inputs, head, top_k),
        }
    }

    /// Bytes of memory that its index takes at most, lowered.
    pub fn index_bytes(&self, geometry: Geometry) -> u64 {
        let keys = geometry.keys();
        let lines = |columns: usize, diagonals: usize| {
            let (columns, diagonals) = (columns.min(keys), diagonals.min(keys));
            // diagonals that are less than a block apart are one span; a list that grows may have
            // twice the room
            let spans = diagonals.min(keys / BLOCK + 1) * 2 * size_of::<std::ops::Range<i64>>();
            ((columns + diagonals) * size_of::<u32>() + spans) as u64
        };
        match *self {
            Self::Dense => 0,
            Self::AShape { sink, local } | Self::TriShape { sink, local, .. } => {
                ((sink.min(keys) + local.clamp(1, keys.max(1))) * size_of::<u32>()) as u64
            }
            Self::VerticalSlash { vertical, slash } => {
                lines(vertical.max(vertical_slash::KEPT_COLUMNS), slash.max(vertical_slash::KEPT_DIAGONALS))
            }
            Self::BlockSparse { top_k } => block_sparse::index_bytes(geometry, top_k),
        }
    }

    /// Its budgets, in tokens or blocks.
    pub(crate) fn budgets(&self) -> [usize; 3] {
        match *self {
            Self::Dense => [0; 3],
            Self::AShape { sink, local } => [sink, local, 0],
            Self::TriShape { sink, local, last } => [sink, local, last],
            Self::VerticalSlash { vertical, slash } => [vertical, slash, 0],
            Self::BlockSparse { top_k } => [top_k, 0, 0],
        }
    }

    /// A lower bound of the canonical pairs, known before any estimate.
    pub(crate) fn least_pairs(&self, geometry: Geometry) -> u64 {
        match *self {
            Self::Dense => geometry.causal_pairs(),
            Self::AShape { sink, local } => a_shape::least_pairs(geometry, sink, local),
            Self::TriShape { sink, local, last } => tri_shape::least_pairs(geometry, sink, local, last),
            Self::VerticalSlash { slash, .. } => vertical_slash::least_pairs(geometry, slash),
            Self::BlockSparse { top_k } => block_sparse::least_pairs(geometry, top_k),
        }
    }
}

impl fmt::Display for HeadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Dense => Ok(()),
            Self::AShape { sink, local } => write!(f, " (sink {sink}, local {local})"),
            Self::TriShape { sink, local, last } => write!(f, " (sink {sink}, local {local}, last {last})"),
            Self::VerticalSlash { vertical, slash } => write!(f, " (vertical {vertical}, slash {slash})"),
            Self::BlockSparse { top_k } => write!(f, " (top {top_k} blocks)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::KeyLayout;
    use crate::lowering::Lowering;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn static_shapes_are_what_the_paper_says(
            (queries, offset) in (1usize..400, 0usize..200),
            window in prop::option::of(1usize..500),
            (sink, local, last) in (0usize..150, 0usize..300, 0usize..150),
        ) {
            let geometry = Geometry::chunk(queries, queries + offset, window).unwrap();
            let a_shape = (HeadPattern::AShape { sink, local }, a_shape::index(geometry, sink, local).unwrap(), 0);
            let tri_shape = HeadPattern::TriShape { sink, local, last };
            let tri_shape = (tri_shape, tri_shape::index(geometry, sink, local, last).unwrap(), last);
            for (pattern, index, dense_rows) in [a_shape, tri_shape] {
                let lowering = Lowering::new(&index, geometry).unwrap();
                let mut layout = KeyLayout::default();
                let mut pairs = 0;
                for block in 0..geometry.query_blocks() {
                    lowering.layout_into(block, &mut layout);
                    pairs += layout.pairs();
                    for i in layout.queries() {
                        for j in 0..=i {
                            let visible = window.is_none_or(|window| i - j < window);
                            let wanted = j < sink || i - j < local.max(1) || i + dense_rows >= geometry.keys();
                            prop_assert!(!(visible && wanted) || layout.contains(i, j), "{pattern}: {i}, {j}");
                            prop_assert!(visible || !layout.contains(i, j), "{pattern}: {i}, {j}");
                        }
                    }
                }
                let least = pattern.least_pairs(geometry);
                prop_assert!(least <= pairs, "{pattern}: at least {least}, found {pairs}");
                if window.is_none() && sink + local >= geometry.keys() {
                    prop_assert_eq!(least, geometry.causal_pairs());
                }
            }
        }
    }
}
