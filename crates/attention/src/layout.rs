//! [`KeyLayout`]: the keys that one block of queries attends to, and [`Lowering`], which makes it
//! from a [`SparseIndex`].
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

use crate::error::{Error, Result};
use crate::index::{BLOCK, Blocks, Lines, SparseIndex};
use crate::inputs::MAX_TOKENS;
use std::ops::{Range, RangeInclusive};

/// Key spans start and end at multiples of this many keys (their end may be cut at the block's last
/// query).
pub const SPAN_ALIGNMENT: usize = 16;

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
    fn first_visible(&self) -> usize {
        self.window.map_or(0, |window| (self.queries.start + 1).saturating_sub(window))
    }

    fn reset(&mut self, queries: Range<usize>, window: Option<usize>) {
        self.queries = queries;
        self.window = window;
        self.spans.clear();
        self.columns.clear();
    }

    /// Adds a span after the ones that are there, cut to what can be visible, and joined to the
    /// last where they touch.
    fn push_span(&mut self, span: Range<usize>) {
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
}

/// Lowers one index over one geometry: prepared once per head, asked for a layout once per query
/// block.
#[derive(Debug, Clone)]
pub struct Lowering<'a> {
    geometry: Geometry,
    form: Form<'a>,
    dense_from: usize,
}

#[derive(Debug, Clone)]
enum Form<'a> {
    Dense,
    /// The diagonals' spans relative to a full block's first query. Blocks lie 64 apart, a multiple
    /// of the span alignment, so one list serves them all.
    Lines {
        lines: &'a Lines,
        relative: Vec<Range<i64>>,
    },
    Blocks(&'a Blocks),
}

impl<'a> Lowering<'a> {
    /// # Errors
    /// [`Error::Index`] where a block index has another number of query blocks than the geometry,
    /// names key blocks beyond it or misses the blocks of the queries themselves.
    pub fn new(index: &'a SparseIndex, geometry: Geometry) -> Result<Self> {
        let (form, dense_from) = match index {
            SparseIndex::Dense => (Form::Dense, 0),
            SparseIndex::Lines(lines) => {
                let relative = relative_spans(lines.diagonals(), BLOCK, geometry.offset());
                (Form::Lines { lines, relative }, lines.dense_from())
            }
            SparseIndex::Blocks(blocks) => {
                check_blocks(blocks, geometry)?;
                (Form::Blocks(blocks), blocks.dense_from())
            }
        };
        Ok(Self { geometry, form, dense_from })
    }

    /// The geometry it was made for.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The layout of query block `block`.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn layout(&self, block: usize) -> KeyLayout {
        let mut layout = KeyLayout::default();
        self.layout_into(block, &mut layout);
        layout
    }

    /// As [`layout`](Self::layout), into a layout whose memory is used again.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn layout_into(&self, block: usize, layout: &mut KeyLayout) {
        assert!(
            block < self.geometry.query_blocks(),
            "query block {block} of {}",
            self.geometry.query_blocks()
        );
        let queries = self.geometry.block_queries(block);
        layout.reset(queries.clone(), self.geometry.window());
        match &self.form {
            Form::Dense => layout.push_span(0..queries.end),
            // one dense query makes its block dense
            _ if queries.end - self.geometry.offset() > self.dense_from => layout.push_span(0..queries.end),
            Form::Lines { lines, relative } => {
                if queries.len() == BLOCK {
                    place_spans(relative, layout);
                } else {
                    place_spans(&relative_spans(lines.diagonals(), queries.len(), queries.start), layout);
                }
                place_columns(lines.columns(), layout);
            }
            Form::Blocks(blocks) => {
                for &key_block in blocks.key_blocks(block) {
                    let start = key_block as usize * BLOCK;
                    layout.push_span(start..start + BLOCK);
                }
            }
        }
    }

    /// The canonical cost of the whole head: the sum of [`KeyLayout::pairs`] over its query blocks.
    pub fn pairs(&self) -> u64 {
        let mut layout = KeyLayout::default();
        (0..self.geometry.query_blocks())
            .map(|block| {
                self.layout_into(block, &mut layout);
                layout.pairs()
            })
            .sum()
    }
}

/// Union of the spans `[start - diagonal, start + rows - diagonal)`, rounded out to the span
/// alignment, relative to `start`.
fn relative_spans(diagonals: &[u32], rows: usize, start: usize) -> Vec<Range<i64>> {
    let alignment = SPAN_ALIGNMENT as i64;
    let phase = (start % SPAN_ALIGNMENT) as i64;
    let down = |x: i64| (x + phase).div_euclid(alignment) * alignment - phase;
    let mut spans: Vec<Range<i64>> = Vec::new();
    for &diagonal in diagonals.iter().rev() {
        let first = -i64::from(diagonal);
        let (first, end) = (down(first), down(first + rows as i64 + alignment - 1));
        match spans.last_mut() {
            Some(last) if last.end >= first => last.end = end,
            _ => spans.push(first..end),
        }
    }
    spans
}

fn place_spans(relative: &[Range<i64>], layout: &mut KeyLayout) {
    let start = layout.queries.start as i64;
    let first = relative.partition_point(|span| start + span.end <= 0);
    for span in &relative[first..] {
        layout.push_span((start + span.start).max(0) as usize..(start + span.end) as usize);
    }
}

fn place_columns(columns: &[u32], layout: &mut KeyLayout) {
    let visible = layout.first_visible();
    let first = columns.partition_point(|&column| (column as usize) < visible);
    let end = columns.partition_point(|&column| (column as usize) < layout.queries.end);
    let mut span = 0;
    for &column in &columns[first..end] {
        while layout.spans.get(span).is_some_and(|span| span.end <= column as usize) {
            span += 1;
        }
        if layout.spans.get(span).is_none_or(|span| (column as usize) < span.start) {
            layout.columns.push(column);
        }
    }
}

fn check_blocks(blocks: &Blocks, geometry: Geometry) -> Result<()> {
    if blocks.query_blocks() != geometry.query_blocks() {
        return Err(Error::Index {
            expected: "one row of key blocks for each block of 64 queries",
            found: format!("{} rows for {} query blocks", blocks.query_blocks(), geometry.query_blocks()),
        });
    }
    for block in 0..blocks.query_blocks() {
        let row = blocks.key_blocks(block);
        if let Some(&last) = row.last().filter(|&&last| last as usize >= geometry.key_blocks()) {
            return Err(Error::Index {
                expected: "key blocks within the prompt",
                found: format!("key block {last} of {}", geometry.key_blocks()),
            });
        }
        let queries = geometry.block_queries(block);
        for own in own_blocks(&queries) {
            if row.binary_search(&own).is_err() {
                return Err(Error::Index {
                    expected: "every query block to hold the key blocks of its own queries",
                    found: format!("query block {block} without key block {own}"),
                });
            }
        }
    }
    Ok(())
}

/// The key blocks that hold the queries themselves: one, or two where an offset shifts query blocks
/// against key blocks.
pub(crate) fn own_blocks(queries: &Range<usize>) -> RangeInclusive<u32> {
    (queries.start / BLOCK) as u32..=((queries.end - 1) / BLOCK) as u32
}
