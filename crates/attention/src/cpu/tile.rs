//! Tiles: the unit of the kernels' inner loops, up to 64 words of keys for one block of queries.
//!
//! A tile is a list of chunks of 16 keys. A chunk is either part of a span, and then points into
//! the packed head, or 16 single columns gathered into the thread's own memory. The kernels see no
//! difference, which is why there is one tile loop for all patterns.

use super::buffer::Buffer;
use super::packed::{PackedHead, PackedShape};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::layout::{KeyLayout, SPAN_ALIGNMENT};
use std::ops::Range;

/// Keys of a chunk.
pub(crate) const CHUNK: usize = SPAN_ALIGNMENT;
/// Chunks of a tile where a word of values holds one key; twice as many where it holds two. The
/// probabilities of a tile, 64 words of 64 queries, then fill 16 KiB: half of the smallest
/// first-level cache.
const CHUNKS_PER_KEY_IN_WORD: usize = 4;
/// Chunks of the largest tile.
pub(crate) const MAX_CHUNKS: usize = 2 * CHUNKS_PER_KEY_IN_WORD;

/// 16 keys: where their packed rows are, and whether some query of the block must not see some of
/// them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    /// `[16][key_words]`
    pub(crate) keys: *const u32,
    /// `[16]`
    pub(crate) key_scales: *const f32,
    /// `[16 / keys_per_word][head_dim]`
    pub(crate) values: *const u32,
    pub(crate) masked: bool,
}

/// Chunks whose pointers stay valid as long as the packed head and the gathered columns they were
/// made from.
#[derive(Debug)]
pub(crate) struct Tile {
    chunks: Vec<Chunk>,
    /// Positions of the keys of masked chunks, `[chunks][16]`; padding has a position after every
    /// query.
    pub(crate) positions: [i32; MAX_CHUNKS * CHUNK],
}

impl Tile {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::with_capacity(MAX_CHUNKS), positions: [i32::MAX; MAX_CHUNKS * CHUNK] }
    }
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Describes the packed rows of the keys `keys` (no values), at most eight chunks of them, for
    /// queries from `first_query` on.
    pub(crate) fn set_contiguous(
        &mut self,
        shape: PackedShape,
        key_words: &[u32],
        key_scales: &[f32],
        keys: Range<usize>,
        first_query: usize,
        geometry: Geometry,
    ) {
        self.chunks.clear();
        for (slot, first) in keys.step_by(CHUNK).enumerate() {
            let positions = &mut self.positions[slot * CHUNK..][..CHUNK];
            positions.iter_mut().zip(first as i32..).for_each(|(slot, key)| *slot = key);
            let window = geometry.window().unwrap_or(usize::MAX);
            self.chunks.push(Chunk {
                keys: key_words[slot * CHUNK * shape.key_words..][..CHUNK * shape.key_words].as_ptr(),
                key_scales: key_scales[slot * CHUNK..][..CHUNK].as_ptr(),
                values: std::ptr::null(),
                masked: first + CHUNK - 1 > first_query || first.saturating_add(window) < geometry.keys(),
            });
        }
    }
}

/// Memory for the single columns of one tile, in the packed form.
#[derive(Debug)]
pub(crate) struct GatheredColumns {
    keys: Buffer<u32>,
    key_scales: Buffer<f32>,
    values: Buffer<u32>,
}

impl GatheredColumns {
    pub(crate) fn new(shape: PackedShape) -> Result<Self> {
        let keys = MAX_CHUNKS * CHUNK;
        Ok(Self {
            keys: Buffer::zeroed("gathered keys", keys * shape.key_words)?,
            key_scales: Buffer::zeroed("scales of gathered keys", keys)?,
            values: Buffer::zeroed("gathered values", keys / shape.keys_per_word * shape.head_dim)?,
        })
    }

    /// Copies up to 16 columns to the place of chunk `slot`.
    fn gather(&mut self, packed: &PackedHead, columns: &[u32], slot: usize) -> Chunk {
        let PackedShape { head_dim, key_words, keys_per_word, .. } = packed.shape;
        let keys = &mut self.keys[slot * CHUNK * key_words..][..CHUNK * key_words];
        let key_scales = &mut self.key_scales[slot * CHUNK..][..CHUNK];
        let values =
            &mut self.values[slot * CHUNK / keys_per_word * head_dim..][..CHUNK / keys_per_word * head_dim];
        for (i, &column) in columns.iter().enumerate() {
            let column = column as usize;
            keys[i * key_words..][..key_words]
                .copy_from_slice(&packed.keys[column * key_words..][..key_words]);
            key_scales[i] = packed.key_scales[column];
        }
        let value_row =
            |column: u32| &packed.values[column as usize / keys_per_word * head_dim..][..head_dim];
        for (columns, row) in columns.chunks(keys_per_word).zip(values.chunks_exact_mut(head_dim)) {
            if keys_per_word == 1 {
                row.copy_from_slice(value_row(columns[0]));
            } else {
                // Of two words, each the values of two neighbouring keys, take the half that
                // belongs to the column.
                let (even, odd) = (columns[0], *columns.last().unwrap_or(&columns[0]));
                let (even_shift, odd_shift) = (16 * (even % 2), 16 * (odd % 2));
                for ((word, e), o) in row.iter_mut().zip(value_row(even)).zip(value_row(odd)) {
                    *word = (e >> even_shift) & 0xffff | (o >> odd_shift) << 16;
                }
            }
        }
        Chunk { keys: keys.as_ptr(), key_scales: key_scales.as_ptr(), values: values.as_ptr(), masked: true }
    }
}

/// Walks a layout tile by tile: its spans in order, then its single columns.
#[derive(Debug, Default)]
pub(crate) struct TileCursor {
    span: usize,
    /// Keys of the current span that are behind.
    within: usize,
    column: usize,
}

impl TileCursor {
    /// Fills `tile` with the next chunks; false when there are none left.
    pub(crate) fn next_tile(
        &mut self,
        layout: &KeyLayout,
        packed: &PackedHead,
        gathered: &mut GatheredColumns,
        tile: &mut Tile,
    ) -> bool {
        tile.chunks.clear();
        let limit = CHUNKS_PER_KEY_IN_WORD * packed.shape.keys_per_word;
        let queries = layout.queries();
        let window = layout.window().unwrap_or(usize::MAX);
        // Keys first..=last are seen by all queries of the block, or a mask is needed.
        let masked =
            |first: usize, last: usize| last > queries.start || first.saturating_add(window) < queries.end;
        while tile.chunks.len() < limit {
            let slot = tile.chunks.len();
            let positions = &mut tile.positions[slot * CHUNK..][..CHUNK];
            if let Some(span) = layout.spans().get(self.span) {
                let first = span.start + self.within;
                let masked = masked(first, first + CHUNK - 1);
                if masked {
                    positions.iter_mut().zip(first as i32..).for_each(|(slot, key)| *slot = key);
                }
                tile.chunks.push(contiguous(packed, first, masked));
                self.within += CHUNK;
                if span.start + self.within >= span.end {
                    (self.span, self.within) = (self.span + 1, 0);
                }
            } else if self.column < layout.columns().len() {
                let columns = &layout.columns()[self.column..];
                let columns = &columns[..columns.len().min(CHUNK)];
                self.column += columns.len();
                let (first, last) = (columns[0] as usize, columns[columns.len() - 1] as usize);
                let masked = masked(first, last) || columns.len() < CHUNK;
                let is_run = columns.len() == CHUNK && last - first == CHUNK - 1;
                let chunk = if is_run && first.is_multiple_of(packed.shape.keys_per_word) {
                    contiguous(packed, first, masked)
                } else {
                    Chunk { masked, ..gathered.gather(packed, columns, slot) }
                };
                if masked {
                    positions.fill(i32::MAX);
                    positions.iter_mut().zip(columns).for_each(|(slot, &column)| *slot = column as i32);
                }
                tile.chunks.push(chunk);
            } else {
                break;
            }
        }
        !tile.chunks.is_empty()
    }
}

/// 16 neighbouring keys where they lie in the packed head.
fn contiguous(packed: &PackedHead, first: usize, masked: bool) -> Chunk {
    let PackedShape { head_dim, key_words, keys_per_word, .. } = packed.shape;
    Chunk {
        keys: packed.keys[first * key_words..][..CHUNK * key_words].as_ptr(),
        key_scales: packed.key_scales[first..][..CHUNK].as_ptr(),
        values: packed.values[first / keys_per_word * head_dim..][..CHUNK / keys_per_word * head_dim]
            .as_ptr(),
        masked,
    }
}
