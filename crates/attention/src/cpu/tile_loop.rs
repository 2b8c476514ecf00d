//! The tile loop: up to four neighbouring query blocks of one head walk their layouts in step.
//!
//! Neighbouring blocks see nearly the same keys, so the tile that one block has just brought into
//! the cache serves the next. There is one loop for all patterns and all instruction sets.
//!
//! ```text
//! for each of up to four blocks: lower its index to a layout; transpose its queries into lanes
//! while a block has keys left:
//!     for each block: take the next tile of its layout; attend_tile(block, tile)
//! for each block: output = output / sums, transposed back
//! ```

use super::buffer::Buffer;
use super::instances::Instance;
use super::micro_kernel::{TileShape, attend_tile};
use super::packed::{LARGEST_PRODUCT, PackedHead, PackedShape, largest_magnitude, largest_score};
use super::query_block::QueryBlock;
use super::tile::{GatheredColumns, Tile, TileCursor};
use crate::error::{Error, Result};
use crate::index::BLOCK;
use crate::inputs::AttentionInputs;
use crate::layout::KeyLayout;
use crate::lowering::Lowering;
use crate::view::TensorViewMut;
use std::ops::Range;

/// Query blocks that walk in step.
pub(crate) const BLOCKS_IN_STEP: usize = 4;
/// Words of keys in a tile.
const TILE_WORDS: usize = 64;

/// What one thread needs to attend: about 0.2 MiB at head_dim 64, 0.7 MiB at 256.
#[derive(Debug)]
pub(crate) struct Workspace {
    blocks: Vec<QueryBlock>,
    layouts: Vec<KeyLayout>,
    gathered: GatheredColumns,
    /// `[64 words][64]`
    probabilities: Buffer<u32>,
}

impl Workspace {
    pub(crate) fn new(shape: PackedShape) -> Result<Self> {
        let block = |_| QueryBlock::new(shape.head_dim, shape.key_words);
        Ok(Self {
            blocks: (0..BLOCKS_IN_STEP).map(block).collect::<Result<_>>()?,
            layouts: vec![KeyLayout::default(); BLOCKS_IN_STEP],
            gathered: GatheredColumns::new(shape)?,
            probabilities: Buffer::zeroed("probabilities of a tile", TILE_WORDS * BLOCK)?,
        })
    }
}

/// One head's part of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadWork<'a> {
    pub(crate) inputs: &'a AttentionInputs<'a>,
    pub(crate) head: usize,
    pub(crate) lowering: &'a Lowering<'a>,
    pub(crate) packed: &'a PackedHead,
    pub(crate) output: &'a TensorViewMut<'a>,
}

/// Attends the query blocks `range`, at most [`BLOCKS_IN_STEP`] of them.
///
/// # Safety
/// The machine has the instance's instructions, the head was packed by it, and no other thread
/// writes these rows.
///
/// # Errors
/// Queries that are not finite, or too large.
#[inline(always)]
pub(crate) unsafe fn attend_blocks<I: Instance, const R: usize, const V: usize>(
    work: &HeadWork<'_>,
    range: Range<usize>,
    workspace: &mut Workspace,
) -> Result<()> {
    let Workspace { blocks, layouts, gathered, probabilities } = workspace;
    let mut tile = Tile::new();
    let geometry = work.inputs.geometry();
    let shape = TileShape {
        head_dim: work.packed.shape.head_dim,
        key_words: work.packed.shape.key_words,
        window: geometry.window().map_or(i32::MAX, |window| window as i32),
    };
    let tokens = |block: usize| block * BLOCK..((block + 1) * BLOCK).min(geometry.queries());
    for (i, block) in range.clone().enumerate() {
        work.lowering.layout_into(block, &mut layouts[i]);
        // SAFETY: the caller's contract.
        let longest = unsafe { blocks[i].start::<I>(work.inputs, work.head, tokens(block)) };
        check_queries(work, longest, tokens(block))?;
    }
    let mut cursors: [TileCursor; BLOCKS_IN_STEP] = Default::default();
    let mut pending = true;
    while pending {
        pending = false;
        for ((block, layout), cursor) in blocks.iter_mut().zip(&*layouts).zip(&mut cursors).take(range.len())
        {
            if cursor.next_tile(layout, work.packed, gathered, &mut tile) {
                // SAFETY: the caller's contract; all buffers were made for the packed head's shape.
                unsafe { attend_tile::<I, R, V>(block, &tile, shape, probabilities) };
                pending = true;
            }
        }
    }
    for (i, block) in range.enumerate() {
        // SAFETY: the caller's contract.
        unsafe { blocks[i].finish(work.packed.value_scale, work.output, work.head, tokens(block)) };
    }
    Ok(())
}

/// Refuses queries that are not finite, or so long (by the longest) that a score could leave the
/// range of `f32`.
fn check_queries(work: &HeadWork<'_>, longest: f64, tokens: Range<usize>) -> Result<()> {
    if longest.is_infinite() {
        let mut row = vec![0.0f32; work.inputs.head_dim()];
        let is_bad = |&token: &usize| {
            work.inputs.q().read_row(token, work.head, &mut row);
            largest_magnitude(&row).is_infinite()
        };
        let token = tokens.clone().find(is_bad).unwrap_or(tokens.start);
        return Err(Error::NotFinite { tensor: "q", token, head: work.head });
    }
    let product = longest * work.packed.longest_key;
    let score = product * f64::from(work.inputs.factor());
    // Arithmetics apply the softmax factor before or after. Written so that NaN fails: the factor
    // may be infinite.
    let within = |found: f64, limit: f64| match found <= limit {
        true => Ok(()),
        false => Err(Error::TooLarge { what: "score", found, limit }),
    };
    within(product, LARGEST_PRODUCT)?;
    within(score, largest_score(work.inputs.head_dim()))
}
