//! Scores of blocks: `pooled_means_*`, `pooled_scores_*`.

use super::arguments::{PagedKeys, Tensor};
use super::module::Grid;
use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::pooled::{BlockMeans, BlockScores};
use std::mem::{offset_of, size_of};
use std::ops::Range;

/// What a launch of scores works on; checked by the caller.
pub(crate) struct ScoresCall<'a> {
    pub(crate) inputs: &'a LayerInputs<'a>,
    pub(crate) means: &'a BlockMeans,
    pub(crate) result: &'a mut BlockScores,
}

/// `PooledArguments` of `kernels/index_interface.h`, the same bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct PooledArguments {
    q: Tensor,
    k: Tensor,
    paged: PagedKeys,
    heads: u64,
    pooled_queries: u64,
    pooled_keys: u64,
    scores: u64,
    score_stride: i64,
    slots: i32,
    group: i32,
    kv_heads: i32,
    head_dim: i32,
    queries: i32,
    keys: i32,
    first_row: i32,
    rows: i32,
    scale: f32,
    reserved: i32,
}

const _: () = {
    assert!(size_of::<PooledArguments>() == 152);
    assert!(offset_of!(PooledArguments, heads) == 72);
    assert!(offset_of!(PooledArguments, score_stride) == 104);
    assert!(offset_of!(PooledArguments, scale) == 144);
};

const MEAN_THREADS: usize = 256;
const SCORE_THREADS: u32 = 128;
/// Query blocks and key blocks of a tile of products, and tiles of one block of threads.
const TILE: usize = 64;
const TILES_AT_ONCE: usize = 16;

/// Where scores of a slab go.
struct Slab {
    scores: u64,
    stride: usize,
    rows: Range<usize>,
}

fn arguments(inputs: &LayerInputs<'_>, means: &BlockMeans, slab: &Slab) -> PooledArguments {
    let geometry = inputs.geometry;
    PooledArguments {
        q: Tensor::from(&inputs.q.placement),
        k: Tensor::from(&inputs.k.placement),
        paged: PagedKeys::new(&inputs.k),
        heads: means.heads.pointer(),
        pooled_queries: means.queries.pointer(),
        pooled_keys: means.keys.pointer(),
        scores: slab.scores,
        score_stride: slab.stride as i64,
        slots: means.heads.len() as i32,
        group: inputs.group_size() as i32,
        kv_heads: inputs.k.heads() as i32,
        head_dim: inputs.q.head_dim() as i32,
        queries: geometry.queries() as i32,
        keys: geometry.keys() as i32,
        first_row: slab.rows.start as i32,
        rows: slab.rows.len() as i32,
        scale: inputs.scale,
        reserved: 0,
    }
}

/// The instance of a head_dim.
fn instance(head_dim: usize) -> Result<usize> {
    match head_dim {
        ..=64 => Ok(64),
        65..=128 => Ok(128),
        129..=256 => Ok(256),
        _ => Err(Error::HeadDim { expected: "at most 256", found: head_dim }),
    }
}

/// Enqueues the means of all blocks.
///
/// # Errors
/// A head_dim without a kernel; what the driver refuses.
pub(crate) fn block_means(
    device: &CudaDevice,
    inputs: &LayerInputs<'_>,
    means: &mut BlockMeans,
) -> Result<()> {
    instance(inputs.q.head_dim())?;
    let name = format!("pooled_means_{}", inputs.q.element_type().name());
    let function = device.kernels().function(&name)?;
    let at_once = MEAN_THREADS / (inputs.q.head_dim() / 8);
    let blocks = inputs.geometry.query_blocks().max(inputs.geometry.key_blocks());
    let grid = Grid {
        blocks: [blocks.div_ceil(at_once) as u32, (means.heads.len() + inputs.k.heads()) as u32, 1],
        threads: MEAN_THREADS as u32,
        shared_bytes: 0,
    };
    let arguments = arguments(inputs, means, &Slab { scores: 0, stride: 0, rows: 0..0 });
    // SAFETY: the kernel takes these arguments; the tensors are borrowed views of memory on the
    // device, checked to have the sizes that the geometry says, and so have the buffers of means.
    // Scores are not touched. All are freed or reused in the order of the stream, after this
    // launch.
    unsafe { function.launch(device.stream(), grid, &arguments) }
}

/// Enqueues the scores of a slab.
///
/// # Errors
/// A head_dim without a kernel; what the driver refuses.
pub(crate) fn block_scores(device: &CudaDevice, call: &mut ScoresCall<'_>) -> Result<()> {
    let ScoresCall { inputs, means, result } = call;
    let instance = instance(inputs.q.head_dim())?;
    let function = device.kernels().function(&format!("pooled_scores_{instance}"))?;
    let groups = inputs.geometry.key_blocks().div_ceil(TILE * TILES_AT_ONCE);
    let grid = Grid {
        blocks: [result.rows.len().div_ceil(TILE) as u32, means.heads.len() as u32, groups as u32],
        threads: SCORE_THREADS,
        shared_bytes: (6 * TILE * instance * 2) as u32,
    };
    let (scores, stride, rows) = (result.scores.pointer(), result.stride, result.rows.clone());
    let arguments = arguments(inputs, means, &Slab { scores, stride, rows });
    // SAFETY: as above; the buffer of scores has the slots, rows and stride that are told.
    unsafe { function.launch(device.stream(), grid, &arguments) }
}
