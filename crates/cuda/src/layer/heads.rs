//! [`HeadParams`] of a layer: a plan in the form in which the kernels take it.

use crate::error::Result;
use crate::launch::{HEAD_CROSSOVER, HeadKind, HeadParams, NO_BLOCK};
use crate::tiles::{GRANULE, HALF_ROWS, STAGE_KEYS, TILE_ROWS};
use bytemuck::Zeroable;
use minference_attention::pattern::vertical_slash::{KEPT_COLUMNS, KEPT_DIAGONALS};
use minference_attention::plan::crossover::{Prospect, before, sparse_queries};
use minference_attention::{Crossover, Geometry, HeadPattern, HeadPlan, LayerPlan, SparseIndex};

/// Words of all heads' lists at most: 4 GiB, beyond which heads with long lists run dense.
const MOST_LIST_WORDS: u64 = 1 << 30;
/// Words of a tile beside those that follow from its index: clipped pieces, places that make
/// numbers even, alignment.
const TILE_SLACK: u64 = 24;
/// A query block's own key blocks at most: two where an offset shifts them against each other.
const OWN_BLOCKS: usize = 2;

/// How the heads of a layer choose, and what has to be estimated for it.
#[derive(Debug, Default)]
pub(super) struct HeadTable {
    pub(super) heads: Vec<HeadParams>,
    /// Indices that are known, and room for those that are not.
    pub(super) selected: Vec<u32>,
    /// Query heads whose columns and diagonals are voted for.
    pub(super) line_heads: Vec<i32>,
    /// Query heads whose blocks are scored.
    pub(super) block_heads: Vec<i32>,
    /// Words of the heads' lists.
    pub(super) list_words: usize,
}

impl HeadTable {
    /// # Errors
    /// A fixed index that does not fit.
    pub(super) fn new(plan: &LayerPlan<'_>, geometry: Geometry, crossover: &Crossover) -> Result<Self> {
        let mut table = Self::default();
        let sparse = sparse_queries(geometry, plan.dense_queries);
        let most_estimate = crossover.estimate_share * geometry.causal_pairs() as f64;
        for (head, plan) in plan.heads.iter().enumerate() {
            let params = match plan {
                HeadPlan::Pattern(pattern) => match before(*pattern, geometry, sparse, crossover) {
                    Prospect::Sparse { estimate, is_open: true } if estimate > most_estimate => dense(),
                    Prospect::Sparse { .. } => table.estimated(head, *pattern, geometry, sparse),
                    Prospect::Dense => dense(),
                },
                HeadPlan::Fixed(_) if sparse == 0 || geometry.queries() == 1 => dense(),
                HeadPlan::Fixed(fixed) => {
                    table.known(&fixed.fit(geometry)?.with_dense_from(sparse), geometry)
                }
            };
            table.heads.push(params);
        }
        table.assign_rooms(geometry);
        Ok(table)
    }

    /// Whether no head's lists depend on the inputs or are long: they are made once.
    pub(super) fn is_dense(&self) -> bool {
        self.heads.iter().all(|head| head.kind == HeadKind::Dense as i32)
    }

    fn room(&mut self, words: usize) -> i64 {
        let start = self.selected.len();
        self.selected.resize(start + words, NO_BLOCK);
        start as i64
    }

    /// A head that chooses by its pattern.
    fn estimated(
        &mut self,
        head: usize,
        pattern: HeadPattern,
        geometry: Geometry,
        sparse_queries: usize,
    ) -> HeadParams {
        let keys = geometry.keys();
        let base = HeadParams { flags: HEAD_CROSSOVER, dense_from: sparse_queries as i32, ..dense() };
        let shape = |sink: usize, local: usize| HeadParams {
            kind: HeadKind::Shape as i32,
            column_count: sink.min(keys) as i32,
            diagonal_count: local.clamp(1, keys) as i32,
            ..base
        };
        match pattern {
            HeadPattern::Dense => dense(),
            HeadPattern::AShape { sink, local } => shape(sink, local),
            HeadPattern::TriShape { sink, local, last } => {
                let own = geometry.queries().saturating_sub(last);
                HeadParams { dense_from: own.min(sparse_queries) as i32, ..shape(sink, local) }
            }
            HeadPattern::VerticalSlash { vertical, slash } => {
                self.line_heads.push(head as i32);
                let columns = vertical.max(KEPT_COLUMNS).min(keys);
                let diagonals = slash.max(KEPT_DIAGONALS).min(keys);
                HeadParams {
                    kind: HeadKind::Lines as i32,
                    column_count: columns as i32,
                    diagonal_count: diagonals as i32,
                    columns_at: self.room(columns),
                    diagonals_at: self.room(diagonals),
                    ..base
                }
            }
            HeadPattern::BlockSparse { top_k } => {
                self.block_heads.push(head as i32);
                let top_k = top_k.min(geometry.key_blocks());
                let places = top_k.max(OWN_BLOCKS);
                HeadParams {
                    kind: HeadKind::Blocks as i32,
                    row_places: places as i32,
                    top_k: top_k as i32,
                    rows_at: self.room(places * geometry.query_blocks()),
                    ..base
                }
            }
        }
    }

    /// A head whose index is given: nothing is estimated, and nothing asks whether it pays.
    fn known(&mut self, index: &SparseIndex, geometry: Geometry) -> HeadParams {
        match index {
            SparseIndex::Dense => dense(),
            SparseIndex::Lines(lines) => {
                // Diagonal 0 is a part of every list here; lines beyond the prompt have no effect.
                let within = |lines: &[u32]| -> Vec<u32> {
                    lines.iter().copied().filter(|&line| (line as usize) < geometry.keys()).collect()
                };
                let (columns, diagonals) = (within(lines.columns()), within(lines.diagonals()));
                let mut place = |values: &[u32]| {
                    let at = self.selected.len() as i64;
                    self.selected.extend_from_slice(values);
                    at
                };
                HeadParams {
                    kind: HeadKind::Lines as i32,
                    dense_from: lines.dense_from().min(i32::MAX as usize) as i32,
                    column_count: columns.len() as i32,
                    diagonal_count: diagonals.len() as i32,
                    columns_at: place(&columns),
                    diagonals_at: place(&diagonals),
                    ..dense()
                }
            }
            SparseIndex::Blocks(blocks) => {
                let rows = 0..geometry.query_blocks();
                let longest = rows.clone().map(|row| blocks.key_blocks(row).len()).max().unwrap_or(0);
                let at = self.room(longest * rows.len());
                for row in rows {
                    let start = at as usize + row * longest;
                    let row = blocks.key_blocks(row);
                    self.selected[start..start + row.len()].copy_from_slice(row);
                }
                HeadParams {
                    kind: HeadKind::Blocks as i32,
                    dense_from: blocks.dense_from().min(i32::MAX as usize) as i32,
                    row_places: longest as i32,
                    top_k: longest as i32,
                    rows_at: at,
                    ..dense()
                }
            }
        }
    }

    /// Gives each head the words that its lists can need, or equal parts of what there is.
    fn assign_rooms(&mut self, geometry: Geometry) {
        let tiles = geometry.queries().div_ceil(TILE_ROWS) as u64;
        let least = tiles * TILE_SLACK;
        let wanted: Vec<u64> = self.heads.iter().map(|head| list_room(head, geometry)).collect();
        let fits = wanted.iter().sum::<u64>() <= MOST_LIST_WORDS;
        let most = if fits { u64::MAX } else { MOST_LIST_WORDS / wanted.len() as u64 };
        let mut at = 0;
        for (head, wanted) in self.heads.iter_mut().zip(wanted) {
            // Lists start at multiples of 16 bytes.
            let room = wanted.min(most).max(least).min(u64::from(u32::MAX) - 4).next_multiple_of(4);
            (head.list_at, head.list_room) = (at as u32, room as u32);
            at += room;
        }
        self.list_words = at as usize;
    }
}

/// A head that sees every key.
fn dense() -> HeadParams {
    HeadParams { kind: HeadKind::Dense as i32, dense_from: i32::MAX, ..HeadParams::zeroed() }
}

/// Words that the lists of a head can need (the reasoning: `kernels/lower/room.h`).
fn list_room(head: &HeadParams, geometry: Geometry) -> u64 {
    let tiles = geometry.queries().div_ceil(TILE_ROWS) as u64;
    if head.kind == HeadKind::Dense as i32 {
        return tiles * TILE_SLACK;
    }
    let window = geometry.window().map_or(u64::MAX, |window| (window + TILE_ROWS) as u64);
    let granules = window.min(geometry.keys() as u64) / GRANULE as u64 + 2;
    let mut of_tile = TILE_SLACK;
    if head.kind == HeadKind::Blocks as i32 {
        of_tile += 2 * head.row_places as u64;
    } else {
        let columns = head.column_count as u64;
        of_tile += columns.next_multiple_of(STAGE_KEYS as u64) + columns / HALF_ROWS as u64;
        if head.kind == HeadKind::Lines as i32 {
            of_tile += (5 * head.diagonal_count as u64).min(granules);
        }
    }
    tiles * of_tile + 2 * (2 * granules + TILE_SLACK)
}
