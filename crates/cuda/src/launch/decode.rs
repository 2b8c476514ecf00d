//! Decoding: `decode_*` over pieces of the cache, then `decode_join_*`.

use super::arguments::{PageArguments, Tensor};
use super::module::Grid;
use crate::decode::DecodeInputs;
use crate::device::CudaDevice;
use crate::error::Result;
use crate::kernels::AttentionKernels;
use crate::memory::Buffer;
use crate::view::{DeviceType, DeviceViewMut};
use std::mem::{offset_of, size_of};

/// What a launch works on; checked by the caller.
pub(crate) struct DecodeCall<'a> {
    pub(crate) inputs: &'a DecodeInputs<'a>,
    pub(crate) output: &'a DeviceViewMut<'a>,
}

/// `DecodeArguments` of `kernels/decode/arguments.h`, the same bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct DecodeArguments {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    k_sequence_stride: i64,
    v_sequence_stride: i64,
    output: u64,
    output_sequence_stride: i64,
    output_head_stride: i64,
    workspace: u64,
    key_counts: u64,
    pages: u64,
    pages_of_sequence: i64,
    k_page_stride: i64,
    v_page_stride: i64,
    sinks: u64,
    page_tokens: i32,
    sequences: i32,
    heads: i32,
    group: i32,
    head_dim: i32,
    keys: i32,
    window: i32,
    pieces: i32,
    piece_keys: i32,
    scale_log2: f32,
    softcap: f32,
    output_f32: i32,
}

const _: () = {
    assert!(size_of::<DecodeArguments>() == 216);
    assert!(offset_of!(DecodeArguments, output) == 88);
    assert!(offset_of!(DecodeArguments, pages) == 128);
    assert!(offset_of!(DecodeArguments, page_tokens) == 168);
    assert!(offset_of!(DecodeArguments, scale_log2) == 204);
};

// The constants of kernels/decode/arguments.h.
const THREADS: u32 = 128;
const JOIN_THREADS: u32 = 256;
const JOIN_SHARED_BYTES: u32 = 4096 + 1024 + 64;
/// Query heads of one key-value head that a block serves.
const HEADS_OF_BLOCK: usize = 16;
const STEP_KEYS: usize = 64;
const WANTED_BLOCKS: usize = 1024;
const SMALLEST_PIECE: usize = 256;

/// How the cache is cut: by the shapes alone, so that results depend on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    pieces: usize,
    piece_keys: usize,
}

impl Plan {
    /// `visible` keys are cut among blocks for `lines` pairs of sequence and (part of a) key-value
    /// head.
    fn new(visible: usize, lines: usize) -> Self {
        // Pieces start at multiples of 16.
        let visible = visible + 15;
        let even = visible.div_ceil(WANTED_BLOCKS.div_ceil(lines));
        let piece_keys = even.next_multiple_of(STEP_KEYS).max(SMALLEST_PIECE);
        Self { pieces: visible.div_ceil(piece_keys), piece_keys }
    }
}

/// Enqueues one step of decoding.
///
/// # Errors
/// A head_dim without a kernel; not enough memory for partial sums; what the driver refuses.
pub(crate) fn decode(device: &CudaDevice, call: &DecodeCall<'_>) -> Result<()> {
    let inputs = call.inputs;
    let [sequences, heads, head_dim] = inputs.q.shape();
    AttentionKernels::Sm80.for_head_dim(head_dim)?;
    let element_type = inputs.q.element_type().name();
    let parts = device.kernels().function(&format!("decode_{element_type}_d{head_dim}"))?;
    let join = device.kernels().function(&format!("decode_join_{element_type}"))?;

    let lines = inputs.k.heads() * inputs.group_size().div_ceil(HEADS_OF_BLOCK);
    let window = inputs.window.unwrap_or(usize::MAX).min(i32::MAX as usize);
    let plan = Plan::new(inputs.capacity.min(window), sequences * lines);
    let words = sequences * heads * plan.pieces * (head_dim + 2);
    let workspace = Buffer::<f32>::new(device, "partial sums of decoding", words)?;
    let arguments = call.arguments(plan, window, workspace.pointer());
    let parts_grid = Grid {
        blocks: [lines as u32, plan.pieces as u32, sequences as u32],
        threads: THREADS,
        shared_bytes: shared_bytes(head_dim),
    };
    let join_grid = Grid {
        blocks: [heads as u32, sequences as u32, 1],
        threads: JOIN_THREADS,
        shared_bytes: JOIN_SHARED_BYTES,
    };
    // SAFETY: both kernels take these arguments; the tensors are borrowed views of memory on the
    // device, checked to have the sizes that the shapes say. They and the workspace are freed or
    // reused in the order of the stream, after both launches.
    unsafe {
        parts.launch(device.stream(), parts_grid, &arguments)?;
        join.launch(device.stream(), join_grid, &arguments)
    }
}

/// Four warps, each with a ring of stages of 16 keys and 16 values.
fn shared_bytes(head_dim: usize) -> u32 {
    let stages = match head_dim {
        ..=96 => 4,
        97..=128 => 3,
        _ => 2,
    };
    let row_bytes = 2 * head_dim + if head_dim.is_multiple_of(64) { 0 } else { 16 };
    (4 * stages * 2 * 16 * row_bytes) as u32
}

impl DecodeCall<'_> {
    fn arguments(&self, plan: Plan, window: usize, workspace: u64) -> DecodeArguments {
        let Self { inputs, output } = self;
        let [sequences, heads, head_dim] = inputs.q.shape();
        let (k, v) = (Tensor::from(&inputs.k.placement), Tensor::from(&inputs.v.placement));
        let out = Tensor::from(&output.placement);
        let pages = PageArguments::new(&inputs.k, &inputs.v);
        let capacity = inputs.capacity as i64;
        DecodeArguments {
            q: Tensor::from(&inputs.q.placement),
            k,
            v,
            k_sequence_stride: capacity * k.token_stride,
            v_sequence_stride: capacity * v.token_stride,
            output: out.data,
            output_sequence_stride: out.token_stride,
            output_head_stride: out.head_stride,
            workspace,
            key_counts: inputs.counts.map_or(0, |counts| counts.counts.pointer()),
            pages: pages.pages,
            pages_of_sequence: inputs.k.pages.map_or(0, |pages| (pages.entries / sequences) as i64),
            k_page_stride: pages.k_page_stride,
            v_page_stride: pages.v_page_stride,
            sinks: inputs.sinks.map_or(0, |sinks| sinks.pointer()),
            page_tokens: pages.page_tokens,
            sequences: sequences as i32,
            heads: heads as i32,
            group: inputs.group_size() as i32,
            head_dim: head_dim as i32,
            keys: inputs.capacity as i32,
            window: window as i32,
            pieces: plan.pieces as i32,
            piece_keys: plan.piece_keys as i32,
            scale_log2: inputs.scale * std::f32::consts::LOG2_E,
            softcap: inputs.softcap,
            output_f32: i32::from(output.element_type() == DeviceType::F32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_all_keys_whatever_their_first() {
        for visible in [1, 2, 240, 241, 256, 1000, 131_072, 1 << 20, 1 << 30] {
            for lines in [1, 8, 500, 1024, 5000] {
                let Plan { pieces, piece_keys } = Plan::new(visible, lines);
                assert!(piece_keys >= SMALLEST_PIECE && piece_keys.is_multiple_of(STEP_KEYS));
                // The first piece starts up to 15 keys before the first that is seen.
                assert!(pieces * piece_keys >= visible + 15 && pieces <= 65_535);
                assert!(pieces * lines <= 2 * WANTED_BLOCKS.max(lines));
            }
        }
        // As kernels/decode/arguments.h plans 128K keys of 8 key-value heads.
        assert_eq!(Plan::new(131_072, 8), Plan { pieces: 121, piece_keys: 1088 });
    }

    #[test]
    fn shared_memory_is_that_of_the_kernels() {
        for (head_dim, bytes) in [(64, 65_536), (80, 90_112), (128, 98_304), (256, 131_072)] {
            assert_eq!(shared_bytes(head_dim), bytes);
        }
    }
}
