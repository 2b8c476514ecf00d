//! The online estimates, spread over threads.

use super::CpuBackend;
use super::block_scores::{BlockScoreWork, mean_of_rows};
use super::line_scores::{LineStatistics, LineWork, PARTITION, exponential_words};
use super::tile::CHUNK;
use crate::backend::{BlockScoreVisitor, LineScores};
use crate::error::Result;
use crate::index::BLOCK;
use crate::inputs::AttentionInputs;
use rayon::prelude::*;
use std::ops::Range;

/// Partitions of all keys, of fixed size.
fn partitions(keys: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let range = move |part: usize| part * PARTITION..((part + 1) * PARTITION).min(keys);
    (0..keys.div_ceil(PARTITION)).into_par_iter().map(range)
}

pub(super) fn last_query_scores(
    backend: &CpuBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
    last_queries: usize,
) -> Result<LineScores> {
    let kernels = backend.kernels(inputs);
    let keys = inputs.geometry().keys();
    let work =
        LineWork { inputs, head, last_queries: last_queries.min(inputs.geometry().queries()).min(BLOCK) };
    backend.pool.install(|| {
        let exponentials: Vec<_> = partitions(keys)
            .map(|range| {
                let values = backend.spare_buffers.take(exponential_words(range.len()))?;
                // SAFETY: the kernels belong to an instruction set that the machine has (checked
                // when the backend was built).
                unsafe { (kernels.exponentials)(&work, range, values) }
            })
            .collect::<Result<_>>()?;
        backend.check_cancelled()?;
        let mut total = LineStatistics::empty();
        exponentials.iter().for_each(|part| total.merge(&part.statistics));
        let parts: Vec<_> = exponentials
            .into_par_iter()
            // SAFETY: as above.
            .map(|part| unsafe { (kernels.float32.line_scores)(part, &total, work.last_queries) })
            .collect::<Result<_>>()?;
        let mut scores = LineScores { columns: Vec::with_capacity(keys), diagonals: vec![0.0; keys] };
        for part in parts {
            scores.columns.extend_from_slice(&part.columns);
            // Distances below zero are masked and hold nothing.
            let skip = (-part.first_distance).max(0) as usize;
            let first = part.first_distance.max(0) as usize;
            let target = scores.diagonals.iter_mut().skip(first);
            target.zip(part.diagonals.iter().skip(skip)).for_each(|(sum, x)| *sum += x);
            backend.spare_buffers.give(part.spare);
        }
        Ok(scores)
    })
}

pub(super) fn pooled_block_scores(
    backend: &CpuBackend,
    inputs: &AttentionInputs<'_>,
    head: usize,
    visitor: BlockScoreVisitor<'_>,
) -> Result<()> {
    let kernels = backend.kernels(inputs);
    let (geometry, head_dim) = (inputs.geometry(), inputs.head_dim());
    let kv_head = head / inputs.group_size();
    let mut pooled_queries = vec![0.0f32; geometry.query_blocks() * head_dim];
    let mut pooled_keys = vec![0.0f32; geometry.key_blocks().next_multiple_of(CHUNK) * head_dim];
    backend.pool.install(|| {
        pooled_queries.par_chunks_mut(head_dim).enumerate().for_each(|(block, out)| {
            let rows = block * BLOCK..((block + 1) * BLOCK).min(geometry.queries());
            mean_of_rows(inputs.q(), head, rows, out);
        });
        pooled_keys.par_chunks_mut(head_dim).take(geometry.key_blocks()).enumerate().for_each(
            |(block, out)| {
                let rows = block * BLOCK..((block + 1) * BLOCK).min(geometry.keys());
                mean_of_rows(inputs.k(), kv_head, rows, out);
            },
        );
        backend.check_cancelled()?;
        let work = BlockScoreWork {
            geometry,
            head_dim,
            scale: inputs.scale(),
            pooled_queries: &pooled_queries,
            pooled_keys: &pooled_keys,
            visitor,
        };
        // One task scores as many query blocks as there are lanes; the last ones have the most keys
        // and go first.
        let groups = geometry.query_blocks().div_ceil(BLOCK);
        (0..groups).into_par_iter().rev().with_max_len(1).try_for_each(|group| {
            let range = group * BLOCK..((group + 1) * BLOCK).min(geometry.query_blocks());
            // SAFETY: as above: the machine has the kernels' instruction set.
            unsafe { (kernels.float32.block_scores)(&work, range) }
        })
    })
}
