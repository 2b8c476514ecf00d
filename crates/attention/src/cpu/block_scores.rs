//! The online estimate of block-sparse heads (paper, section 3.2): mean-pooled queries against
//! mean-pooled keys.
//!
//! ```text
//! for up to 64 pooled queries, in lanes: for each 16 pooled keys: scores[key][query] = Q K^T
//! for each query block: hand its row of scores, up to its last visible key block, to the visitor
//! ```

// SAFETY: one contract for the unsafe functions here: the machine has the instance's instructions.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::buffer::Buffer;
use super::dot::ScoreDot;
use super::instances::Instance;
use super::micro_kernel::{TileShape, scores_of_chunk};
use super::query_block::QueryBlock;
use super::tile::{CHUNK, Chunk};
use crate::backend::BlockScoreVisitor;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::index::BLOCK;
use crate::view::TensorView;
use std::ops::Range;

/// The estimate of one head.
pub(crate) struct BlockScoreWork<'a> {
    pub(crate) geometry: Geometry,
    pub(crate) head_dim: usize,
    /// Scores are multiplied by this.
    pub(crate) scale: f32,
    /// `[query blocks][head_dim]`
    pub(crate) pooled_queries: &'a [f32],
    /// `[key blocks, padded to a multiple of 16][head_dim]`
    pub(crate) pooled_keys: &'a [f32],
    pub(crate) visitor: BlockScoreVisitor<'a>,
}

/// Mean of the rows `rows` of one head, into `out` of head_dim elements.
pub(crate) fn mean_of_rows(tensor: TensorView<'_>, head: usize, rows: Range<usize>, out: &mut [f32]) {
    let mut row = vec![0.0f32; out.len()];
    out.fill(0.0);
    let factor = 1.0 / rows.len() as f32;
    for token in rows {
        tensor.read_row(token, head, &mut row);
        out.iter_mut().zip(&row).for_each(|(sum, x)| *sum += x);
    }
    out.iter_mut().for_each(|x| *x *= factor);
}

/// Scores of the query blocks `query_blocks`, at most 64 of them (they are the lanes), handed to
/// the visitor one by one.
///
/// # Safety
/// The machine has the instance's instructions.
///
/// # Errors
/// Out of memory.
#[inline(always)]
pub(crate) unsafe fn score_query_blocks<I: Instance, const R: usize, const V: usize>(
    work: &BlockScoreWork<'_>,
    query_blocks: Range<usize>,
) -> Result<()> {
    let head_dim = work.head_dim;
    let key_words = head_dim / I::Score::ELEMENTS_PER_WORD;
    let mut queries = QueryBlock::new(head_dim, key_words)?;
    let first = query_blocks.start;
    let read = |row: usize, out: &mut [f32]| {
        out.copy_from_slice(&work.pooled_queries[(first + row) * head_dim..][..head_dim]);
    };
    unsafe { queries.start_rows::<I>(query_blocks.len(), work.scale, read) };
    let shape = TileShape { head_dim, key_words, window: i32::MAX };
    let last_query = work.geometry.block_queries(query_blocks.end - 1).end - 1;
    let key_blocks = (last_query / BLOCK + 1).next_multiple_of(CHUNK);
    // `[key blocks][64]`, then read along lanes.
    let mut scores: Buffer<f32> = Buffer::zeroed("scores of key blocks", key_blocks * BLOCK)?;
    let mut packed: Buffer<u32> = Buffer::zeroed("pooled keys", CHUNK * key_words)?;
    let mut key_scales = [0.0f32; CHUNK];
    for (first_key, scores) in (0..key_blocks).step_by(CHUNK).zip(scores.chunks_exact_mut(CHUNK * BLOCK)) {
        for (i, words) in packed.chunks_exact_mut(key_words).enumerate() {
            let row = &work.pooled_keys[(first_key + i) * head_dim..][..head_dim];
            key_scales[i] = unsafe { I::Score::pack_row(row, words) };
        }
        let chunk = Chunk {
            keys: packed.as_ptr(),
            key_scales: key_scales.as_ptr(),
            values: std::ptr::null(),
            masked: false,
        };
        unsafe { scores_of_chunk::<I, R, V>(&queries, &chunk, shape, scores) };
    }
    let mut row = vec![0.0f32; key_blocks];
    for (lane, query_block) in query_blocks.enumerate() {
        let positions = work.geometry.block_queries(query_block);
        let visible = (positions.end - 1) / BLOCK + 1;
        let row = &mut row[..visible];
        for (x, lanes) in row.iter_mut().zip(scores.chunks_exact(BLOCK)) {
            *x = lanes[lane];
        }
        (work.visitor)(query_block, row);
    }
    Ok(())
}
