//! One layer of the transformer, in the order of the paper's appendix C: project, attend, keep,
//! finish.
//!
//! Attention needs every query of the layer at once; everything else runs in chunks of rows, so
//! that no `[tokens, intermediate]` tensor exists.

use super::progress::PassProgress;
use crate::decoder::config::ModelConfig;
use crate::decoder::weights::LayerWeights;
use crate::device::operations::{
    Attention, AttentionView, Device, KeepRequest, Norm, Part, PartMut, Projected,
};
use crate::error::Result;
use crate::session::kv_cache::KvCompression;
use minference_attention::{LayerPlan, LayerReport};

/// A layer of a model on a device.
pub(crate) struct Layer<'a, D: Device> {
    /// Its number, from 0.
    pub(crate) number: usize,
    pub(crate) config: &'a ModelConfig,
    pub(crate) weights: &'a LayerWeights<D::Matrix, D::Vector>,
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
        let (weights, config) = (self.weights, self.config);
        let (head_dim, step) = (config.head_dim, device.rows_at_once());
        let most = tokens.min(step);
        let mut normed = device.rows("a chunk of rows", most, config.hidden)?;
        let mut query = device.rows("a chunk of queries", most, config.heads * head_dim)?;
        let mut key = device.rows("a chunk of keys", most, config.kv_heads * head_dim)?;
        let mut value = device.rows("a chunk of values", most, config.kv_heads * head_dim)?;
        let mut queries = device.queries(cache, tokens - first, [config.heads, head_dim])?;
        for start in (0..tokens).step_by(step) {
            let end = tokens.min(start + step);
            let rows = end - start;
            // The queries of this chunk: all, the last ones, or none.
            let skipped = first.clamp(start, end) - start;
            device.norm(
                Part { rows: residual, range: start..end },
                self.norm(&weights.attention_norm),
                &mut normed,
            );
            let mut products = [
                Projected { projection: &weights.query, out: &mut query },
                Projected { projection: &weights.key, out: &mut key },
                Projected { projection: &weights.value, out: &mut value },
            ];
            // Products that share all of their inputs are made together.
            let (only_query, keys_and_values) = products.split_at_mut(1);
            if skipped == 0 {
                device.project(Part { rows: &normed, range: 0..rows }, &mut products);
            } else {
                device.project(Part { rows: &normed, range: 0..rows }, keys_and_values);
                device.project(Part { rows: &normed, range: skipped..rows }, only_query);
            }
            let (query_norm, key_norm) = (weights.query_norm.as_ref(), weights.key_norm.as_ref());
            let first_query = start + skipped;
            device.finish_heads(
                &mut query,
                query_norm.map(|norm| self.norm(norm)),
                rotations,
                first_query,
                head_dim,
            );
            device.finish_heads(&mut key, key_norm.map(|norm| self.norm(norm)), rotations, start, head_dim);
            device.collect(&mut queries, Part { rows: &query, range: 0..rows - skipped });
            device.append(cache, Part { rows: &key, range: 0..rows }, Part { rows: &value, range: 0..rows });
            device.checkpoint()?;
            progress.advance(rows)?;
        }
        Ok(queries)
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
        let (weights, config) = (self.weights, self.config);
        let step = device.rows_at_once();
        let most = (tokens - first).min(step);
        let mut heads = device.rows("a chunk of attention's output", most, config.heads * config.head_dim)?;
        let mut normed = device.rows("a chunk of rows", most, config.hidden)?;
        let mut gate = device.rows("a chunk of the MLP", most, config.intermediate)?;
        let mut up = device.rows("a chunk of the MLP", most, config.intermediate)?;
        for start in (first..tokens).step_by(step) {
            let end = tokens.min(start + step);
            device.clear(&mut heads);
            device.read(attended, start - first..end - first, &mut heads);
            let norm = weights.post_attention_norm.as_ref().map(|norm| self.norm(norm));
            let into = PartMut { rows: &mut *residual, range: start..end };
            device.add(into, &heads, &weights.output, norm, &mut normed);

            let rows = Part { rows: &*residual, range: start..end };
            device.norm(rows, self.norm(&weights.mlp_norm), &mut normed);
            let mut products = [
                Projected { projection: &weights.gate, out: &mut gate },
                Projected { projection: &weights.up, out: &mut up },
            ];
            device.project(Part { rows: &normed, range: 0..end - start }, &mut products);
            device.gate(config.activation, &mut gate, &up);
            let norm = weights.post_mlp_norm.as_ref().map(|norm| self.norm(norm));
            let into = PartMut { rows: &mut *residual, range: start..end };
            device.add(into, &gate, &weights.down, norm, &mut normed);
            device.checkpoint()?;
            progress.advance(end - start)?;
        }
        progress.advance(first)
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
