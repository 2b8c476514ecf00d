//! [`CallShape`]: how much memory the parts of a layer's attention take, told before they run.
//!
//! Each number is an upper bound that a call comes close to (the tests measure it), beside inputs,
//! output and indices. How much an index takes, its pattern says
//! ([`HeadPattern::index_bytes`](crate::HeadPattern::index_bytes)).

use super::attend::heads_at_once;
use super::line_scores::{PARTITION, exponential_words};
use super::spare_buffers::SPARE_BYTES_PER_THREAD;
use super::tile::CHUNK;
use super::{CpuBackend, decode};
use crate::element::ElementType;
use crate::index::BLOCK;

/// What the memory of a call depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallShape {
    /// Queries, the last of the tokens.
    pub queries: usize,
    /// Keys, all of the tokens.
    pub keys: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Elements of a head's row.
    pub head_dim: usize,
    /// Of keys and values; of codes it is `f16`.
    pub element_type: ElementType,
}

impl CpuBackend {
    /// Bytes that [`attend`](crate::AttentionBackend::attend) takes at most: key-value heads in
    /// packed form, as many as are packed together, each thread's tiles, and what estimates before
    /// it have left for the next ones.
    pub fn attend_bytes(&self, shape: &CallShape) -> u64 {
        let threads = self.threads();
        if shape.queries == 1 {
            let partial = (shape.heads * (shape.head_dim + 2) * size_of::<f32>()) as u64;
            return (shape.keys.div_ceil(decode::PARTITION) as u64 + 1).saturating_mul(partial);
        }
        let kernels = self.instruction_set().kernels(self.arithmetic, shape.element_type);
        let packed = kernels.packed_shape(shape.keys, shape.head_dim);
        let together = heads_at_once(packed, shape.kv_heads, threads);
        // Four blocks of queries with their outputs, a tile's probabilities, gathered columns.
        let workspace = (16 * BLOCK * size_of::<f32>()) as u64 * shape.head_dim as u64 + (1 << 16);
        (packed.bytes() as u64)
            .saturating_mul(together as u64)
            .saturating_add(workspace * threads as u64)
            .saturating_add(self.spare_bytes(shape.keys))
    }

    /// Bytes that [`last_query_scores`](crate::AttentionBackend::last_query_scores) takes at most
    /// with what it gives: the exponentials of 64 queries for all keys, and sums over columns and
    /// diagonals, twice.
    pub fn line_estimate_bytes(&self, keys: usize) -> u64 {
        let partition = exponential_words(PARTITION) * size_of::<u32>()
            // Maxima of each tile of 64 keys, statistics, columns and diagonals.
            + (PARTITION / BLOCK + 2) * BLOCK * size_of::<f32>()
            + (2 * PARTITION + BLOCK) * size_of::<f32>();
        let scores = (2 * keys * size_of::<f32>()) as u64;
        let padded = keys.next_multiple_of(CHUNK) as u64;
        (padded * partition as u64 / PARTITION as u64).saturating_add(scores)
    }

    /// Bytes that [`pooled_block_scores`](crate::AttentionBackend::pooled_block_scores) takes at
    /// most: pooled queries and keys, and each thread's scores of 64 blocks of queries, with what
    /// is needed to choose among them.
    pub fn block_estimate_bytes(&self, shape: &CallShape) -> u64 {
        let blocks = |tokens: usize| tokens.div_ceil(BLOCK) as u64 + 16;
        let pooled =
            (blocks(shape.queries) + blocks(shape.keys)) * (shape.head_dim * size_of::<f32>()) as u64;
        let ranks = size_of::<u64>() as u64 + 2 * size_of::<f32>() as u64;
        let scores = blocks(shape.keys) * ((BLOCK * size_of::<f32>()) as u64 + ranks);
        pooled.saturating_add(scores.saturating_mul(self.threads() as u64))
    }

    /// Bytes of an estimate that are kept for the next one, whatever comes in between.
    fn spare_bytes(&self, keys: usize) -> u64 {
        let most = SPARE_BYTES_PER_THREAD * self.threads();
        (exponential_words(keys) * size_of::<u32>()).min(most) as u64
    }
}
