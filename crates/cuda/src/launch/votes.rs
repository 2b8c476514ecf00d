//! Votes of the last queries: `votes_statistics_*`, `votes_join`, `votes_sums_*`.

use super::arguments::{PagedKeys, Tensor};
use super::module::Grid;
use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::votes::LineVotes;
use std::mem::{offset_of, size_of};

/// What a launch works on; checked by the caller.
pub(crate) struct VotesCall<'a> {
    pub(crate) inputs: &'a LayerInputs<'a>,
    pub(crate) votes: usize,
    pub(crate) result: &'a mut LineVotes,
}

/// `VotesArguments` of `kernels/index_interface.h`, the same bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct VotesArguments {
    q: Tensor,
    k: Tensor,
    paged: PagedKeys,
    heads: u64,
    statistics: u64,
    joined: u64,
    columns: u64,
    diagonals: u64,
    score_stride: i64,
    slots: i32,
    group: i32,
    head_dim: i32,
    queries: i32,
    keys: i32,
    votes: i32,
    window: i32,
    chunk_tiles: i32,
    chunks: i32,
    scale_log2: f32,
    softcap: f32,
    reserved: i32,
}

const _: () = {
    assert!(size_of::<VotesArguments>() == 168 && size_of::<PagedKeys>() == 24);
    assert!(offset_of!(VotesArguments, heads) == 72);
    assert!(offset_of!(VotesArguments, score_stride) == 112);
    assert!(offset_of!(VotesArguments, scale_log2) == 156);
};

const THREADS: u32 = 128;
const JOIN_THREADS: u32 = 1024;
/// Keys of a tile, and the voting queries that the kernels have room for.
const TILE: usize = 64;
/// Probabilities of a tile, with rows that are padded against bank conflicts.
const PROBABILITY_BYTES: usize = TILE * 72 * 4;

/// How the keys are divided: by their number alone, since the order of sums follows from it.
pub(crate) struct VoteChunks {
    /// Tiles of 64 keys in a chunk.
    tiles: usize,
    pub(crate) count: usize,
}

pub(crate) fn vote_chunks(keys: usize) -> VoteChunks {
    let tiles = if keys <= 65_536 { 8 } else { 32 };
    VoteChunks { tiles, count: keys.div_ceil(tiles * TILE) }
}

/// Enqueues the votes of some heads.
///
/// # Errors
/// A head_dim without a kernel; not enough memory for sums; what the driver refuses.
pub(crate) fn votes(device: &CudaDevice, call: &mut VotesCall<'_>) -> Result<()> {
    let VotesCall { inputs, votes, result } = call;
    let (head_dim, geometry, slots) = (inputs.q.head_dim(), inputs.geometry, result.heads.len());
    // Instances, and stages of keys in shared memory.
    let (instance, stages) = match head_dim {
        ..=64 => (64, 4),
        65..=128 => (128, 3),
        129..=256 => (256, 2),
        _ => return Err(Error::HeadDim { expected: "at most 256", found: head_dim }),
    };
    let kernel = |step: &str| {
        let name = format!("votes_{step}_{}_{instance}", inputs.q.element_type().name());
        device.kernels().function(&name)
    };
    let (statistics, sums) = (kernel("statistics")?, kernel("sums")?);
    let join = device.kernels().function("votes_join")?;

    let chunks = vote_chunks(geometry.keys());
    let arguments = VotesArguments {
        q: Tensor::from(&inputs.q.placement),
        k: Tensor::from(&inputs.k.placement),
        paged: PagedKeys::new(&inputs.k),
        heads: result.heads.pointer(),
        statistics: result.parts.pointer(),
        joined: result.joined.pointer(),
        columns: result.columns.pointer(),
        diagonals: result.diagonals.pointer(),
        score_stride: result.stride as i64,
        slots: slots as i32,
        group: inputs.group_size() as i32,
        head_dim: head_dim as i32,
        queries: geometry.queries() as i32,
        keys: geometry.keys() as i32,
        votes: *votes as i32,
        window: geometry.window().map_or(i32::MAX, |window| window as i32),
        chunk_tiles: chunks.tiles as i32,
        chunks: chunks.count as i32,
        scale_log2: inputs.scale * std::f32::consts::LOG2_E,
        softcap: inputs.softcap,
        reserved: 0,
    };
    let tiles_bytes = stages * TILE * instance * 2;
    let grid = |shared_bytes: usize| Grid {
        blocks: [slots as u32, chunks.count as u32, 1],
        threads: THREADS,
        shared_bytes: shared_bytes as u32,
    };
    let join_grid = Grid { blocks: [slots as u32, 1, 1], threads: JOIN_THREADS, shared_bytes: 0 };
    // SAFETY: all three kernels take these arguments; the tensors are borrowed views of memory on
    // the device, checked to have the sizes that the geometry says, and so have the buffers. All
    // are freed or reused in the order of the stream, after these launches.
    unsafe {
        statistics.launch(device.stream(), grid(tiles_bytes), &arguments)?;
        join.launch(device.stream(), join_grid, &arguments)?;
        sums.launch(device.stream(), grid(tiles_bytes + PROBABILITY_BYTES), &arguments)
    }
}
