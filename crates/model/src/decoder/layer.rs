//! One layer of the transformer, in the order of the paper's appendix C: project, attend, keep,
//! finish.
//!
//! Attention needs every query of the layer at once; everything else runs in chunks of rows, so
//! that no `[tokens, intermediate]` tensor exists.

use super::progress::PassProgress;
use crate::decoder::config::ModelConfig;
use crate::decoder::weights::LayerWeights;
use crate::device::operations::{
    Attention, AttentionView, Device, KeepRequest, Norm, Projected, RowRange, RowRangeMut,
};
use crate::error::Result;
use crate::session::kv_cache::KvCompression;
use minference_attention::{LayerPlan, LayerReport};
use std::ops::Range;

/// A layer of a model on a device.
pub(crate) struct Layer<'a, D: Device> {
    /// Its number, from 0.
    pub(crate) number: usize,
    pub(crate) config: &'a ModelConfig,
    pub(crate) weights: &'a LayerWeights<D::Matrix, D::Vector>,
}

/// Rows of queries, keys and values before they have their places.
pub(crate) struct ProjectionRows<D: Device> {
    normed: D::Rows,
    pub(crate) query: D::Rows,
    pub(crate) key: D::Rows,
    pub(crate) value: D::Rows,
}

/// Rows of what attention gave, and of the MLP.
pub(crate) struct FinishRows<D: Device> {
    /// `[rows, heads * head_dim]`
    pub(crate) heads: D::Rows,
    normed: D::Rows,
    gate: D::Rows,
    up: D::Rows,
}

impl<D: Device> ProjectionRows<D> {
    /// Room for `rows` rows.
    pub(crate) fn new(device: &D, config: &ModelConfig, rows: usize) -> Result<Self> {
        let (heads, kv_heads) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        Ok(Self {
            normed: device.rows("a chunk of rows", rows, config.hidden)?,
            query: device.rows("a chunk of queries", rows, heads)?,
            key: device.rows("a chunk of keys", rows, kv_heads)?,
            value: device.rows("a chunk of values", rows, kv_heads)?,
        })
    }
}

impl<D: Device> FinishRows<D> {
    /// Room for `rows` rows.
    pub(crate) fn new(device: &D, config: &ModelConfig, rows: usize) -> Result<Self> {
        Ok(Self {
            heads: device.rows("a chunk of attention's output", rows, config.heads * config.head_dim)?,
            normed: device.rows("a chunk of rows", rows, config.hidden)?,
            gate: device.rows("a chunk of the MLP", rows, config.intermediate)?,
            up: device.rows("a chunk of the MLP", rows, config.intermediate)?,
        })
    }
}

impl<D: Device> Layer<'_, D> {
    /// Projects `tokens` rows of the residual stream: keys and values of all of them into the
    /// cache, queries of those from `first` on.
    pub(crate) fn project(
        &self,
        device: &mut D,
        (residual, tokens): (&D::Rows, usize),
        first: usize,
        rotations: &D::Rotations,
        cache: &mut D::LayerCache,
        progress: &mut PassProgress,
    ) -> Result<D::Heads> {
        let step = device.rows_at_once();
        let mut chunk = ProjectionRows::new(device, self.config, tokens.min(step))?;
        let mut queries = device.queries(cache, tokens - first, [self.config.heads, self.config.head_dim])?;
        for start in (0..tokens).step_by(step) {
            let range = start..tokens.min(start + step);
            let rows = range.len();
            // The queries of this chunk: all, the last ones, or none.
            let skipped = first.clamp(start, range.end) - start;
            self.project_rows(device, residual, range, skipped, &mut chunk);
            let ProjectionRows { query, key, value, .. } = &mut chunk;
            self.turn_queries(device, (query, 0..rows - skipped), rotations, start + skipped);
            self.turn_keys(device, (key, 0..rows), rotations, start);
            device.collect(&mut queries, RowRange { rows: query, range: 0..rows - skipped });
            device.append(
                cache,
                RowRange { rows: key, range: 0..rows },
                RowRange { rows: value, range: 0..rows },
            );
            device.checkpoint()?;
            progress.advance(rows)?;
        }
        Ok(queries)
    }

    /// Norms some rows of the residual stream and multiplies them: keys and values of all, queries
    /// of those behind the first `skipped`.
    pub(crate) fn project_rows(
        &self,
        device: &mut D,
        residual: &D::Rows,
        range: Range<usize>,
        skipped: usize,
        ProjectionRows { normed, query, key, value }: &mut ProjectionRows<D>,
    ) {
        let (weights, rows) = (self.weights, range.len());
        device.norm(RowRange { rows: residual, range }, self.norm(&weights.attention_norm), normed);
        let mut products = [
            Projected { projection: &weights.query, out: query },
            Projected { projection: &weights.key, out: key },
            Projected { projection: &weights.value, out: value },
        ];
        if skipped == 0 {
            // Products that share all of their inputs are made together.
            return device.project(RowRange { rows: normed, range: 0..rows }, &mut products);
        }
        let (only_query, keys_and_values) = products.split_at_mut(1);
        device.project(RowRange { rows: normed, range: 0..rows }, keys_and_values);
        device.project(RowRange { rows: normed, range: skipped..rows }, only_query);
    }

    /// Norms and rotates queries, the first of which has position `first` of the rotations.
    pub(crate) fn turn_queries(
        &self,
        device: &mut D,
        (rows, range): (&mut D::Rows, Range<usize>),
        rotations: &D::Rotations,
        first: usize,
    ) {
        let norm = self.weights.query_norm.as_ref().map(|norm| self.norm(norm));
        device.finish_heads(RowRangeMut { rows, range }, norm, rotations, first, self.config.head_dim);
    }

    /// The same for keys.
    pub(crate) fn turn_keys(
        &self,
        device: &mut D,
        (rows, range): (&mut D::Rows, Range<usize>),
        rotations: &D::Rotations,
        first: usize,
    ) {
        let norm = self.weights.key_norm.as_ref().map(|norm| self.norm(norm));
        device.finish_heads(RowRangeMut { rows, range }, norm, rotations, first, self.config.head_dim);
    }

    /// What the heads give for the queries from `first` on.
    pub(crate) fn attend(
        &self,
        device: &mut D,
        queries: &D::Heads,
        first: usize,
        cache: &D::LayerCache,
        plan: LayerPlan<'_>,
        progress: &mut PassProgress,
    ) -> Result<(D::Heads, LayerReport)> {
        let attention = Attention { queries, first, cache, view: self.view() };
        let attended = device.attend(attention, plan, progress.of_attention())?;
        progress.advance_attention()?;
        Ok(attended)
    }

    /// Drops what need not stay of keys and values, now that the queries have attended to them.
    ///
    /// - `room`: for so many more tokens
    pub(crate) fn keep(
        &self,
        device: &mut D,
        cache: &mut D::LayerCache,
        queries: &D::Heads,
        compression: &KvCompression,
        room: usize,
    ) -> Result<()> {
        let (layer, layers) = (self.number, self.config.layers.len());
        device.keep(cache, queries, &KeepRequest { compression, layer, layers, view: self.view(), room })
    }

    /// Adds what the heads gave, and then the MLP, to the rows of the residual stream from `first`
    /// on, of `tokens`.
    pub(crate) fn finish(
        &self,
        device: &mut D,
        attended: &D::Heads,
        first: usize,
        (residual, tokens): (&mut D::Rows, usize),
        progress: &mut PassProgress,
    ) -> Result<()> {
        let step = device.rows_at_once();
        let mut chunk = FinishRows::new(device, self.config, (tokens - first).min(step))?;
        for start in (first..tokens).step_by(step) {
            let range = start..tokens.min(start + step);
            device.clear(&mut chunk.heads);
            device.read(attended, start - first..range.end - first, &mut chunk.heads);
            self.finish_rows(device, residual, range.clone(), &mut chunk);
            device.checkpoint()?;
            progress.advance(range.len())?;
        }
        progress.advance(first)
    }

    /// Adds what the heads gave for some rows, and then the MLP.
    pub(crate) fn finish_rows(
        &self,
        device: &mut D,
        residual: &mut D::Rows,
        range: Range<usize>,
        FinishRows { heads, normed, gate, up }: &mut FinishRows<D>,
    ) {
        let (weights, rows) = (self.weights, range.len());
        let norm = weights.post_attention_norm.as_ref().map(|norm| self.norm(norm));
        let into = RowRangeMut { rows: &mut *residual, range: range.clone() };
        device.add(into, heads, &weights.output, norm, normed);

        let all = RowRange { rows: &*residual, range: range.clone() };
        device.norm(all, self.norm(&weights.mlp_norm), normed);
        let mut products = [
            Projected { projection: &weights.gate, out: gate },
            Projected { projection: &weights.up, out: up },
        ];
        device.project(RowRange { rows: normed, range: 0..rows }, &mut products);
        device.gate(self.config.activation, gate, up);
        let norm = weights.post_mlp_norm.as_ref().map(|norm| self.norm(norm));
        device.add(RowRangeMut { rows: residual, range }, gate, &weights.down, norm, normed);
    }

    /// How attention sees the layer's keys.
    pub(crate) fn view(&self) -> AttentionView {
        let window = self.config.layers[self.number].window;
        AttentionView { scale: self.config.attention_scale, window }
    }

    fn norm<'v>(&self, weight: &'v D::Vector) -> Norm<'v, D> {
        Norm { weight, epsilon: self.config.norm_epsilon }
    }
}
