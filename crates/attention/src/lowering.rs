//! [`Lowering`]: makes the [`KeyLayout`] of each block of queries from a [`SparseIndex`].

use crate::error::{Error, Result};
use crate::geometry::{Geometry, own_blocks};
use crate::index::{BLOCK, Blocks, SparseIndex};
use crate::layout::{KeyLayout, SPAN_ALIGNMENT};
use std::borrow::Cow;
use std::ops::Range;

/// One head's index over one geometry: prepared once, asked for a layout once per query block.
///
/// It borrows the index, or owns it, so that what planned a head hands it on to what attends. The
/// layouts themselves are made when they are needed and not kept: at 131,072 tokens those of one
/// vertical-slash head would take tens of megabytes.
#[derive(Debug, Clone)]
pub struct Lowering<'a> {
    index: Cow<'a, SparseIndex>,
    geometry: Geometry,
    /// The diagonals' spans relative to a full block's first query; none for other forms. Blocks
    /// lie 64 apart, a multiple of the span alignment, so one list serves them all.
    relative: Vec<Range<i64>>,
}

impl<'a> From<&'a SparseIndex> for Cow<'a, SparseIndex> {
    fn from(index: &'a SparseIndex) -> Self {
        Cow::Borrowed(index)
    }
}

impl From<SparseIndex> for Cow<'_, SparseIndex> {
    fn from(index: SparseIndex) -> Self {
        Cow::Owned(index)
    }
}

impl<'a> Lowering<'a> {
    /// # Errors
    /// [`Error::Index`] where a block index has another number of query blocks than the geometry,
    /// names key blocks beyond it or misses the blocks of the queries themselves.
    pub fn new(index: impl Into<Cow<'a, SparseIndex>>, geometry: Geometry) -> Result<Self> {
        let index = index.into();
        let relative = match &*index {
            SparseIndex::Dense => Vec::new(),
            SparseIndex::Lines(lines) => relative_spans(lines.diagonals(), BLOCK, geometry.offset()),
            SparseIndex::Blocks(blocks) => {
                check_blocks(blocks, geometry)?;
                Vec::new()
            }
        };
        Ok(Self { index, geometry, relative })
    }

    /// The index.
    pub fn index(&self) -> &SparseIndex {
        &self.index
    }

    /// The index, taken out.
    pub fn into_index(self) -> SparseIndex {
        self.index.into_owned()
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
        // one dense query makes its block dense
        let last_row = queries.end - self.geometry.offset();
        match &*self.index {
            SparseIndex::Lines(lines) if last_row <= lines.dense_from() => {
                if queries.len() == BLOCK {
                    place_spans(&self.relative, layout);
                } else {
                    place_spans(&relative_spans(lines.diagonals(), queries.len(), queries.start), layout);
                }
                layout.push_columns(lines.columns());
            }
            SparseIndex::Blocks(blocks) if last_row <= blocks.dense_from() => {
                for &key_block in blocks.key_blocks(block) {
                    let start = key_block as usize * BLOCK;
                    layout.push_span(start..start + BLOCK);
                }
            }
            SparseIndex::Dense | SparseIndex::Lines(_) | SparseIndex::Blocks(_) => {
                layout.push_span(0..queries.end);
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
    let start = layout.queries().start as i64;
    let first = relative.partition_point(|span| start + span.end <= 0);
    for span in &relative[first..] {
        layout.push_span((start + span.start).max(0) as usize..(start + span.end) as usize);
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
