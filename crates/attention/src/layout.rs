//! [`KeyLayout`]: the keys that one block of queries attends to.
//!
//! A layout is the meeting point of patterns and backends: patterns end in an index, an index
//! lowers to layouts, and every backend computes exactly what the layouts say.
//! [`KeyLayout::contains`] is their meaning (the oracle in [`reference`](crate::reference) is dense
//! attention under it) and [`KeyLayout::pairs`] their canonical cost.
//!
//! ```
//! use minference_attention::{Geometry, Lowering, SparseIndex};
//!
//! // Diagonals 0 and 200 over 256 tokens: queries come in blocks of 64.
//! let index = SparseIndex::lines(vec![], vec![0, 200])?;
//! let geometry = Geometry::prefill(256);
//! let lowering = Lowering::new(&index, geometry)?;
//! let layout = lowering.layout(3); // queries 192..256
//!
//! // Diagonal 200 reaches back to keys -8..56, rounded out to multiples of 16 and cut at 0.
//! assert_eq!(layout.spans(), [0..64, 192..256]);
//! assert!(layout.contains(255, 55) && layout.contains(255, 255) && !layout.contains(200, 201));
//! # Ok::<(), minference_attention::Error>(())
//! ```

use std::ops::Range;

/// Key spans start and end at multiples of this many keys (their end may be cut at the block's last
/// query).
pub const SPAN_ALIGNMENT: usize = 16;

/// The keys of one block of queries: disjoint spans, single columns outside them, causal mask, and
/// the model's sliding window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyLayout {
    queries: Range<usize>,
    window: Option<usize>,
    spans: Vec<Range<usize>>,
    columns: Vec<u32>,
}

impl KeyLayout {
    /// Positions of the block's queries.
    pub fn queries(&self) -> Range<usize> {
        self.queries.clone()
    }
    /// The sliding window, if it hides anything.
    pub fn window(&self) -> Option<usize> {
        self.window
    }
    /// Disjoint, ascending; each starts at a multiple of [`SPAN_ALIGNMENT`].
    pub fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }
    /// Ascending, outside the spans.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Whether the query at position `i` (one of the block's) attends to the key at position `j`.
    pub fn contains(&self, i: usize, j: usize) -> bool {
        if !self.queries.contains(&i) || j > i || self.window.is_some_and(|window| i - j >= window) {
            return false;
        }
        let span = self.spans.partition_point(|span| span.end <= j);
        self.spans.get(span).is_some_and(|span| span.start <= j)
            || self.columns.binary_search(&(j as u32)).is_ok()
    }

    /// The number of pairs for which [`contains`](Self::contains) holds: the canonical cost,
    /// whatever a kernel computes.
    pub fn pairs(&self) -> u64 {
        let window = self.window.unwrap_or(usize::MAX);
        let Range { start, end } = self.queries;
        let in_span = |span: &Range<usize>| -> u64 {
            if span.end <= start + 1 && span.start.saturating_add(window) >= end {
                return (span.len() * (end - start)) as u64;
            }
            (start..end)
                .map(|i| {
                    let first = span.start.max((i + 1).saturating_sub(window));
                    span.end.min(i + 1).saturating_sub(first) as u64
                })
                .sum()
        };
        let of_column = |&column: &u32| -> u64 {
            let column = column as usize;
            end.min(column.saturating_add(window)).saturating_sub(start.max(column)) as u64
        };
        self.spans.iter().map(in_span).sum::<u64>() + self.columns.iter().map(of_column).sum::<u64>()
    }

    /// The first key that any of the block's queries sees: the sliding window of its first query.
    pub(crate) fn first_visible(&self) -> usize {
        self.window.map_or(0, |window| (self.queries.start + 1).saturating_sub(window))
    }

    pub(crate) fn reset(&mut self, queries: Range<usize>, window: Option<usize>) {
        self.queries = queries;
        self.window = window;
        self.spans.clear();
        self.columns.clear();
    }

    /// Adds a span after the ones that are there, cut to what can be visible, and joined to the
    /// last where they touch.
    pub(crate) fn push_span(&mut self, span: Range<usize>) {
        let start = span.start.max(self.first_visible() / SPAN_ALIGNMENT * SPAN_ALIGNMENT);
        let end = span.end.min(self.queries.end);
        if start >= end {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.end >= start => last.end = last.end.max(end),
            _ => self.spans.push(start..end),
        }
    }

    /// Adds those of some ascending columns that are visible and in no span; all spans are there.
    pub(crate) fn push_columns(&mut self, columns: &[u32]) {
        let visible = self.first_visible();
        let first = columns.partition_point(|&column| (column as usize) < visible);
        let end = columns.partition_point(|&column| (column as usize) < self.queries.end);
        let mut span = 0;
        for &column in &columns[first..end] {
            while self.spans.get(span).is_some_and(|span| span.end <= column as usize) {
                span += 1;
            }
            if self.spans.get(span).is_none_or(|span| (column as usize) < span.start) {
                self.columns.push(column);
            }
        }
    }
}
