//! The launches of selection and lowering. One launch each (a few for selection) serves all heads
//! of a layer.

use super::index_arguments::{HeadOutcome, LowerArguments, TopLinesArguments, TopRowsArguments};
use super::module::Grid;
use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::Result;
use crate::layer::workspace::{LineSelection, Lists};
use crate::memory::Buffer;
use crate::pooled::{BlockMeans, BlockScores};
use crate::votes::LineVotes;
use minference_attention::pattern::vertical_slash::{KEPT_COLUMNS, KEPT_DIAGONALS};

// The constants of the kernels' sources.
const KEYS_OF_A_PART: usize = 8192;
const DIGITS: i32 = 3;
const LINE_THREADS: u32 = 512;
const ROW_THREADS: u32 = 256;
const MARK_THREADS: u32 = 1024;
const TILE_THREADS: u32 = 256;

/// Parts of the keys among which selection is divided.
pub(crate) fn line_parts(keys: usize) -> usize {
    keys.div_ceil(KEYS_OF_A_PART)
}

/// Words of the histograms of one head's columns and diagonals.
pub(crate) const HISTOGRAM_WORDS: usize = 2 * DIGITS as usize * 2048;

fn window_of(inputs: &LayerInputs<'_>) -> i32 {
    inputs.geometry.window().map_or(i32::MAX, |window| window as i32)
}

/// Selects the columns and diagonals of the heads that voted.
///
/// # Errors
/// What the driver refuses.
pub(crate) fn select_lines(
    device: &CudaDevice,
    keys: usize,
    votes: &LineVotes,
    selection: &mut LineSelection,
    lists: &Lists,
) -> Result<()> {
    selection.histograms.fill_bytes(0)?;
    let parts = line_parts(keys);
    let arguments = TopLinesArguments {
        columns: votes.columns.pointer(),
        diagonals: votes.diagonals.pointer(),
        heads: lists.heads.pointer(),
        slot_heads: votes.heads.pointer(),
        selected: lists.selected.pointer(),
        histograms: selection.histograms.pointer(),
        part_counts: selection.part_counts.pointer(),
        score_stride: votes.stride as i64,
        keys: keys as i32,
        parts: parts as i32,
        kept_columns: KEPT_COLUMNS as i32,
        kept_diagonals: KEPT_DIAGONALS as i32,
    };
    let blocks = [parts as u32, 2 * votes.heads.len() as u32, 1];
    let grid = Grid { blocks, threads: LINE_THREADS, shared_bytes: 0 };
    let digits = device.kernels().function("top_lines_digits")?;
    for pass in 0..DIGITS {
        // SAFETY: the kernel takes the structure and the number of the pass; the sums have `keys`
        // values a slot, and `selected` has room for what each head's parameters say.
        unsafe { digits.launch_two(device.stream(), grid, &arguments, &pass)? };
    }
    for kernel in ["top_lines_count", "top_lines_write"] {
        // SAFETY: as above, with the structure alone.
        unsafe { device.kernels().function(kernel)?.launch(device.stream(), grid, &arguments)? };
    }
    Ok(())
}

/// Selects the best blocks of a slab's rows.
///
/// # Errors
/// What the driver refuses.
pub(crate) fn select_rows(
    device: &CudaDevice,
    inputs: &LayerInputs<'_>,
    means: &BlockMeans,
    scores: &BlockScores,
    lists: &Lists,
) -> Result<()> {
    let geometry = inputs.geometry;
    let arguments = TopRowsArguments {
        scores: scores.scores.pointer(),
        heads: lists.heads.pointer(),
        slot_heads: means.heads.pointer(),
        selected: lists.selected.pointer(),
        score_stride: scores.stride as i64,
        queries: geometry.queries() as i32,
        keys: geometry.keys() as i32,
        window: window_of(inputs),
        first_row: scores.rows.start as i32,
        rows: scores.rows.len() as i32,
        reserved: 0,
    };
    let kernel = match geometry.key_blocks() {
        ..=2048 => "top_rows_2k",
        2049..=16_384 => "top_rows_16k",
        _ => "top_rows_any",
    };
    let blocks = [scores.rows.len() as u32, means.heads.len() as u32, 1];
    let grid = Grid { blocks, threads: ROW_THREADS, shared_bytes: 0 };
    // SAFETY: the arguments are those of the kernel; `selected` has `row_places` words for each
    // row.
    unsafe { device.kernels().function(kernel)?.launch(device.stream(), grid, &arguments) }
}

/// Makes tiles of all heads' indices, and says what each head runs with.
///
/// # Errors
/// What the driver refuses.
pub(crate) fn lower(
    device: &CudaDevice,
    inputs: &LayerInputs<'_>,
    lists: &Lists,
    most_pairs: f64,
    outcomes: &Buffer<HeadOutcome>,
) -> Result<()> {
    let (geometry, heads) = (inputs.geometry, inputs.q.heads());
    let arguments = LowerArguments {
        heads: lists.heads.pointer(),
        selected: lists.selected.pointer(),
        bitmaps: lists.bitmaps.pointer(),
        sums: lists.sums.pointer(),
        counts: lists.counts.pointer(),
        tiles: lists.tiles.tiles.pointer(),
        list: lists.tiles.list.pointer(),
        outcomes: outcomes.pointer(),
        head_count: heads as i32,
        group: inputs.group_size() as i32,
        queries: geometry.queries() as i32,
        keys: geometry.keys() as i32,
        window: window_of(inputs),
        reserved: 0,
        most_pairs,
        causal_pairs: geometry.causal_pairs(),
    };
    let warps = heads * geometry.query_blocks().div_ceil(2);
    let of_tiles = Grid {
        blocks: [warps.div_ceil(TILE_THREADS as usize / 32) as u32, 1, 1],
        threads: TILE_THREADS,
        shared_bytes: 0,
    };
    let of_heads = Grid { blocks: [heads as u32, 1, 1], threads: MARK_THREADS, shared_bytes: 0 };
    for (kernel, grid) in [("lower_mark", of_heads), ("lower_count", of_tiles), ("lower_fill", of_tiles)] {
        // SAFETY: the arguments are those of the kernel; the buffers have the sizes that heads,
        // tiles and keys ask for, and each head's lists stay within its room (`Lists::new`).
        unsafe { device.kernels().function(kernel)?.launch(device.stream(), grid, &arguments)? };
    }
    Ok(())
}
