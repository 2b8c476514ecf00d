//! A layer's attention: from the residual stream to queries, keys and values, and to the heads'
//! output, sparse.

use super::{CHUNK, Pass, buffer, for_rows};
use crate::decoder::progress::Part;
use crate::decoder::rope::RotationTable;
use crate::decoder::weights::{LayerWeights, Projection};
use crate::device::matrix::{Product, Store};
use crate::error::Result;
use crate::session::kv_cache::compression::LayerState;
use crate::session::kv_cache::{KvCompression, LayerCache};
use crate::session::token_rows::{PlainRows, TokenRows};
use minference_attention::{AttentionInputs, LayerPlan, LayerReport, attend_layer};
use std::time::Instant;

impl Pass<'_> {
    /// What a layer's attention sees of the queries from `first` on.
    pub(super) fn inputs<'b>(
        &self,
        layer: usize,
        cache: &'b LayerCache,
        queries: &'b TokenRows,
        first: usize,
    ) -> Result<AttentionInputs<'b>> {
        let config = &self.decoder.config;
        let (keys, values) = (cache.keys.view()?, cache.values.view()?);
        let inputs = AttentionInputs::new(queries.view()?.tokens_from(first)?, keys, values)?;
        Ok(inputs.with_scale(config.attention_scale)?.with_sliding_window(config.layers[layer].window)?)
    }

    /// The heads' output for the queries from `first` on, `[queries, heads, head_dim]`, with what
    /// the plan says for each head.
    pub(super) fn attend(
        &mut self,
        layer: usize,
        cache: &LayerCache,
        queries: &TokenRows,
        first: usize,
        plan: LayerPlan<'_>,
    ) -> Result<(PlainRows, LayerReport)> {
        let start = Instant::now();
        let inputs = self.inputs(layer, cache, queries, first)?;
        let (shape, count) = ([inputs.heads(), inputs.head_dim()], inputs.q().tokens());
        let element_type = inputs.k().element_type();
        let mut output = PlainRows::with_capacity("attention's output", count, shape, element_type)?;
        output.fill_with_zeros(count);
        let backend = self.compute.backend();
        let units = self.tokens as u64;
        let report = match &self.progress {
            // One query is done before anyone looks.
            Some(progress) if count > 1 => {
                let part = Part::of(progress.clone(), self.done, units, self.total);
                attend_layer(&backend.with_progress(part), &inputs, plan, &mut output.view_mut()?)
            }
            _ => attend_layer(backend, &inputs, plan, &mut output.view_mut()?),
        }?;
        let index = report.index_time();
        self.report.times.index += index;
        self.report.times.attention += start.elapsed().saturating_sub(index);
        self.advance(self.tokens)?;
        Ok((output, report))
    }

    /// Drops what need not stay of the layer's keys and values, now that the queries have attended
    /// to them.
    ///
    /// - `room`: for how many more tokens
    pub(super) fn compress(
        &mut self,
        layer: usize,
        cache: &mut LayerCache,
        queries: &TokenRows,
        compression: &KvCompression,
        room: usize,
    ) -> Result<()> {
        let start = Instant::now();
        let config = &self.decoder.config;
        let inputs = self.inputs(layer, cache, queries, 0)?;
        let layer = LayerState {
            layer,
            layers: config.layers.len(),
            window: config.layers[layer].window,
            dropped: cache.dropped,
        };
        let kept = compression.keep(self.compute.backend(), &inputs, layer)?;
        cache.keep(&kept, room)?;
        self.report.times.compression += start.elapsed();
        Ok(())
    }

    /// Projects the residual stream, `[tokens, hidden]`, in chunks: keys and values of all tokens
    /// into the cache, queries of those from `first` on.
    pub(super) fn project(
        &mut self,
        layer: usize,
        cache: &mut LayerCache,
        residual: &[f32],
        first: usize,
    ) -> Result<TokenRows> {
        let began = Instant::now();
        let decoder = self.decoder;
        let (config, weights) = (&decoder.config, &decoder.weights.layers[layer]);
        let (hidden, head_dim) = (config.hidden, config.head_dim);
        let (query_len, key_len) = (config.heads * head_dim, config.kv_heads * head_dim);
        let tokens = residual.len() / hidden;
        let most = tokens.min(CHUNK);
        let mut normed = buffer("a chunk of rows", most, hidden)?;
        let mut query = buffer("a chunk of queries", most, query_len)?;
        let mut key = buffer("a chunk of keys", most, key_len)?;
        let mut value = buffer("a chunk of values", most, key_len)?;
        let element_type = cache.keys.view()?.element_type();
        let shape = [config.heads, head_dim];
        let mut queries = TokenRows::with_capacity("queries", tokens - first, shape, element_type)?;
        for start in (0..tokens).step_by(CHUNK) {
            let end = tokens.min(start + CHUNK);
            let rows = end - start;
            // Queries of this chunk: all, the last ones, or none.
            let skipped = first.clamp(start, end) - start;
            let normed = &mut normed[..rows * hidden];
            self.norm_rows(&residual[start * hidden..end * hidden], &weights.attention_norm, normed);
            let query = &mut query[..(rows - skipped) * query_len];
            let (key, value) = (&mut key[..rows * key_len], &mut value[..rows * key_len]);
            self.project_rows(weights, normed, skipped, [query, key, value]);
            let table = &self.tables[config.layers[layer].rope];
            self.finish_heads(query, config.heads, weights.query_norm.as_deref(), table, start + skipped);
            self.finish_heads(key, config.kv_heads, weights.key_norm.as_deref(), table, start);
            queries.append(query);
            cache.keys.append(key);
            cache.values.append(value);
            self.advance(rows)?;
        }
        self.report.times.projections += began.elapsed();
        Ok(queries)
    }

    /// Queries (of the rows after the `skipped` first), keys and values of normed rows.
    fn project_rows(
        &mut self,
        weights: &LayerWeights,
        normed: &[f32],
        skipped: usize,
        [query, key, value]: [&mut [f32]; 3],
    ) {
        let [query, key, value] = [(&weights.query, query), (&weights.key, key), (&weights.value, value)]
            .map(|(projection, out)| product(projection, out));
        if skipped == 0 {
            return self.multiply(normed, &mut [query, key, value]);
        }
        self.multiply(normed, &mut [key, value]);
        let normed = &normed[skipped * self.decoder.config.hidden..];
        if !normed.is_empty() {
            self.multiply(normed, &mut [query]);
        }
    }

    /// Norms and rotates the heads of `[rows, heads, head_dim]`, whose first row stands at
    /// `position` of the table.
    fn finish_heads(
        &self,
        rows: &mut [f32],
        heads: usize,
        norm: Option<&[f32]>,
        table: &RotationTable,
        position: usize,
    ) {
        let (config, kernels) = (&self.decoder.config, self.compute.kernels());
        for_rows(rows, heads * config.head_dim, |i, row| {
            for head in row.chunks_exact_mut(config.head_dim) {
                if let Some(norm) = norm {
                    kernels.rms_norm_in_place(head, norm, config.norm_epsilon);
                }
                table.apply(kernels, position + i, head);
            }
        });
    }
}

/// A product whose bias, if there is one, already stands in the output.
pub(super) fn product<'a>(projection: &'a Projection, out: &'a mut [f32]) -> Product<'a> {
    let store = match &projection.bias {
        Some(bias) => {
            out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
            Store::Add
        }
        None => Store::Overwrite,
    };
    Product { matrix: &projection.matrix, out, store }
}
