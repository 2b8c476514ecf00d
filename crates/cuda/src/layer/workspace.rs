//! The buffers of a layer's index on the device.

use super::heads::HeadTable;
use crate::attention::{DeviceTiles, LayerInputs};
use crate::device::CudaDevice;
use crate::error::Result;
use crate::launch::{HISTOGRAM_WORDS, HeadParams, HeadSums, TileCounts, line_parts};
use crate::memory::Buffer;
use crate::tiles::{GRANULE, TILE_ROWS};
use minference_attention::Geometry;

/// Scores of blocks that are kept at once; more come in slabs of rows.
const MOST_BLOCK_SCORES: usize = 1 << 28;
/// Rows of a slab at least, and a divisor of all slabs: the tile of the scores' kernel.
const SLAB_ROWS: usize = 64;

/// Room to select the best columns and diagonals in.
#[derive(Debug)]
pub(crate) struct LineSelection {
    pub(crate) histograms: Buffer<u32>,
    pub(crate) part_counts: Buffer<u32>,
}

impl LineSelection {
    pub(super) fn new(device: &CudaDevice, keys: usize, heads: usize) -> Result<Self> {
        let what = "selection of lines";
        Ok(Self {
            histograms: Buffer::new(device, what, heads * HISTOGRAM_WORDS)?,
            part_counts: Buffer::new(device, what, heads * 2 * line_parts(keys) * 2)?,
        })
    }
}

/// Rows of query blocks that are scored at once, for so many heads.
pub(super) fn slab_rows(geometry: Geometry, heads: usize) -> usize {
    let row = heads * geometry.key_blocks().next_multiple_of(4);
    (MOST_BLOCK_SCORES / row / SLAB_ROWS * SLAB_ROWS).clamp(SLAB_ROWS, geometry.query_blocks().max(SLAB_ROWS))
}

/// What each head attends to, as it is chosen, lowered and walked.
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) heads: Buffer<HeadParams>,
    pub(crate) selected: Buffer<u32>,
    pub(crate) bitmaps: Buffer<u32>,
    pub(crate) sums: Buffer<HeadSums>,
    pub(crate) counts: Buffer<TileCounts>,
    pub(crate) tiles: DeviceTiles,
}

impl Lists {
    pub(super) fn new(device: &CudaDevice, inputs: &LayerInputs<'_>, table: &HeadTable) -> Result<Self> {
        let (geometry, heads) = (inputs.geometry, table.heads.len());
        let tiles = heads * geometry.queries().div_ceil(TILE_ROWS);
        let what = "key lists";
        Ok(Self {
            heads: Buffer::from_slice(device, what, &table.heads)?,
            selected: Buffer::from_slice(device, what, &table.selected)?,
            bitmaps: Buffer::new(device, what, heads * 2 * bitmap_words(geometry.keys()))?,
            sums: Buffer::new(device, what, heads)?,
            counts: Buffer::new(device, what, tiles)?,
            tiles: DeviceTiles::empty(device, geometry, heads, tiles, table.list_words)?,
        })
    }
}

/// Words of one bitmap of diagonals (`kernels/lower/geometry.cuh`).
fn bitmap_words(keys: usize) -> usize {
    let origin = (keys / GRANULE).next_multiple_of(32) + 32;
    origin / 32 + 4
}
