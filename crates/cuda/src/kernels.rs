//! The prebuilt kernels: which there are, and which fits a GPU and a head_dim.
//!
//! They lie in `kernels/prebuilt`, beside their sources: machine code for compute capability 8.0
//! and 9.0, and PTX for what lies between and after, which the driver compiles when it first meets
//! it. No toolkit is needed to build this crate or to run it.

use crate::error::{Error, Result};
use crate::launch::{Function, Module};
use crate::view::DeviceType;
use cudarc::driver::CudaContext;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A fat binary, where the driver wants it to start.
#[cfg_attr(not(has_kernels), allow(dead_code))]
#[repr(C, align(64))]
struct Aligned<Bytes: ?Sized>(Bytes);

include!(concat!(env!("OUT_DIR"), "/prebuilt.rs"));

/// Instruction sets of the attention kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttentionKernels {
    /// Ampere and newer: `mma.sync`, `cp.async`. Every head_dim.
    Sm80,
    /// Hopper: `wgmma` and the tensor memory accelerator. A head_dim up to 128; beyond, those of
    /// Ampere run.
    Sm90,
}

/// What the kernels have instances for; a head_dim between two takes the next, filled up with
/// zeros.
const HEAD_DIMS: [usize; 6] = [64, 80, 96, 128, 192, 256];
/// The largest head_dim of a Hopper kernel.
const LARGEST_OF_SM90: usize = 128;

/// The instance of a head_dim: the smallest that holds it.
///
/// # Errors
/// [`Error::HeadDim`] for one that is larger than all.
pub fn padded_head_dim(head_dim: usize) -> Result<usize> {
    HEAD_DIMS
        .into_iter()
        .find(|&padded| padded >= head_dim)
        .ok_or(Error::HeadDim { expected: "at most 256", found: head_dim })
}

impl AttentionKernels {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sm80, Self::Sm90];

    /// The fastest that a GPU can run. The Hopper kernels are for exactly that generation: newer
    /// GPUs lack its instructions.
    pub(crate) fn of(capability: (u32, u32)) -> Self {
        match capability {
            (9, 0) => Self::Sm90,
            _ => Self::Sm80,
        }
    }

    /// Those that have an instance for a head_dim.
    ///
    /// # Errors
    /// [`Error::HeadDim`] where no kernel has one.
    pub(crate) fn for_head_dim(self, head_dim: usize) -> Result<Self> {
        if !HEAD_DIMS.contains(&head_dim) {
            return Err(Error::HeadDim { expected: "one of 64, 80, 96, 128, 192, 256", found: head_dim });
        }
        Ok(if head_dim > LARGEST_OF_SM90 { Self::Sm80 } else { self })
    }
}

impl fmt::Display for AttentionKernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sm80 => "sm80",
            Self::Sm90 => "sm90",
        })
    }
}

/// The name of an attention kernel: `attend_sm90_bf16_d128`, with `_general` where it knows what
/// few calls need.
pub(crate) fn attend_name(
    kernels: AttentionKernels,
    element_type: DeviceType,
    head_dim: usize,
    general: bool,
) -> String {
    let suffix = if general { "_general" } else { "" };
    format!("attend_{kernels}_{}_d{head_dim}{suffix}", element_type.name())
}

/// The kernels of one device, loaded when they are first asked for.
pub(crate) struct Kernels {
    context: Arc<CudaContext>,
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    modules: Vec<Arc<Module>>,
    functions: HashMap<String, Function>,
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernels").finish_non_exhaustive()
    }
}

impl Kernels {
    pub(crate) fn new(context: Arc<CudaContext>) -> Self {
        Self { context, loaded: Mutex::default() }
    }

    /// A kernel by name.
    ///
    /// # Errors
    /// [`Error::NoKernel`]; what the driver says to the machine code.
    pub(crate) fn function(&self, name: &str) -> Result<Function> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = loaded.functions.get(name) {
            return Ok(function.clone());
        }
        // The names that a binary holds can't be told without loading it; there are few binaries.
        for (at, binary) in PREBUILT.iter().enumerate() {
            if at == loaded.modules.len() {
                loaded.modules.push(Arc::new(Module::load(&self.context, binary)?));
            }
            if let Some(function) = loaded.modules[at].function(name)? {
                loaded.functions.insert(name.to_owned(), function.clone());
                return Ok(function);
            }
        }
        Err(Error::NoKernel { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_dims_take_the_next_instance() {
        for (head_dim, padded) in [(8, 64), (64, 64), (72, 80), (88, 96), (104, 128), (200, 256)] {
            assert_eq!(padded_head_dim(head_dim).unwrap(), padded);
        }
        assert!(matches!(padded_head_dim(264), Err(Error::HeadDim { found: 264, .. })));
        assert_eq!(AttentionKernels::Sm90.for_head_dim(192).unwrap(), AttentionKernels::Sm80);
        assert_eq!(AttentionKernels::Sm90.for_head_dim(96).unwrap(), AttentionKernels::Sm90);
        assert!(AttentionKernels::Sm80.for_head_dim(72).is_err());
    }

    #[test]
    fn names_are_those_of_the_sources() {
        let name = |kernels, general| attend_name(kernels, DeviceType::Bf16, 128, general);
        assert_eq!(name(AttentionKernels::Sm90, false), "attend_sm90_bf16_d128");
        assert_eq!(name(AttentionKernels::Sm80, true), "attend_sm80_bf16_d128_general");
    }
}
