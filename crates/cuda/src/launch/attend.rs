//! Attention over tiles: `attend_sm90_*` and `attend_sm80_*`.

use super::arguments::{AttendArguments, PageArguments, Tensor};
use super::module::Grid;
use super::tensor_map::TensorMap;
use crate::attention::{DeviceTiles, LayerInputs};
use crate::device::CudaDevice;
use crate::error::Result;
use crate::kernels::{AttentionKernels, attend_name};
use crate::view::{DeviceType, DeviceViewMut};

/// What a launch works on; checked by the caller.
pub(crate) struct AttendCall<'a> {
    pub(crate) inputs: &'a LayerInputs<'a>,
    pub(crate) tiles: &'a DeviceTiles,
    pub(crate) output: &'a DeviceViewMut<'a>,
}

/// What the Hopper kernels take.
#[repr(C)]
struct AttendSm90Arguments {
    q: TensorMap,
    k: TensorMap,
    v: TensorMap,
    common: AttendArguments,
}

const _: () = assert!(std::mem::offset_of!(AttendSm90Arguments, common) == 3 * 128);

/// Tokens in a box of the copy engine: half a tile, or the smallest page.
const BOX_TOKENS: u32 = 64;
const BOX_TOKENS_OF_PAGES: u32 = 16;

/// Enqueues the attention of all heads.
///
/// # Errors
/// A head_dim without a kernel; what the driver refuses.
pub(crate) fn attend(device: &CudaDevice, call: &AttendCall<'_>) -> Result<()> {
    let inputs = call.inputs;
    let head_dim = inputs.q.head_dim();
    let kernels = device.attention_kernels().for_head_dim(head_dim)?;
    // What few calls need is not looked for in the kernels of the others.
    let general = inputs.softcap != 0.0 || inputs.k.pages.is_some();
    let name = attend_name(kernels, inputs.q.element_type(), head_dim, general);
    let function = device.kernels().function(&name)?;
    let common = call.arguments();
    let multiprocessors = device.info().multiprocessors as u32;
    let grid = match kernels {
        AttentionKernels::Sm90 => grid_sm90(head_dim, multiprocessors),
        AttentionKernels::Sm80 => grid_sm80(head_dim, multiprocessors, device.info().shared_memory),
    };
    // SAFETY: the arguments are those of the kernel's family; tensors, tiles, list and counter are
    // borrowed views of memory on the device, checked to have the sizes that the geometry says.
    // They are freed or reused in the order of the stream, after this launch.
    unsafe {
        match kernels {
            AttentionKernels::Sm80 => function.launch(device.stream(), grid, &common),
            AttentionKernels::Sm90 => {
                let rows = if general { BOX_TOKENS_OF_PAGES } else { BOX_TOKENS };
                let arguments = AttendSm90Arguments {
                    q: TensorMap::new(&inputs.q, BOX_TOKENS)?,
                    k: TensorMap::new(&inputs.k, rows)?,
                    v: TensorMap::new(&inputs.v, rows)?,
                    common,
                };
                function.launch(device.stream(), grid, &arguments)
            }
        }
    }
}

impl AttendCall<'_> {
    fn arguments(&self) -> AttendArguments {
        let Self { inputs, tiles, output } = self;
        let geometry = inputs.geometry;
        let out = Tensor::from(&output.placement);
        let pages = PageArguments::new(&inputs.k, &inputs.v);
        AttendArguments {
            q: Tensor::from(&inputs.q.placement),
            k: Tensor::from(&inputs.k.placement),
            v: Tensor::from(&inputs.v.placement),
            output: out.data,
            output_token_stride: out.token_stride,
            output_head_stride: out.head_stride,
            tiles: tiles.tiles.pointer(),
            list: tiles.list.pointer(),
            counter: tiles.counter.pointer(),
            tile_count: tiles.tiles.len() as i32,
            // Geometry has at most 2^30 tokens.
            queries: geometry.queries() as i32,
            keys: geometry.keys() as i32,
            offset: geometry.offset() as i32,
            window: geometry.window().map_or(i32::MAX, |window| window as i32),
            group: inputs.group_size() as i32,
            scale_log2: inputs.scale * std::f32::consts::LOG2_E,
            softcap: inputs.softcap,
            sinks: inputs.sinks.map_or(0, |sinks| sinks.pointer()),
            pages: pages.pages,
            k_page_stride: pages.k_page_stride,
            v_page_stride: pages.v_page_stride,
            page_tokens: pages.page_tokens,
            output_f32: i32::from(output.element_type() == DeviceType::F32),
        }
    }
}

/// One block of three warpgroups on each multiprocessor; it stays until the tiles are used up.
fn grid_sm90(head_dim: usize, multiprocessors: u32) -> Grid {
    // Keys and values in three slots of 128 keys each (four where head_dim is 64), queries,
    // positions and barriers. Rows of 80 and 96 take the places of 128 elements.
    let shared_bytes = if head_dim == 64 { 150 << 10 } else { 231_424 };
    Grid { blocks: [multiprocessors, 1, 1], threads: 384, shared_bytes }
}

/// As many blocks as the multiprocessors hold at once; `attend_sm80/shape.h` has the same numbers.
fn grid_sm80(head_dim: usize, multiprocessors: u32, shared_memory: usize) -> Grid {
    let threads = if head_dim <= 128 { 128 } else { 256 };
    // Rows whose length is no multiple of 128 bytes are padded against bank conflicts.
    let row_bytes = 2 * head_dim + if head_dim.is_multiple_of(64) { 0 } else { 16 };
    let shared_bytes = (128 + 3 * 64) * row_bytes + 64;
    let wanted = match head_dim {
        64 => 3,
        65..=128 => 2,
        _ => 1,
    };
    // A multiprocessor keeps 1 KB for itself for each block.
    let fit = (shared_memory + 1024) / (shared_bytes + 1024);
    let blocks = multiprocessors * wanted.min(fit.max(1) as u32);
    Grid { blocks: [blocks, 1, 1], threads, shared_bytes: shared_bytes as u32 }
}
