//! [`Tiles`]: the keys of every head, as the attention kernels walk them.
//!
//! A [`Lowering`] says which keys a block of 64 queries sees. A kernel works on 128 queries at once
//! (two such blocks, its halves), and wants keys in stages of 128. A tile's keys are listed in four
//! kinds of stages, in this order:
//!
//! | kind | what a stage holds | who sees it |
//! |---|---|---|
//! | full | two entries of up to 64 consecutive keys | both halves, unless an entry is hidden from one |
//! | run | 128 consecutive keys, not listed: the tile says where the first run stage starts | every row, whole |
//! | columns | 128 single keys | both halves, unless a column is hidden from one |
//! | half | two entries | the first half sees the first entry, the second half the second |
//!
//! Entries and columns that some row must not see are marked as masked; there the kernel compares
//! positions. What is not marked costs no comparison. Every key that a row sees is listed once, and
//! none that it must not see; the tests decode the lists and compare them with
//! [`KeyLayout::contains`](minference_attention::KeyLayout::contains).
//!
//! ```
//! use minference_attention::{Geometry, Lowering, SparseIndex};
//! use minference_cuda::Tiles;
//!
//! // A dense prompt of 1024 tokens: eight tiles, and each but the first has one run.
//! let lowering = Lowering::new(&SparseIndex::Dense, Geometry::prefill(1024))?;
//! let tiles = Tiles::new(&[lowering])?;
//! assert_eq!(tiles.tiles().len(), 8);
//!
//! // The longest comes first: queries 896..1024, with their own keys in a masked stage, and 7 * 128
//! // keys before them.
//! let longest = tiles.tiles()[0];
//! assert_eq!((longest.tile, longest.full_stages, longest.run_stages), (7, 1, 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod spans;
mod stages;
#[cfg(test)]
mod tests;
mod words;

use crate::error::{Error, Result};
use minference_attention::{Geometry, Lowering};
use rayon::prelude::*;
use stages::StageBuilder;
pub use words::{Column, Entry};

/// Queries of a tile.
pub const TILE_ROWS: usize = 128;
/// Queries of half a tile: one block of a [`Lowering`].
pub const HALF_ROWS: usize = 64;
/// Keys of a stage.
pub const STAGE_KEYS: usize = 128;
/// Entries start at multiples of this many keys.
pub const GRANULE: usize = 16;

/// Tiles that one task builds.
const TILES_PER_TASK: usize = 64;

/// One tile of 128 queries of one head: where its keys are listed. The same bytes as `Tile` in
/// `kernels/interface.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Tile {
    /// Word of the list where its entries start: two for each full stage, then two for each half
    /// stage.
    pub entries: u32,
    /// Word of the list where its columns start: 128 for each column stage.
    pub columns: u32,
    /// Stages that both halves use; masked ones first.
    pub full_stages: u16,
    /// Stages of which each half uses its own entry.
    pub half_stages: u16,
    /// Stages of single columns.
    pub column_stages: u16,
    /// The first of them that need no comparison.
    pub plain_column_stages: u16,
    /// Granule where the run stages start.
    pub run_first: u32,
    /// Stages of consecutive keys that every row sees whole.
    pub run_stages: u32,
    /// Query head.
    pub head: i32,
    /// Number of the tile among the head's.
    pub tile: i32,
}

const _: () = assert!(std::mem::size_of::<Tile>() == 32 && std::mem::align_of::<Tile>() == 4);

impl Tile {
    /// What the tile costs, for the order of work: in hundredths of a full stage, as measured.
    fn cost(&self) -> u64 {
        100 * (u64::from(self.full_stages) + u64::from(self.run_stages))
            + 160 * u64::from(self.column_stages)
            + 60 * u64::from(self.half_stages)
    }
}

/// The tiles of all heads of a layer, longest first, and the list that they point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    geometry: Geometry,
    heads: usize,
    tiles: Vec<Tile>,
    list: Vec<u32>,
}

impl Tiles {
    /// The tiles of one lowering per query head, all of one geometry.
    ///
    /// # Errors
    /// [`Error::Shape`] for no heads, or different geometries; [`Error::TooLarge`] where the stages
    /// of a tile, the tiles or the list are more than the kernels can count.
    pub fn new(heads: &[Lowering<'_>]) -> Result<Self> {
        let Some(geometry) = heads.first().map(Lowering::geometry) else {
            return Err(Error::Shape {
                what: "heads",
                expected: "at least one".into(),
                found: "none".into(),
            });
        };
        if let Some(other) = heads.iter().find(|head| head.geometry() != geometry) {
            return Err(Error::Shape {
                what: "lowered indices",
                expected: format!("those of {geometry:?}"),
                found: format!("{:?}", other.geometry()),
            });
        }
        let per_head = geometry.queries().div_ceil(TILE_ROWS);
        check("tiles", per_head * heads.len(), i32::MAX as usize)?;
        let tasks_per_head = per_head.div_ceil(TILES_PER_TASK);
        let parts: Vec<StageBuilder> = (0..heads.len() * tasks_per_head)
            .into_par_iter()
            .map(|task| {
                let (head, first) = (task / tasks_per_head, task % tasks_per_head * TILES_PER_TASK);
                let mut builder = StageBuilder::default();
                for tile in first..(first + TILES_PER_TASK).min(per_head) {
                    builder.push_tile(&heads[head], head, tile)?;
                }
                Ok(builder)
            })
            .collect::<Result<_>>()?;
        Self::joined(geometry, heads.len(), parts)
    }

    fn joined(geometry: Geometry, heads: usize, parts: Vec<StageBuilder>) -> Result<Self> {
        let words = parts.iter().map(|part| part.list.len()).sum();
        check("words of key lists", words, u32::MAX as usize)?;
        let reserve = |bytes| move |_| Error::OutOfHostMemory { what: "key lists", bytes };
        let (mut tiles, mut list) = (Vec::new(), Vec::new());
        list.try_reserve_exact(words).map_err(reserve(4 * words))?;
        for part in parts {
            let start = list.len() as u32;
            tiles.extend(part.tiles.into_iter().map(|tile| Tile {
                entries: start + tile.entries,
                columns: start + tile.columns,
                ..tile
            }));
            list.extend_from_slice(&part.list);
        }
        // The sort is stable: tiles of one cost stay in the order of heads, and results never
        // depend on it anyway.
        tiles.sort_by_key(|tile| std::cmp::Reverse(tile.cost()));
        Ok(Self { geometry, heads, tiles, list })
    }

    /// How many queries meet how many keys.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }
    /// Query heads.
    pub fn heads(&self) -> usize {
        self.heads
    }
    /// The tiles, longest first.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }
    /// What part of the whole cost each head has, `[heads]`.
    pub fn cost_shares(&self) -> Vec<f64> {
        let mut costs = vec![0u64; self.heads];
        self.tiles.iter().for_each(|tile| costs[tile.head as usize] += tile.cost());
        let total = costs.iter().sum::<u64>().max(1);
        costs.into_iter().map(|cost| cost as f64 / total as f64).collect()
    }
    /// The words that they point to.
    pub fn list(&self) -> &[u32] {
        &self.list
    }
}

/// Refuses a count that the kernels' integers don't hold.
pub(crate) fn check(what: &'static str, found: usize, limit: usize) -> Result<()> {
    match found <= limit {
        true => Ok(()),
        false => Err(Error::TooLarge { what, found: found as u64, limit: limit as u64 }),
    }
}
