//! The online estimates of tensors of the host: one head's queries and keys go up.

use super::survey::{Survey, common_type};
use super::transfer::upload;
use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::kernels::padded_head_dim;
use crate::memory::Buffer;
use crate::view::{DeviceType, DeviceView};
use minference_attention::backend::{BlockScoreVisitor, LineScores};
use minference_attention::index::BLOCK;
use minference_attention::{AttentionInputs, Geometry};
use rayon::prelude::*;

/// Scores that are downloaded at once.
const SLAB_BYTES: usize = 64 << 20;

/// The last queries of one head and all of its keys, on the device.
struct StagedHead {
    element_type: DeviceType,
    q: Buffer<u16>,
    k: Buffer<u16>,
    padded: usize,
    scale: f32,
    geometry: Geometry,
}

impl StagedHead {
    fn new(device: &CudaDevice, inputs: &AttentionInputs<'_>, head: usize, queries: usize) -> Result<Self> {
        check_head(inputs, head)?;
        let padded = padded_head_dim(inputs.head_dim())?;
        let (all, kv_head) = (inputs.geometry(), head / inputs.group_size());
        let geometry = Geometry::chunk(queries, all.keys(), all.window())?;
        let last = all.queries() - queries..all.queries();
        let surveys = [
            Survey::of("q", inputs.q(), last, head..head + 1)?,
            Survey::of("k", inputs.k(), 0..all.keys(), kv_head..kv_head + 1)?,
        ];
        let element_type = common_type(&surveys);
        let power = surveys.iter().map(|survey| survey.power_for(element_type)).sum();
        Ok(Self {
            element_type,
            q: upload(device, "queries", &surveys[0], element_type, padded)?,
            k: upload(device, "keys", &surveys[1], element_type, padded)?,
            padded,
            scale: super::scale(inputs, power),
            geometry,
        })
    }

    fn inputs(&self) -> Result<LayerInputs<'_>> {
        let view = |data, tokens| DeviceView::from_words(data, self.element_type, [tokens, 1, self.padded]);
        let k = view(&self.k, self.geometry.keys())?;
        // Values take no part in estimates.
        let inputs = LayerInputs::new(view(&self.q, self.geometry.queries())?, k, k)?;
        Ok(inputs.with_scale(self.scale)?.with_geometry(self.geometry))
    }
}

pub(super) fn last_query_scores(
    device: &CudaDevice,
    inputs: &AttentionInputs<'_>,
    head: usize,
    last_queries: usize,
) -> Result<LineScores> {
    let (queries, keys) = (inputs.geometry().queries(), inputs.geometry().keys());
    let votes = last_queries.min(queries).min(BLOCK);
    if votes == 0 {
        return Ok(LineScores { columns: vec![0.0; keys], diagonals: vec![0.0; keys] });
    }
    let staged = StagedHead::new(device, inputs, head, votes)?;
    let (columns, diagonals) = device.line_votes(&staged.inputs()?, &[0], votes)?.download(0)?;
    Ok(LineScores { columns, diagonals })
}

pub(super) fn pooled_block_scores(
    device: &CudaDevice,
    inputs: &AttentionInputs<'_>,
    head: usize,
    visitor: BlockScoreVisitor<'_>,
) -> Result<()> {
    let geometry = inputs.geometry();
    let staged = StagedHead::new(device, inputs, head, geometry.queries())?;
    let of_device = staged.inputs()?;
    let means = device.block_means(&of_device, &[0])?;
    let blocks = geometry.query_blocks();
    let rows_at_once = (SLAB_BYTES / 4 / geometry.key_blocks()).clamp(1, blocks);
    for first in (0..blocks).step_by(rows_at_once) {
        let rows = first..(first + rows_at_once).min(blocks);
        let slab = device.block_scores(&of_device, &means, rows.clone())?;
        let scores = slab.download(0)?;
        rows.into_par_iter().zip(scores.par_chunks(slab.stride())).for_each(|(block, scores)| {
            let own = (geometry.block_queries(block).end - 1) / BLOCK;
            visitor(block, &scores[..own + 1]);
        });
    }
    Ok(())
}

fn check_head(inputs: &AttentionInputs<'_>, head: usize) -> Result<()> {
    match head < inputs.heads() {
        true => Ok(()),
        false => Err(Error::Shape {
            what: "head",
            expected: format!("one of the {} query heads, counted from 0", inputs.heads()),
            found: head.to_string(),
        }),
    }
}
