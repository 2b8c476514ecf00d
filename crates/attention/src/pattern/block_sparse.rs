//! Block-sparse (paper, section 3.2): for every block of 64 queries the 64-key blocks with the best
//! mean-pooled scores.

use super::top::best;
use crate::backend::AttentionBackend;
use crate::error::{Error, Result};
use crate::geometry::{Geometry, own_blocks};
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use std::ops::Range;
use std::sync::OnceLock;

/// The scores of one head's key blocks: from them follows an index for any budget. Half the square
/// of the number of blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockScores {
    geometry: Geometry,
    rows: Vec<Vec<f32>>,
}

/// The `top_k` best key blocks of every query block, its own always among them; equal scores go to
/// the lower block.
///
/// # Errors
/// As for [`AttentionBackend::pooled_block_scores`].
pub fn select(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
    top_k: usize,
) -> Result<SparseIndex> {
    let geometry = inputs.geometry();
    let rows = for_blocks(backend, inputs, head, |block, scores| choose(geometry, block, scores, top_k))?;
    SparseIndex::blocks(&rows)
}

/// The scores of all blocks, for indices of several budgets.
///
/// # Errors
/// As for [`AttentionBackend::pooled_block_scores`].
pub fn estimate(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
) -> Result<BlockScores> {
    let rows = for_blocks(backend, inputs, head, |_, scores| scores.to_vec())?;
    Ok(BlockScores { geometry: inputs.geometry(), rows })
}

/// As [`select`], from scores that were estimated before.
///
/// # Errors
/// None in fact: the blocks are in order.
pub fn index(scores: &BlockScores, top_k: usize) -> Result<SparseIndex> {
    let rows = scores.rows.iter().enumerate();
    let rows: Vec<_> = rows.map(|(block, row)| choose(scores.geometry, block, row, top_k)).collect();
    SparseIndex::blocks(&rows)
}

/// Makes something of each query block's scores, in order.
fn for_blocks<T: Send + Sync>(
    backend: &impl AttentionBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
    work: impl Fn(usize, &[f32]) -> T + Sync,
) -> Result<Vec<T>> {
    let rows: Vec<OnceLock<T>> = (0..inputs.geometry().query_blocks()).map(|_| OnceLock::new()).collect();
    backend.pooled_block_scores(inputs, head, &|query_block, scores| {
        let row = work(query_block, scores);
        rows[query_block].get_or_init(|| row);
    })?;
    let rows: Option<Vec<T>> = rows.into_iter().map(OnceLock::into_inner).collect();
    rows.ok_or(Error::Index {
        expected: "scores of every query block from the backend",
        found: "some blocks without".into(),
    })
}

/// Key blocks that a query block may attend to at all, and its own among them.
fn candidates(geometry: Geometry, query_block: usize) -> (Range<usize>, Range<usize>) {
    let queries = geometry.block_queries(query_block);
    let first_visible =
        geometry.window().map_or(0, |window| (queries.start + 1).saturating_sub(window)) / BLOCK;
    let own = own_blocks(&queries);
    let own = *own.start() as usize..*own.end() as usize + 1;
    (first_visible..own.end, own)
}

fn choose(geometry: Geometry, query_block: usize, scores: &[f32], top_k: usize) -> Vec<u32> {
    let (visible, own) = candidates(geometry, query_block);
    let first = visible.start;
    let kept = own.start - first..own.end - first;
    let mut row = best(&scores[visible], kept, top_k.max(own.len()));
    row.iter_mut().for_each(|block| *block += first as u32);
    row
}

/// Bytes of an index of `top_k` blocks for each block of queries, or of all that it sees.
pub(super) fn index_bytes(geometry: Geometry, top_k: usize) -> u64 {
    let row = |block: usize| {
        let (visible, own) = candidates(geometry, block);
        visible.len().min(top_k.max(own.len())) * size_of::<u32>() + size_of::<usize>()
    };
    (0..geometry.query_blocks()).map(|block| row(block) as u64).sum()
}

/// Bytes of the scores that [`estimate`] gives.
pub fn scores_bytes(geometry: Geometry) -> u64 {
    let visible = |block: usize| geometry.block_queries(block).end.div_ceil(BLOCK);
    let row = |block: usize| visible(block) * size_of::<f32>() + size_of::<Vec<f32>>();
    (0..geometry.query_blocks()).map(|block| row(block) as u64).sum()
}

/// Pairs of the chosen blocks, whichever they are: all but the query block's own are whole.
pub(super) fn least_pairs(geometry: Geometry, top_k: usize) -> u64 {
    if geometry.window().is_some() {
        return 0;
    }
    (0..geometry.query_blocks())
        .map(|block| {
            let (visible, own) = candidates(geometry, block);
            let others = top_k.min(visible.len()).saturating_sub(own.len());
            let queries = geometry.block_queries(block);
            let own_pairs: usize = queries.clone().map(|i| i + 1 - own.start * BLOCK).sum();
            (others * BLOCK * queries.len() + own_pairs) as u64
        })
        .sum()
}
