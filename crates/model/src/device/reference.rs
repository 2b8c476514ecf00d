//! [`Reference`]: the operations of a decoder layer in `f64`, short and obvious, on one thread.
//! What every other device is held against; the golden models run through it, too.
//!
//! Which keys a head attends to is the attention core's business, which has an oracle of its own:
//! here its portable kernels make indices and votes, and attention under them is in `f64`.

use super::battery::Readable;
use super::matrix::Matrix;
use super::operations::{
    Attention, AttentionView, Device, KeepRequest, Norm, Projected, RowRange, RowRangeMut,
};
use crate::decoder::config::{Activation, ModelConfig};
use crate::decoder::rope::{PairLayout, Rotation};
use crate::decoder::weights::{LayerWeights, ModelWeights, Projection};
use crate::device::compute::{Compute, ComputeOptions};
use crate::error::Result;
use crate::session::kv_cache::compression::{KeptKeys, LayerState};
use minference_attention::index::BLOCK;
use minference_attention::layer::{LayerReport, attend_layer};
use minference_attention::plan::plan_layer;
use minference_attention::{
    AttentionInputs, CpuBackend, InstructionSet, KeyLayout, LayerPlan, Progress, TensorView, TensorViewMut,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The device.
pub(crate) struct Reference {
    /// For indices and votes.
    backend: CpuBackend,
    /// Widens stored weights.
    compute: Compute,
}

/// `[rows][width]`
#[derive(Debug, Clone, Default)]
pub(crate) struct RowsF64 {
    rows: Vec<Vec<f64>>,
    width: usize,
}

/// `[tokens][heads * head_dim]`
#[derive(Debug, Clone)]
pub(crate) struct HeadsF64 {
    tokens: Vec<Vec<f64>>,
    shape: [usize; 2],
}

/// Keys and values, `[rows][kv_heads * head_dim]`.
#[derive(Debug, Clone)]
pub(crate) struct CacheF64 {
    keys: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
    shape: [usize; 2],
    dropped: usize,
}

/// Cosines and sines of each position, `[positions][pairs]`.
pub(crate) struct Angles {
    positions: Vec<Vec<(f64, f64)>>,
    layout: PairLayout,
}

fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&x| f64::from(x)).collect()
}

fn rms_norm(row: &[f64], norm: &Norm<'_, Reference>) -> Vec<f64> {
    let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
    let scale = 1.0 / (mean + f64::from(norm.epsilon)).sqrt();
    row.iter().zip(norm.weight).map(|(x, w)| x * scale * w).collect()
}

/// `matrix * row + bias`.
fn product(projection: &Projection<Vec<Vec<f64>>, Vec<f64>>, row: &[f64]) -> Vec<f64> {
    let products = projection.matrix.iter().map(|w| w.iter().zip(row).map(|(w, x)| w * x).sum::<f64>());
    match &projection.bias {
        Some(bias) => products.zip(bias).map(|(y, b)| y + b).collect(),
        None => products.collect(),
    }
}

impl Reference {
    pub(crate) fn new() -> Self {
        let portable = Some(InstructionSet::Portable);
        let options = ComputeOptions { instruction_set: portable, threads: Some(1), ..Default::default() };
        let compute = Compute::new(options).unwrap();
        Self { backend: compute.cpu().clone(), compute }
    }

    /// A model's weights in `f64`.
    pub(crate) fn weights(&self, weights: &ModelWeights) -> ModelWeights<Vec<Vec<f64>>, Vec<f64>> {
        let matrix = |matrix: &Matrix| self.matrix(matrix);
        let vector = |vector: &Option<Vec<f32>>| vector.as_deref().map(widened);
        let projection = |projection: &Projection| Projection {
            matrix: matrix(&projection.matrix),
            bias: vector(&projection.bias),
        };
        let layer = |layer: &LayerWeights| LayerWeights {
            attention_norm: widened(&layer.attention_norm),
            query: projection(&layer.query),
            key: projection(&layer.key),
            value: projection(&layer.value),
            query_norm: vector(&layer.query_norm),
            key_norm: vector(&layer.key_norm),
            output: projection(&layer.output),
            post_attention_norm: vector(&layer.post_attention_norm),
            mlp_norm: widened(&layer.mlp_norm),
            gate: projection(&layer.gate),
            up: projection(&layer.up),
            down: projection(&layer.down),
            post_mlp_norm: vector(&layer.post_mlp_norm),
        };
        ModelWeights {
            embedding: matrix(&weights.embedding),
            layers: weights.layers.iter().map(layer).collect(),
            final_norm: widened(&weights.final_norm),
            output: matrix(&weights.output),
        }
    }

    /// Empty caches for all layers.
    pub(crate) fn caches(config: &ModelConfig) -> Vec<CacheF64> {
        let shape = [config.kv_heads, config.head_dim];
        vec![CacheF64 { keys: vec![], values: vec![], shape, dropped: 0 }; config.layers.len()]
    }

    /// The same numbers in `f32`, as the attention core wants them.
    fn with_inputs<T>(
        queries: &HeadsF64,
        first: usize,
        cache: &CacheF64,
        view: AttentionView,
        work: impl FnOnce(&AttentionInputs<'_>) -> Result<T>,
    ) -> Result<T> {
        let flat = |rows: &[Vec<f64>]| -> Vec<f32> { rows.iter().flatten().map(|&x| x as f32).collect() };
        let (q, k, v) = (flat(&queries.tokens[first..]), flat(&cache.keys), flat(&cache.values));
        let [heads, head_dim] = queries.shape;
        let keys = [cache.keys.len(), cache.shape[0], head_dim];
        let inputs = AttentionInputs::new(
            TensorView::new(&q, [queries.tokens.len() - first, heads, head_dim])?,
            TensorView::new(&k, keys)?,
            TensorView::new(&v, keys)?,
        )?;
        work(&inputs.with_scale(view.scale)?.with_sliding_window(view.window)?)
    }
}

impl Device for Reference {
    type Matrix = Vec<Vec<f64>>;
    type Vector = Vec<f64>;
    type Rows = RowsF64;
    type Heads = HeadsF64;
    type LayerCache = CacheF64;
    type Rotations = Angles;
    type Mark = Instant;

    fn rows_at_once(&self) -> usize {
        // fewer than the other devices take, so that the borders lie elsewhere
        7
    }

    fn rows(&self, _: &'static str, _: usize, width: usize) -> Result<RowsF64> {
        Ok(RowsF64 { rows: Vec::new(), width })
    }

    fn queries(&self, _: &CacheF64, _: usize, shape: [usize; 2]) -> Result<HeadsF64> {
        Ok(HeadsF64 { tokens: Vec::new(), shape })
    }

    fn rotations(&self, rotation: &Rotation, positions: Range<usize>) -> Angles {
        // The angle in f32, as models were trained.
        let angle = |position: usize, frequency: f32| f64::from(position as f32 * frequency);
        let factor = f64::from(rotation.attention_factor);
        let turn = |position| {
            let angles = rotation.frequencies.iter().map(|&frequency| angle(position, frequency));
            angles.map(|angle| (factor * angle.cos(), factor * angle.sin())).collect()
        };
        Angles { positions: positions.map(turn).collect(), layout: rotation.layout }
    }

    fn embed(&mut self, table: &Vec<Vec<f64>>, ids: &[u32], scale: f32) -> Result<RowsF64> {
        let row = |id: &u32| table[*id as usize].iter().map(|x| x * f64::from(scale)).collect();
        Ok(RowsF64 { rows: ids.iter().map(row).collect(), width: table[0].len() })
    }

    fn norm(&mut self, x: RowRange<'_, Self>, norm: Norm<'_, Self>, out: &mut RowsF64) {
        out.rows = x.rows.rows[x.range].iter().map(|row| rms_norm(row, &norm)).collect();
    }

    fn project(&mut self, x: RowRange<'_, Self>, products: &mut [Projected<'_, Self>]) {
        for Projected { projection, out } in products {
            out.rows = x.rows.rows[x.range.clone()].iter().map(|row| product(projection, row)).collect();
        }
    }

    fn finish_heads(
        &mut self,
        x: RowRangeMut<'_, Self>,
        norm: Option<Norm<'_, Self>>,
        rotations: &Angles,
        first: usize,
        head_dim: usize,
    ) {
        for (row, angles) in x.rows.rows[x.range].iter_mut().zip(&rotations.positions[first..]) {
            for head in row.chunks_exact_mut(head_dim) {
                if let Some(norm) = &norm {
                    head.copy_from_slice(&rms_norm(head, norm));
                }
                for (i, (cos, sin)) in angles.iter().enumerate() {
                    let (a, b) = match rotations.layout {
                        PairLayout::Halves => (i, i + angles.len()),
                        PairLayout::Neighbours => (2 * i, 2 * i + 1),
                    };
                    (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[b] * cos + head[a] * sin);
                }
            }
        }
    }

    fn collect(&mut self, queries: &mut HeadsF64, rows: RowRange<'_, Self>) {
        queries.tokens.extend_from_slice(&rows.rows.rows[rows.range]);
    }

    fn append(&mut self, cache: &mut CacheF64, keys: RowRange<'_, Self>, values: RowRange<'_, Self>) {
        cache.keys.extend_from_slice(&keys.rows.rows[keys.range]);
        cache.values.extend_from_slice(&values.rows.rows[values.range]);
    }

    fn cached(&self, cache: &CacheF64) -> usize {
        cache.keys.len()
    }

    fn attend(
        &mut self,
        attention: Attention<'_, Self>,
        plan: LayerPlan<'_>,
        _: Option<Arc<dyn Progress>>,
    ) -> Result<(HeadsF64, LayerReport)> {
        let Attention { queries, first, cache, view } = attention;
        let (planned, report) = Self::with_inputs(queries, first, cache, view, |inputs| {
            let planned = plan_layer(&self.backend, inputs, plan.clone())?;
            let mut output = vec![0.0f32; inputs.q().shape().iter().product()];
            let mut output = TensorViewMut::new(&mut output, inputs.q().shape())?;
            Ok((planned, attend_layer(&self.backend, inputs, plan, &mut output)?))
        })?;
        let ([heads, head_dim], offset) = (queries.shape, cache.keys.len() - queries.tokens.len());
        let group = heads / cache.shape[0];
        let attend = |token: usize| -> Vec<f64> {
            let (i, query) = (offset + token, &queries.tokens[token]);
            let head = |head: usize| {
                let layout: KeyLayout = planned[head].lowering.layout((token - first) / BLOCK);
                let own = head * head_dim..(head + 1) * head_dim;
                let of_key = head / group * head_dim..(head / group + 1) * head_dim;
                let keys: Vec<usize> = (0..=i).filter(|&j| layout.contains(i, j)).collect();
                let score = |j: &usize| {
                    let key = &cache.keys[*j][of_key.clone()];
                    let product: f64 = query[own.clone()].iter().zip(key).map(|(q, k)| q * k).sum();
                    product * f64::from(view.scale)
                };
                let scores: Vec<f64> = keys.iter().map(score).collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                let mut output = vec![0.0; head_dim];
                for (j, score) in keys.iter().zip(&scores) {
                    let p = (score - most).exp() / sum;
                    output.iter_mut().zip(&cache.values[*j][of_key.clone()]).for_each(|(o, v)| *o += p * v);
                }
                output
            };
            (0..heads).flat_map(head).collect()
        };
        let tokens = (first..queries.tokens.len()).map(attend).collect();
        Ok((HeadsF64 { tokens, shape: queries.shape }, report))
    }

    fn keep(&mut self, cache: &mut CacheF64, queries: &HeadsF64, request: &KeepRequest<'_>) -> Result<()> {
        let KeepRequest { layer, layers, view, .. } = *request;
        let state = LayerState { layer, layers, window: view.window, dropped: cache.dropped };
        let kept = Self::with_inputs(queries, 0, cache, view, |inputs| {
            request.compression.keep(&self.backend, inputs, state)
        })?;
        let KeptKeys::Chosen(kept) = kept else { return Ok(()) };
        let head_dim = cache.shape[1];
        let choose = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let row = |i: usize| {
                let heads = kept.iter().enumerate();
                let part = |(head, keys): (usize, &Vec<u32>)| {
                    rows[keys[i] as usize][head * head_dim..(head + 1) * head_dim].to_vec()
                };
                heads.flat_map(part).collect()
            };
            (0..kept[0].len()).map(row).collect()
        };
        let before = cache.keys.len();
        (cache.keys, cache.values) = (choose(&cache.keys), choose(&cache.values));
        cache.dropped += before - cache.keys.len();
        Ok(())
    }

    fn read(&mut self, attended: &HeadsF64, tokens: Range<usize>, out: &mut RowsF64) {
        out.rows.extend_from_slice(&attended.tokens[tokens]);
    }

    fn gate(&mut self, activation: Activation, gate: &mut RowsF64, up: &RowsF64) {
        let activate = |x: f64| match activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
        };
        for (gate, up) in gate.rows.iter_mut().flatten().zip(up.rows.iter().flatten()) {
            *gate = activate(*gate) * up;
        }
    }

    fn add(
        &mut self,
        into: RowRangeMut<'_, Self>,
        x: &RowsF64,
        projection: &Projection<Vec<Vec<f64>>, Vec<f64>>,
        norm: Option<Norm<'_, Self>>,
        _: &mut RowsF64,
    ) {
        for (row, x) in into.rows.rows[into.range].iter_mut().zip(&x.rows) {
            let projected = product(projection, x);
            let added = norm.as_ref().map_or_else(|| projected.clone(), |norm| rms_norm(&projected, norm));
            row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
        }
    }

    fn logits(
        &mut self,
        x: RowRange<'_, Self>,
        norm: Norm<'_, Self>,
        output: &Vec<Vec<f64>>,
    ) -> Result<Vec<f32>> {
        let row = |row: &Vec<f64>| {
            let normed = rms_norm(row, &norm);
            let logit = |w: &Vec<f64>| w.iter().zip(&normed).map(|(w, x)| w * x).sum::<f64>() as f32;
            output.iter().map(logit).collect::<Vec<f32>>()
        };
        Ok(x.rows.rows[x.range].iter().flat_map(row).collect())
    }

    fn clear(&self, rows: &mut RowsF64) {
        rows.rows.clear();
    }

    fn mark(&self) -> Instant {
        Instant::now()
    }

    fn between(&self, start: &Instant, end: &Instant) -> Duration {
        end.saturating_duration_since(*start)
    }
}

impl Readable for Reference {
    fn matrix(&self, matrix: &Matrix) -> Vec<Vec<f64>> {
        let mut row = vec![0.0; matrix.columns()];
        let mut widen = |i| {
            matrix.widen_row(self.compute.kernels(), i, &mut row);
            widened(&row)
        };
        (0..matrix.rows()).map(&mut widen).collect()
    }

    fn vector(&self, vector: &[f32]) -> Vec<f64> {
        widened(vector)
    }

    fn write_rows(&self, rows: &[f32], width: usize) -> RowsF64 {
        RowsF64 { rows: rows.chunks_exact(width).map(widened).collect(), width }
    }

    fn read_rows(rows: &RowsF64) -> Vec<f64> {
        assert!(rows.rows.iter().all(|row| row.len() == rows.width));
        rows.rows.concat()
    }

    fn read_heads(heads: &HeadsF64) -> Vec<f64> {
        heads.tokens.concat()
    }

    fn cache(&self, config: &ModelConfig, _: usize) -> CacheF64 {
        Self::caches(config).swap_remove(0)
    }

    fn read_cache(cache: &CacheF64) -> [Vec<f64>; 2] {
        [cache.keys.concat(), cache.values.concat()]
    }
}
