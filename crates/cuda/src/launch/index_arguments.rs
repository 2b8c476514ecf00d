//! What the host and the kernels of selection and lowering agree on: structures of
//! `kernels/index_interface.h`, the same bytes. Pointers are addresses on the device.

use bytemuck::{Pod, Zeroable};
use std::mem::{offset_of, size_of};

/// What a head's index consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum HeadKind {
    /// Every key up to the query.
    Dense = 0,
    /// Columns and diagonals that were selected.
    Lines = 1,
    /// The first columns and the nearest diagonals.
    Shape = 2,
    /// Blocks of 64 keys for each block of 64 queries.
    Blocks = 3,
}

/// The head runs dense where its pairs exceed the crossover.
pub(crate) const HEAD_CROSSOVER: i32 = 1;
/// A place of a row of blocks that holds none.
pub(crate) const NO_BLOCK: u32 = u32::MAX;

/// How one head chooses its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct HeadParams {
    pub(crate) kind: i32,
    pub(crate) flags: i32,
    /// Query rows of the chunk from this one on are dense.
    pub(crate) dense_from: i32,
    pub(crate) column_count: i32,
    pub(crate) diagonal_count: i32,
    /// Places of a row of blocks, and how many of them the estimate fills.
    pub(crate) row_places: i32,
    pub(crate) top_k: i32,
    pub(crate) reserved: u32,
    /// Words of `selected` where the head's columns, diagonals and rows of blocks start.
    pub(crate) columns_at: i64,
    pub(crate) diagonals_at: i64,
    pub(crate) rows_at: i64,
    /// Words of the list that are the head's own.
    pub(crate) list_at: u32,
    pub(crate) list_room: u32,
}

/// A head's sums while its tiles are counted.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct HeadSums {
    pairs: u64,
    words: u64,
    used: u32,
    reserved: u32,
}

/// What a head ran with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct HeadOutcome {
    /// The canonical cost.
    pub(crate) pairs: u64,
    /// 0: sparse. Otherwise dense: by its pattern, by the crossover, for want of room.
    pub(crate) reason: u32,
    reserved: u32,
}

/// Stages of one tile by kind, between counting and filling.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct TileCounts([u32; 12]);

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct LowerArguments {
    pub(super) heads: u64,
    pub(super) selected: u64,
    pub(super) bitmaps: u64,
    pub(super) sums: u64,
    pub(super) counts: u64,
    pub(super) tiles: u64,
    pub(super) list: u64,
    pub(super) outcomes: u64,
    pub(super) head_count: i32,
    pub(super) group: i32,
    pub(super) queries: i32,
    pub(super) keys: i32,
    pub(super) window: i32,
    pub(super) reserved: i32,
    pub(super) most_pairs: f64,
    pub(super) causal_pairs: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct TopLinesArguments {
    pub(super) columns: u64,
    pub(super) diagonals: u64,
    pub(super) heads: u64,
    pub(super) slot_heads: u64,
    pub(super) selected: u64,
    pub(super) histograms: u64,
    pub(super) part_counts: u64,
    pub(super) score_stride: i64,
    pub(super) keys: i32,
    pub(super) parts: i32,
    pub(super) kept_columns: i32,
    pub(super) kept_diagonals: i32,
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct TopRowsArguments {
    pub(super) scores: u64,
    pub(super) heads: u64,
    pub(super) slot_heads: u64,
    pub(super) selected: u64,
    pub(super) score_stride: i64,
    pub(super) queries: i32,
    pub(super) keys: i32,
    pub(super) window: i32,
    pub(super) first_row: i32,
    pub(super) rows: i32,
    pub(super) reserved: i32,
}

// The sizes and offsets that a C compiler gives index_interface.h.
const _: () = {
    assert!(size_of::<HeadParams>() == 64 && offset_of!(HeadParams, columns_at) == 32);
    assert!(size_of::<HeadSums>() == 24 && size_of::<HeadOutcome>() == 16 && size_of::<TileCounts>() == 48);
    assert!(size_of::<LowerArguments>() == 104);
    assert!(offset_of!(LowerArguments, most_pairs) == 88);
    assert!(size_of::<TopLinesArguments>() == 80 && size_of::<TopRowsArguments>() == 64);
};
