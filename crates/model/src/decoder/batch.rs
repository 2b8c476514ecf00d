//! [`decode_rows`]: one token of each of several sessions, through all layers together, so that
//! weights are read once for all of them.

use super::check::check_logits;
use super::layer::{FinishRows, ProjectionRows};
use super::pass::DeviceModel;
use super::progress::PassProgress;
use crate::decoder::rope::Rotation;
use crate::device::operations::{Device, Norm, RowRange};
use crate::error::Result;
use crate::patterns::plan::AttentionPlan;

/// A session's token.
pub(crate) struct BatchToken<'a, D: Device> {
    pub(crate) token: u32,
    /// Its place in the session.
    pub(crate) position: usize,
    /// Angles of each of the configuration's ropes.
    pub(crate) rotations: Vec<Rotation>,
    /// Keys and values of the tokens before it, one entry per layer.
    pub(crate) caches: &'a mut [D::LayerCache],
}

/// Reads the tokens, densely; gives their logits, `[tokens, vocabulary]`.
///
/// # Errors
/// As [`Decoder::forward`](super::Decoder::forward); caches may then have the token in some layers.
pub(crate) fn decode_rows<D: Device>(
    device: &mut D,
    model: &DeviceModel<'_, D>,
    batch: &mut [BatchToken<'_, D>],
) -> Result<Vec<f32>> {
    let (config, weights, count) = (model.config, model.weights, batch.len());
    let ids: Vec<u32> = batch.iter().map(|token| token.token).collect();
    let rotate = |token: &BatchToken<'_, D>| -> Vec<D::Rotations> {
        let positions = token.position..token.position + 1;
        token.rotations.iter().map(|rotation| device.rotations(rotation, positions.clone())).collect()
    };
    let rotations: Vec<Vec<D::Rotations>> = batch.iter().map(rotate).collect();
    let mut residual = device.embed(&weights.embedding, &ids, config.embedding_scale)?;
    let mut projected = ProjectionRows::new(device, config, count)?;
    let mut finished = FinishRows::new(device, config, count)?;
    let shape = [config.heads, config.head_dim];
    // A token is too short a step to report parts of.
    let mut progress = PassProgress::new(None, 1, config.layers.len());
    for number in 0..config.layers.len() {
        let (layer, rope) = (model.layer(number), config.layers[number].rope);
        layer.project_rows(device, &residual, 0..count, 0, &mut projected);
        device.clear(&mut finished.heads);
        for (i, token) in batch.iter_mut().enumerate() {
            let (cache, own) = (&mut token.caches[number], i..i + 1);
            let ProjectionRows { query, key, value, .. } = &mut projected;
            layer.turn_queries(device, (query, own.clone()), &rotations[i][rope], 0);
            layer.turn_keys(device, (key, own.clone()), &rotations[i][rope], 0);
            let mut queries = device.queries(cache, 1, shape)?;
            device.collect(&mut queries, RowRange { rows: query, range: own.clone() });
            device.append(
                cache,
                RowRange { rows: key, range: own.clone() },
                RowRange { rows: value, range: own },
            );
            let plan = AttentionPlan::Dense.layer(number, config.heads, device.cached(cache), 0)?;
            let (attended, _) = layer.attend(device, &queries, 0, cache, plan, &mut progress)?;
            device.read(&attended, 0..1, &mut finished.heads);
        }
        layer.finish_rows(device, &mut residual, 0..count, &mut finished);
        device.checkpoint()?;
    }
    let norm = Norm { weight: &weights.final_norm, epsilon: config.norm_epsilon };
    let logits = device.logits(RowRange { rows: &residual, range: 0..count }, norm, &weights.output)?;
    check_logits(&logits, config.vocabulary, 0)?;
    Ok(logits)
}
