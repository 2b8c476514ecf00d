//! How much memory a benchmark of one layer takes, checked before its inputs are made.

use super::inputs::InputSizes;
use anyhow::{Context, Result};
use minference_attention::{CallShape, CpuBackend, Geometry, HeadPattern};
use minference_model::CacheFormat;
use minference_model::memory::{FIXED, MemoryForecast};

const F32: u64 = size_of::<f32>() as u64;

/// Refuses inputs of [`Inputs::planted`](super::inputs::Inputs::planted) or
/// [`Inputs::noise`](super::inputs::Inputs::noise) that don't fit into memory with what attends to
/// them.
///
/// - `patterns`: run one after the other, each for all heads
pub(super) fn check_attention(
    sizes: &InputSizes,
    backend: &CpuBackend,
    patterns: &[HeadPattern],
) -> Result<()> {
    attention(sizes, backend, patterns)?.check().with_context(|| too_much(sizes))
}

/// Refuses a cache that does not fit into memory while it is made, beside the words that are read
/// for comparison.
pub(super) fn check_cache(sizes: &InputSizes, backend: &CpuBackend, cache: CacheFormat) -> Result<()> {
    decoding(sizes, backend, cache).check().with_context(|| too_much(sizes))
}

fn too_much(sizes: &InputSizes) -> String {
    format!(
        "{} tokens don't fit into memory; fewer --tokens, fewer heads or a smaller --dtype need less",
        sizes.tokens
    )
}

/// Elements of queries, and of keys and values together.
fn elements(sizes: &InputSizes) -> [u64; 2] {
    let rows = |tokens: usize, heads: usize| {
        (tokens as u64).saturating_mul(heads as u64).saturating_mul(sizes.head_dim as u64)
    };
    [rows(sizes.queries, sizes.heads), rows(sizes.tokens, 2 * sizes.kv_heads)]
}

fn call(sizes: &InputSizes) -> CallShape {
    let InputSizes { tokens, queries, heads, kv_heads, head_dim, element_type } = *sizes;
    CallShape { queries, keys: tokens, heads, kv_heads, head_dim, element_type }
}

fn attention(sizes: &InputSizes, backend: &CpuBackend, patterns: &[HeadPattern]) -> Result<MemoryForecast> {
    let [queries, keys] = elements(sizes);
    let inputs = (queries + keys).saturating_mul(sizes.element_type.bytes() as u64);
    let geometry = Geometry::chunk(sizes.queries, sizes.tokens, None)?;
    let shape = call(sizes);
    let of_pattern = |pattern: &HeadPattern| {
        let index = pattern.index_bytes(geometry);
        let estimate = match pattern {
            HeadPattern::VerticalSlash { .. } => backend.line_estimate_bytes(sizes.tokens),
            HeadPattern::BlockSparse { .. } => backend.block_estimate_bytes(&shape).saturating_add(2 * index),
            _ => 0,
        };
        // the plan is made again for the oracle
        index.saturating_mul(sizes.heads as u64).saturating_add(backend.attend_bytes(&shape).max(estimate))
    };
    let working = patterns.iter().map(of_pattern).max().unwrap_or(0);
    let output = queries.saturating_mul(F32);
    // inputs are made in `f32`, with a head's own beside them, and rounded one after the other
    let head = 6 * (sizes.tokens as u64).saturating_mul(sizes.head_dim as u64).saturating_mul(F32);
    let made = (queries + keys).saturating_mul(F32).saturating_add(head.max(inputs));
    let beside = made.saturating_sub(inputs).max(output.saturating_add(working));
    Ok(MemoryForecast {
        weights: 0,
        cache: inputs,
        activations: output,
        working: FIXED + beside.saturating_sub(output),
    })
}

fn decoding(sizes: &InputSizes, backend: &CpuBackend, cache: CacheFormat) -> MemoryForecast {
    let [_, keys] = elements(sizes);
    let rows = cache.bytes(sizes.tokens, [sizes.kv_heads, sizes.head_dim]) as u64;
    // one tensor in `f32` while both are rounded to elements, and these while they are coded
    let made =
        (keys / 2).saturating_mul(F32).saturating_add(keys.saturating_mul(sizes.element_type.bytes() as u64));
    let working = made.max(rows).saturating_add(backend.attend_bytes(&call(sizes)));
    MemoryForecast { weights: 0, cache: rows, activations: 0, working: FIXED.saturating_add(working) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_attention::ElementType;

    fn sizes(tokens: usize, queries: usize) -> InputSizes {
        InputSizes { tokens, queries, heads: 4, kv_heads: 2, head_dim: 64, element_type: ElementType::F16 }
    }

    #[test]
    fn what_fits_nowhere_is_refused_before_it_is_made() {
        let backend = CpuBackend::builder().threads(1).build().unwrap();
        let patterns = [HeadPattern::Dense, HeadPattern::BlockSparse { top_k: 100 }];
        check_attention(&sizes(4096, 4096), &backend, &patterns).unwrap();
        check_cache(&sizes(4096, 1), &backend, CacheFormat::Int4).unwrap();
        if minference_model::memory::available().is_some_and(|available| available < 1 << 39) {
            let error = check_attention(&sizes(1 << 29, 1 << 29), &backend, &patterns).unwrap_err();
            assert!(format!("{error:#}").contains("fewer --tokens"), "{error:#}");
            check_cache(&sizes(1 << 30, 1), &backend, CacheFormat::F16).unwrap_err();
        }
    }

    #[test]
    fn inputs_are_there_twice_while_they_are_made() {
        let backend = CpuBackend::builder().threads(1).build().unwrap();
        let forecast = attention(&sizes(100_000, 100_000), &backend, &[HeadPattern::Dense]).unwrap();
        let elements = 100_000 * (4 + 4) * 64;
        assert_eq!(forecast.cache, 2 * elements);
        assert_eq!(forecast.activations, 4 * 100_000 * 4 * 64);
        assert!(forecast.total() >= FIXED + 4 * elements + 6 * 4 * 100_000 * 64);
    }
}
