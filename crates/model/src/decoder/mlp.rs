//! What follows a layer's attention: its output projection and the gated MLP, both added to the
//! residual stream.

use super::attention::product;
use super::{CHUNK, Pass, buffer, for_rows};
use crate::decoder::weights::Projection;
use crate::device::matrix::{Product, Store};
use crate::error::Result;
use crate::session::token_rows::PlainRows;
use std::time::Instant;

impl Pass<'_> {
    /// Adds the attention's result and the MLP's to the rows of the residual stream, `[tokens,
    /// hidden]`, from `first` on. `attended` is `[tokens - first, heads, head_dim]`.
    pub(super) fn add_attention_and_mlp(
        &mut self,
        layer: usize,
        attended: &PlainRows,
        first: usize,
        residual: &mut [f32],
    ) -> Result<()> {
        let began = Instant::now();
        let decoder = self.decoder;
        let (config, weights) = (&decoder.config, &decoder.weights.layers[layer]);
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        let attended_len = config.heads * config.head_dim;
        let residual = &mut residual[first * hidden..];
        let most = attended.tokens().min(CHUNK);
        let mut heads = buffer("a chunk of attention's output", most, attended_len)?;
        let mut normed = buffer("a chunk of rows", most, hidden)?;
        let mut gate = buffer("a chunk of the MLP", most, intermediate)?;
        let mut up = buffer("a chunk of the MLP", most, intermediate)?;
        for (chunk, residual) in residual.chunks_mut(CHUNK * hidden).enumerate() {
            let rows = residual.len() / hidden;
            let heads = &mut heads[..rows * attended_len];
            attended.widen(chunk * CHUNK..chunk * CHUNK + rows, heads);
            let normed = &mut normed[..rows * hidden];
            self.add_projected(
                &weights.output,
                heads,
                weights.post_attention_norm.as_deref(),
                residual,
                normed,
            );

            self.norm_rows(residual, &weights.mlp_norm, normed);
            let (gate, up) = (&mut gate[..rows * intermediate], &mut up[..rows * intermediate]);
            let kernels = self.compute.kernels();
            let mut products = [product(&weights.gate, gate), product(&weights.up, up)];
            self.multiply(normed, &mut products);
            for_rows(gate, intermediate, |i, gate| {
                kernels.gate(config.activation, gate, &up[i * intermediate..(i + 1) * intermediate]);
            });
            self.add_projected(&weights.down, gate, weights.post_mlp_norm.as_deref(), residual, normed);
            self.advance(rows)?;
        }
        self.report.times.mlp += began.elapsed();
        self.advance(first)
    }

    /// Adds a projection of rows to the residual stream, normed first where the model has a norm
    /// there. `room` is as large as `residual`.
    fn add_projected(
        &mut self,
        projection: &Projection,
        rows: &[f32],
        norm: Option<&[f32]>,
        residual: &mut [f32],
        room: &mut [f32],
    ) {
        let kernels = self.compute.kernels();
        let Some(norm) = norm else {
            if let Some(bias) = &projection.bias {
                for_rows(residual, bias.len(), |_, row| row.iter_mut().zip(bias).for_each(|(x, b)| *x += b));
            }
            let product = Product { matrix: &projection.matrix, out: residual, store: Store::Add };
            return self.multiply(rows, &mut [product]);
        };
        self.multiply(rows, &mut [product(projection, room)]);
        let epsilon = self.decoder.config.norm_epsilon;
        for_rows(room, norm.len(), |_, row| kernels.rms_norm_in_place(row, norm, epsilon));
        let room = &*room;
        for_rows(residual, norm.len(), |i, row| {
            let added = &room[i * norm.len()..(i + 1) * norm.len()];
            row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
        });
    }
}
