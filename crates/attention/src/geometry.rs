//! [`Geometry`]: how many queries meet how many keys.

use crate::error::{Error, Result};
use crate::index::BLOCK;
use crate::inputs::MAX_TOKENS;
use std::ops::{Range, RangeInclusive};

/// How many queries meet how many keys: the shape of a prefill, or of one chunk of it. A chunk of
/// `T` queries after `P` tokens is the same problem with query positions that start at `P` and `P +
/// T` keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    queries: usize,
    keys: usize,
    window: Option<usize>,
}

impl Geometry {
    /// A whole prompt of `tokens` tokens.
    pub fn prefill(tokens: usize) -> Self {
        Self { queries: tokens, keys: tokens, window: None }
    }

    /// The last `queries` of `keys` tokens; `window` is the model's own sliding window, if it has
    /// one (a query sees the `window` keys up to itself).
    ///
    /// # Errors
    /// [`Error::Parameter`] for more queries than keys, more than 2^30 keys, or a window of 0.
    pub fn chunk(queries: usize, keys: usize, window: Option<usize>) -> Result<Self> {
        if keys > MAX_TOKENS {
            return Err(Error::Parameter { name: "keys", expected: "at most 2^30", found: keys.to_string() });
        }
        if queries > keys {
            return Err(Error::Parameter {
                name: "queries",
                expected: "at most as many as keys (queries are the last of them)",
                found: format!("{queries} queries and {keys} keys"),
            });
        }
        if window == Some(0) {
            return Err(Error::Parameter {
                name: "sliding window",
                expected: "at least 1",
                found: "0".into(),
            });
        }
        Ok(Self { queries, keys, window })
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.queries
    }
    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.keys
    }
    /// The sliding window, where it hides any key at all.
    pub fn window(&self) -> Option<usize> {
        self.window.filter(|&window| window < self.keys)
    }
    /// Position of the first query.
    pub fn offset(&self) -> usize {
        self.keys - self.queries
    }
    /// Number of blocks of 64 queries; the last may be shorter.
    pub fn query_blocks(&self) -> usize {
        self.queries.div_ceil(BLOCK)
    }
    /// Number of blocks of 64 keys; the last may be shorter.
    pub fn key_blocks(&self) -> usize {
        self.keys.div_ceil(BLOCK)
    }
    /// Positions of the queries of one block.
    pub fn block_queries(&self, block: usize) -> Range<usize> {
        let start = self.offset() + block * BLOCK;
        start..(start + BLOCK).min(self.keys)
    }
    /// Pairs of the nearest `count` keys of every query, within the sliding window.
    pub(crate) fn nearest_pairs(self, count: usize) -> u64 {
        let window = self.window.unwrap_or(usize::MAX).min(count);
        Self { window: Some(window), ..self }.causal_pairs()
    }
    /// The first queries, and the last `last` (or all).
    pub(crate) fn split_last(self, last: usize) -> (Self, Self) {
        let last = last.min(self.queries);
        let first = Self { queries: self.queries - last, keys: self.keys - last, ..self };
        (first, Self { queries: last, ..self })
    }
    /// Query-key pairs that dense attention computes: the causal area, within the sliding window.
    pub fn causal_pairs(&self) -> u64 {
        let window = self.window.unwrap_or(self.keys).min(self.keys) as u64;
        let (first, last) = (self.offset() as u64 + 1, self.keys as u64);
        // keys of the query at position i: min(i + 1, window)
        let growing_to = last.min(window);
        let growing =
            if growing_to >= first { (first + growing_to) * (growing_to - first + 1) / 2 } else { 0 };
        growing + last.saturating_sub(first.max(window + 1) - 1) * window
    }
}

/// The key blocks that hold the queries themselves: one, or two where an offset shifts query blocks
/// against key blocks.
pub(crate) fn own_blocks(queries: &Range<usize>) -> RangeInclusive<u32> {
    (queries.start / BLOCK) as u32..=((queries.end - 1) / BLOCK) as u32
}
