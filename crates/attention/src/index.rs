//! [`SparseIndex`]: which part of one head's attention is computed, as the online estimate found
//! it.
//!
//! An index speaks of columns, diagonals and blocks. What a kernel walks is its lowering, a
//! [`KeyLayout`](crate::layout::KeyLayout) for each block of 64 queries.
//!
//! ```
//! use minference_attention::SparseIndex;
//!
//! // The first four keys, and every query's own key with the one before it.
//! let index = SparseIndex::lines(vec![0, 1, 2, 3], vec![0, 1])?;
//! assert!(!index.is_dense());
//!
//! // Columns out of order, or twice, are refused.
//! assert!(SparseIndex::lines(vec![3, 1], vec![0]).is_err());
//! # Ok::<(), minference_attention::Error>(())
//! ```

use crate::error::{Error, Result};

/// Side of a block of queries and of keys, in tokens (the paper's `B`).
pub const BLOCK: usize = 64;

/// What one head attends to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SparseIndex {
    /// Every key up to the query.
    Dense,
    /// Columns (keys that all queries see) and diagonals (distances from the query).
    Lines(Lines),
    /// Blocks of 64 keys for each block of 64 queries.
    Blocks(Blocks),
}

/// Columns and diagonals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    columns: Vec<u32>,
    diagonals: Vec<u32>,
    dense_from: usize,
}

/// Key blocks of every query block, in compressed rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    row_starts: Vec<usize>,
    key_blocks: Vec<u32>,
    dense_from: usize,
}

fn strictly_ascending(what: &'static str, values: &[u32]) -> Result<()> {
    match values.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::Index { expected: what, found: format!("{} before {}", pair[0], pair[1]) }),
    }
}

impl SparseIndex {
    /// Columns `j` (key positions) and diagonals `i - j` (distances), both strictly ascending.
    /// Distance 0 must be among the diagonals, so that every query sees at least itself. Values
    /// beyond the prompt have no effect.
    ///
    /// # Errors
    /// [`Error::Index`] for duplicates, wrong order, or a missing diagonal 0.
    pub fn lines(columns: Vec<u32>, diagonals: Vec<u32>) -> Result<Self> {
        strictly_ascending("columns in ascending order, each once", &columns)?;
        strictly_ascending("diagonals in ascending order, each once", &diagonals)?;
        if diagonals.first() != Some(&0) {
            return Err(Error::Index {
                expected: "diagonal 0 among the diagonals (every query attends to itself)",
                found: diagonals.first().map_or("no diagonals".into(), |d| format!("{d} as the first")),
            });
        }
        Ok(Self::Lines(Lines { columns, diagonals, dense_from: usize::MAX }))
    }

    /// For every block of 64 queries, in order, its key blocks: strictly ascending numbers of
    /// 64-key blocks. The blocks that hold the queries themselves must be among them; this is
    /// checked when the index meets its inputs.
    ///
    /// # Errors
    /// [`Error::Index`] for duplicates or wrong order.
    pub fn blocks(rows: &[Vec<u32>]) -> Result<Self> {
        let mut row_starts = Vec::with_capacity(rows.len() + 1);
        let mut key_blocks = Vec::with_capacity(rows.iter().map(Vec::len).sum());
        row_starts.push(0);
        for row in rows {
            strictly_ascending("key blocks in ascending order, each once", row)?;
            key_blocks.extend_from_slice(row);
            row_starts.push(key_blocks.len());
        }
        Ok(Self::Blocks(Blocks { row_starts, key_blocks, dense_from: usize::MAX }))
    }

    /// The same, with the queries from row `row` of the prompt (or chunk) on dense, beside those
    /// that are so already.
    #[must_use]
    pub fn with_dense_from(mut self, row: usize) -> Self {
        match &mut self {
            Self::Dense => {}
            Self::Lines(Lines { dense_from, .. }) | Self::Blocks(Blocks { dense_from, .. }) => {
                *dense_from = row.min(*dense_from);
            }
        }
        self
    }

    /// Whether this is [`SparseIndex::Dense`].
    pub fn is_dense(&self) -> bool {
        matches!(self, Self::Dense)
    }
}

impl Lines {
    /// Key positions, ascending.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }
    /// Distances `i - j`, ascending, 0 first.
    pub fn diagonals(&self) -> &[u32] {
        &self.diagonals
    }
    /// Query rows of the prompt (or chunk) from this one on are dense.
    pub fn dense_from(&self) -> usize {
        self.dense_from
    }
}

impl Blocks {
    /// Number of query blocks.
    pub fn query_blocks(&self) -> usize {
        self.row_starts.len() - 1
    }
    /// Query rows of the prompt (or chunk) from this one on are dense, whatever their key blocks.
    pub fn dense_from(&self) -> usize {
        self.dense_from
    }
    /// The key blocks of one query block, ascending.
    pub fn key_blocks(&self, query_block: usize) -> &[u32] {
        &self.key_blocks[self.row_starts[query_block]..self.row_starts[query_block + 1]]
    }
}
