//! The check for NaN and infinity: `finite`.

use super::arguments::{PagedKeys, Tensor};
use super::module::Grid;
use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::Result;
use crate::fault::FaultWord;
use crate::view::DeviceType;
use std::mem::{offset_of, size_of};

/// `FiniteArguments` of `kernels/index_interface.h`, the same bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct FiniteArguments {
    tensors: [Tensor; 3],
    paged: [PagedKeys; 3],
    tokens: [i32; 3],
    heads: [i32; 3],
    head_dim: i32,
    is_f16: i32,
    fault: u64,
}

const _: () = {
    assert!(size_of::<FiniteArguments>() == 184);
    assert!(offset_of!(FiniteArguments, tokens) == 144 && offset_of!(FiniteArguments, fault) == 176);
};

const THREADS: u32 = 256;
const TOKENS_OF_BLOCK: usize = 64;

/// Enqueues the check.
///
/// # Errors
/// What the driver refuses.
pub(crate) fn check_finite(
    device: &CudaDevice,
    inputs: &LayerInputs<'_>,
    fault: &mut FaultWord,
) -> Result<()> {
    let function = device.kernels().function("finite_inputs")?;
    let views = [&inputs.q, &inputs.k, &inputs.v];
    let arguments = FiniteArguments {
        tensors: views.map(|view| Tensor::from(&view.placement)),
        paged: views.map(PagedKeys::new),
        tokens: views.map(|view| view.tokens() as i32),
        heads: views.map(|view| view.heads() as i32),
        head_dim: inputs.q.head_dim() as i32,
        is_f16: i32::from(inputs.q.element_type() == DeviceType::F16),
        fault: fault.word.pointer(),
    };
    let most = views.map(|view| view.tokens()).into_iter().max().unwrap_or(0);
    let blocks = [most.div_ceil(TOKENS_OF_BLOCK) as u32, 3, 1];
    // SAFETY: the kernel takes these arguments and reads the rows of the three views, which are
    // borrowed; the word is one on the device, and outlives the launch in the order of the stream.
    unsafe {
        function.launch(device.stream(), Grid { blocks, threads: THREADS, shared_bytes: 0 }, &arguments)
    }
}
