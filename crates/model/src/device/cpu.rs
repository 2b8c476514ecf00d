//! [`Cpu`]: the operations of a decoder layer on the CPU. Rows are slices of `f32`; work on them is
//! shared by the threads of the current pool.

use super::kernels::Kernels;
use super::matrix::{Matrix, Product, ProductScratch, Store, multiply, multiply_apart};
use super::operations::{
    Attention, AttentionView, Device, KeepRequest, Norm, Projected, RowRange, RowRangeMut,
};
use crate::decoder::config::Activation;
use crate::decoder::rope::{Rotation, RotationTable};
use crate::decoder::weights::Projection;
use crate::device::compute::{Compute, MatmulArithmetic};
use crate::error::Result;
use crate::session::kv_cache::LayerCache;
use crate::session::kv_cache::compression::LayerState;
use crate::session::token_rows::PlainRows;
use minference_attention::{AttentionInputs, LayerPlan, LayerReport, Progress, attend_layer};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows that projections and the MLP take at once: enough to hide the widening of weights, few
/// enough for the buffers.
pub(crate) const CHUNK: usize = 1024;
/// Rows from which threads share work on rows; a decoding step is not worth their wake-up.
const PARALLEL_ROWS: usize = 16;

/// The CPU at work on one pass.
pub(crate) struct Cpu {
    compute: Compute,
    scratch: ProductScratch,
    rows: RowsAre,
}

/// What the rows of a pass are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowsAre {
    /// Tokens of one prompt.
    OnePrompt,
    /// Tokens of several sessions, which must not depend on each other's company.
    SeveralSessions,
}

/// Rows of `width` elements.
#[derive(Debug)]
pub(crate) struct CpuRows {
    data: Vec<f32>,
    width: usize,
}

impl CpuRows {
    fn count(&self) -> usize {
        self.data.len() / self.width
    }

    fn slice(&self, rows: &Range<usize>) -> &[f32] {
        &self.data[rows.start * self.width..rows.end * self.width]
    }

    /// As many rows, whatever they hold.
    fn resize(&mut self, rows: usize) -> &mut [f32] {
        self.data.resize(rows * self.width, 0.0);
        &mut self.data
    }
}

impl Cpu {
    /// With a model's threads and kernels.
    pub(crate) fn new(compute: &Compute) -> Self {
        Self { compute: compute.clone(), scratch: ProductScratch::default(), rows: RowsAre::OnePrompt }
    }

    /// The same, for a token of each of several sessions: every row's results are to the bit what
    /// they would be without the others.
    pub(crate) fn for_several_sessions(compute: &Compute) -> Self {
        Self { rows: RowsAre::SeveralSessions, ..Self::new(compute) }
    }

    fn multiply(&mut self, matmul: MatmulArithmetic, inputs: &[f32], products: &mut [Product<'_>]) {
        let (kernels, scratch) = (self.compute.kernels(), &mut self.scratch);
        match self.rows {
            RowsAre::OnePrompt => multiply(kernels, matmul, inputs, products, scratch),
            RowsAre::SeveralSessions => multiply_apart(kernels, inputs, products, scratch),
        }
    }

    fn kernels(&self) -> &Kernels {
        self.compute.kernels()
    }

    /// What the attention core sees of the queries from `first` on.
    pub(crate) fn inputs<'a>(
        queries: &'a PlainRows,
        first: usize,
        cache: &'a LayerCache,
        view: AttentionView,
    ) -> Result<AttentionInputs<'a>> {
        let (keys, values) = (cache.keys.view()?, cache.values.view()?);
        let inputs = AttentionInputs::new(queries.view()?.tokens_from(first)?, keys, values)?;
        Ok(inputs.with_scale(view.scale)?.with_sliding_window(view.window)?)
    }
}

impl Device for Cpu {
    type Matrix = Matrix;
    type Vector = Vec<f32>;
    type Rows = CpuRows;
    type Heads = PlainRows;
    type LayerCache = LayerCache;
    type Rotations = RotationTable;
    type Mark = Instant;

    fn rows_at_once(&self) -> usize {
        CHUNK
    }

    fn rows(&self, what: &'static str, rows: usize, width: usize) -> Result<CpuRows> {
        Ok(CpuRows { data: reserved(what, rows, width)?, width })
    }

    fn queries(&self, cache: &LayerCache, tokens: usize, shape: [usize; 2]) -> Result<PlainRows> {
        PlainRows::with_capacity("queries", tokens, shape, cache.keys.view()?.element_type())
    }

    fn rotations(&self, rotation: &Rotation, positions: Range<usize>) -> RotationTable {
        rotation.table(positions)
    }

    fn embed(&mut self, table: &Matrix, ids: &[u32], scale: f32) -> Result<CpuRows> {
        let width = table.columns();
        let mut rows = self.rows("the residual stream", ids.len(), width)?;
        rows.resize(ids.len()).par_chunks_mut(width).zip(ids).for_each(|(row, &id)| {
            table.widen_row(self.kernels(), id as usize, row);
            if scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= scale);
            }
        });
        Ok(rows)
    }

    fn norm(&mut self, x: RowRange<'_, Self>, norm: Norm<'_, Self>, out: &mut CpuRows) {
        let (width, rows) = (x.rows.width, x.rows.slice(&x.range));
        let kernels = self.kernels();
        for_rows(out.resize(x.range.len()), width, |i, out| {
            kernels.rms_norm(&rows[i * width..(i + 1) * width], norm.weight, norm.epsilon, out);
        });
    }

    fn project(&mut self, x: RowRange<'_, Self>, products: &mut [Projected<'_, Self>]) {
        let count = x.range.len();
        let mut products: Vec<Product<'_>> = products
            .iter_mut()
            .map(|Projected { projection, out }| with_bias(projection, out.resize(count)))
            .collect();
        if count > 0 {
            self.multiply(self.compute.matmul(), x.rows.slice(&x.range), &mut products);
        }
    }

    fn finish_heads(
        &mut self,
        x: RowRangeMut<'_, Self>,
        norm: Option<Norm<'_, Self>>,
        rotations: &RotationTable,
        first: usize,
        head_dim: usize,
    ) {
        let kernels = self.kernels();
        let width = x.rows.width;
        for_rows(&mut x.rows.data[x.range.start * width..x.range.end * width], width, |i, row| {
            for head in row.chunks_exact_mut(head_dim) {
                if let Some(norm) = &norm {
                    kernels.rms_norm_in_place(head, norm.weight, norm.epsilon);
                }
                rotations.apply(kernels, first + i, head);
            }
        });
    }

    fn collect(&mut self, queries: &mut PlainRows, rows: RowRange<'_, Self>) {
        queries.append(rows.rows.slice(&rows.range));
    }

    fn append(&mut self, cache: &mut LayerCache, keys: RowRange<'_, Self>, values: RowRange<'_, Self>) {
        cache.keys.append(keys.rows.slice(&keys.range));
        cache.values.append(values.rows.slice(&values.range));
    }

    fn cached(&self, cache: &LayerCache) -> usize {
        cache.rows()
    }

    fn attend(
        &mut self,
        attention: Attention<'_, Self>,
        plan: LayerPlan<'_>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<(PlainRows, LayerReport)> {
        let Attention { queries, first, cache, view } = attention;
        let inputs = Self::inputs(queries, first, cache, view)?;
        let (shape, count) = ([inputs.heads(), inputs.head_dim()], inputs.q().tokens());
        let element_type = inputs.k().element_type();
        let mut output = PlainRows::with_capacity("attention's output", count, shape, element_type)?;
        output.fill_with_zeros(count);
        let backend = self.compute.cpu();
        let report = match progress {
            // One query is done before anyone looks.
            Some(progress) if count > 1 => {
                attend_layer(&backend.with_progress(progress), &inputs, plan, &mut output.view_mut()?)
            }
            _ => attend_layer(backend, &inputs, plan, &mut output.view_mut()?),
        }?;
        Ok((output, report))
    }

    fn keep(&mut self, cache: &mut LayerCache, queries: &PlainRows, request: &KeepRequest<'_>) -> Result<()> {
        let inputs = Self::inputs(queries, 0, cache, request.view)?;
        let layer = LayerState {
            layer: request.layer,
            layers: request.layers,
            window: request.view.window,
            dropped: cache.dropped,
        };
        let kept = request.compression.keep(self.compute.cpu(), &inputs, layer)?;
        cache.keep(&kept, request.room)
    }

    fn read(&mut self, attended: &PlainRows, tokens: Range<usize>, out: &mut CpuRows) {
        let (before, width, count) = (out.data.len(), out.width, tokens.len());
        out.data.resize(before + count * width, 0.0);
        attended.widen(tokens, &mut out.data[before..]);
    }

    fn gate(&mut self, activation: Activation, gate: &mut CpuRows, up: &CpuRows) {
        let (kernels, width) = (self.kernels(), gate.width);
        for_rows(&mut gate.data, width, |i, gate| {
            kernels.gate(activation, gate, &up.data[i * width..(i + 1) * width]);
        });
    }

    fn add(
        &mut self,
        into: RowRangeMut<'_, Self>,
        x: &CpuRows,
        projection: &Projection<Matrix, Vec<f32>>,
        norm: Option<Norm<'_, Self>>,
        normed: &mut CpuRows,
    ) {
        let RowRangeMut { rows, range } = into;
        let width = rows.width;
        let into = &mut rows.data[range.start * width..range.end * width];
        let Some(norm) = norm else {
            if let Some(bias) = &projection.bias {
                for_rows(into, width, |_, row| row.iter_mut().zip(bias).for_each(|(x, b)| *x += b));
            }
            let product = Product { matrix: &projection.matrix, out: into, store: Store::Add };
            return self.multiply(self.compute.matmul(), &x.data, &mut [product]);
        };
        self.project(RowRange { rows: x, range: 0..x.count() }, &mut [Projected { projection, out: normed }]);
        let kernels = self.kernels();
        for_rows(&mut normed.data, width, |_, row| kernels.rms_norm_in_place(row, norm.weight, norm.epsilon));
        for_rows(into, width, |i, row| {
            let added = &normed.data[i * width..(i + 1) * width];
            row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
        });
    }

    fn logits(&mut self, x: RowRange<'_, Self>, norm: Norm<'_, Self>, output: &Matrix) -> Result<Vec<f32>> {
        let count = x.range.len();
        let mut normed = self.rows("rows for logits", count, x.rows.width)?;
        self.norm(x, norm, &mut normed);
        let mut logits = reserved("logits", count, output.rows())?;
        logits.resize(count * output.rows(), 0.0);
        let product = Product { matrix: output, out: &mut logits, store: Store::Overwrite };
        self.multiply(MatmulArithmetic::F32, &normed.data, &mut [product]);
        Ok(logits)
    }

    fn clear(&self, rows: &mut CpuRows) {
        rows.data.clear();
    }

    fn mark(&self) -> Instant {
        Instant::now()
    }

    fn between(&self, start: &Instant, end: &Instant) -> Duration {
        end.saturating_duration_since(*start)
    }
}

/// A product whose bias, if there is one, already stands in the output.
fn with_bias<'a>(projection: &'a Projection<Matrix, Vec<f32>>, out: &'a mut [f32]) -> Product<'a> {
    let store = match &projection.bias {
        Some(bias) => {
            out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
            Store::Add
        }
        None => Store::Overwrite,
    };
    Product { matrix: &projection.matrix, out, store }
}

/// Nothing yet, with room for `rows` rows, or an error where there is no memory.
pub(crate) fn reserved(what: &'static str, rows: usize, width: usize) -> Result<Vec<f32>> {
    let elements = rows.saturating_mul(width);
    let mut data = Vec::new();
    data.try_reserve_exact(elements).map_err(|_| {
        let bytes = elements.saturating_mul(size_of::<f32>());
        minference_attention::Error::OutOfMemory { what, bytes }
    })?;
    Ok(data)
}

/// Does something with each row of `width` elements, in parallel where there are enough.
fn for_rows(data: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if data.len() < PARALLEL_ROWS * width {
        data.chunks_exact_mut(width).enumerate().for_each(|(i, row)| work(i, row));
    } else {
        data.par_chunks_exact_mut(width).with_min_len(4).enumerate().for_each(|(i, row)| work(i, row));
    }
}

#[cfg(test)]
impl super::battery::Readable for Cpu {
    fn matrix(&self, matrix: &Matrix) -> Matrix {
        matrix.clone()
    }

    fn vector(&self, vector: &[f32]) -> Vec<f32> {
        vector.to_vec()
    }

    fn write_rows(&self, rows: &[f32], width: usize) -> CpuRows {
        CpuRows { data: rows.to_vec(), width }
    }

    fn read_rows(rows: &CpuRows) -> Vec<f64> {
        rows.data.iter().map(|&x| f64::from(x)).collect()
    }

    fn read_heads(heads: &PlainRows) -> Vec<f64> {
        let [tokens, count, head_dim] = heads.view().unwrap().shape();
        let mut data = vec![0.0f32; tokens * count * head_dim];
        heads.widen(0..tokens, &mut data);
        data.into_iter().map(f64::from).collect()
    }

    fn cache(&self, config: &crate::ModelConfig, capacity: usize) -> LayerCache {
        LayerCache::new(config, capacity, crate::CacheFormat::F32).unwrap()
    }

    fn read_cache(cache: &LayerCache) -> [Vec<f64>; 2] {
        [&cache.keys, &cache.values].map(|rows| {
            let [tokens, heads, head_dim] = rows.view().unwrap().shape();
            let mut data = vec![0.0f32; tokens * heads * head_dim];
            rows.widen(0..tokens, &mut data);
            data.into_iter().map(f64::from).collect()
        })
    }
}
