//! What can go wrong, with what was expected and what was found.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use std::fmt;

/// A version of CUDA that a driver supports, such as 13.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion {
    /// 13 of 13.0
    pub major: u32,
    /// 0 of 13.0
    pub minor: u32,
}

impl DriverVersion {
    /// From the driver's own form, 13000 for 13.0.
    pub(crate) fn from_number(number: i32) -> Self {
        let number = number.max(0) as u32;
        Self { major: number / 1000, minor: number % 1000 / 10 }
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No driver library: the machine has no NVIDIA GPU, or its driver is not installed.
    #[error(
        "no NVIDIA driver: {library} was not found. With an NVIDIA GPU in the machine, install its driver (580 or \
         newer); in a container, start it with GPU access (docker run --gpus all); without one, use the CPU"
    )]
    NoDriver {
        /// The library that was looked for.
        library: &'static str,
    },
    /// A driver that is older than what the kernels were made with.
    #[error(
        "the NVIDIA driver supports CUDA {found}, but CUDA {needed} is needed: install driver 580 or newer"
    )]
    DriverTooOld {
        /// What the driver supports.
        found: DriverVersion,
        /// What it has to support.
        needed: DriverVersion,
    },
    /// A driver, but no GPU that it lets this process see.
    #[error(
        "the NVIDIA driver finds no GPU: check nvidia-smi, and that CUDA_VISIBLE_DEVICES ({visible}) hides none"
    )]
    NoDevice {
        /// What CUDA_VISIBLE_DEVICES says.
        visible: String,
    },
    /// A device number that is not there.
    #[error("there is no GPU {ordinal}: the machine has {count}, counted from 0")]
    NoSuchDevice {
        /// The number.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// A GPU that is older than the kernels' oldest instruction set.
    #[error(
        "{name} has compute capability {}.{}, but the kernels need 8.0 (Ampere) or newer",
        capability.0, capability.1
    )]
    DeviceTooOld {
        /// The GPU.
        name: String,
        /// Its compute capability.
        capability: (u32, u32),
    },
    /// A kernel that is not among the prebuilt ones.
    #[error("the kernel {name} is not among the prebuilt ones in kernels/prebuilt")]
    NoKernel {
        /// Its name.
        name: String,
    },
    /// Not enough memory on the device.
    #[error("not enough memory on the GPU: {bytes} bytes for {what}, {free} of {total} bytes are free")]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much was asked for.
        bytes: usize,
        /// How much was free.
        free: usize,
        /// How much the device has.
        total: usize,
    },
    /// Not enough memory on the host.
    #[error("not enough memory: {bytes} bytes for {what}")]
    OutOfHostMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much was asked for.
        bytes: usize,
    },
    /// NaN or infinity in an input.
    #[error("{tensor} holds NaN or infinity at token {token}, head {head}: expected finite numbers")]
    NotFinite {
        /// `"q"`, `"k"` or `"v"`.
        tensor: &'static str,
        /// Row of the tensor.
        token: usize,
        /// Head of the tensor (of K and V: the key-value head).
        head: usize,
    },
    /// More of something than the kernels' integers can count.
    #[error("too many {what}: {found}, at most {limit} can be computed in one call")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// The most that there may be.
        limit: u64,
    },
    /// Finite inputs so large that scores could overflow `f32`.
    #[error("the largest {what} may reach {found:e}: expected at most {limit:e}")]
    OutOfRange {
        /// `"score"` or `"value"`.
        what: &'static str,
        /// The bound on it.
        found: f64,
        /// The largest that is computed.
        limit: f64,
    },
    /// A head_dim for which there is no kernel.
    #[error("no kernel for a head_dim of {found}: expected {expected}")]
    HeadDim {
        /// What would have been right.
        expected: &'static str,
        /// What was given.
        found: usize,
    },
    /// A tensor of the wrong shape, type or stride.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which tensor or dimension.
        what: &'static str,
        /// What would have been right.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The GPU stopped working for this process, which has to be started anew.
    #[error("the GPU was lost in {during} ({reason}): start the program anew")]
    DeviceLost {
        /// What was being done, or waited for.
        during: &'static str,
        /// What the driver said.
        reason: String,
    },
    /// Anything else that the driver refused.
    #[error("the NVIDIA driver refused {during}: {reason}")]
    Driver {
        /// What was being done.
        during: &'static str,
        /// What the driver said.
        reason: String,
    },
    /// Inputs or indices that do not fit, found before the device saw them.
    #[error(transparent)]
    Attention(#[from] minference_attention::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What a driver's error means. Errors after which nothing more can run on the device are told
    /// from those that concern one call.
    pub(crate) fn from_driver(error: DriverError, during: &'static str) -> Self {
        use CUresult::*;
        let text = |found: std::result::Result<&std::ffi::CStr, DriverError>| {
            found.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let reason = format!("{}: {}", text(error.error_name()), text(error.error_string()));
        match error.0 {
            CUDA_ERROR_ECC_UNCORRECTABLE
            | CUDA_ERROR_NVLINK_UNCORRECTABLE
            | CUDA_ERROR_ILLEGAL_ADDRESS
            | CUDA_ERROR_LAUNCH_TIMEOUT
            | CUDA_ERROR_CONTEXT_IS_DESTROYED
            | CUDA_ERROR_ASSERT
            | CUDA_ERROR_HARDWARE_STACK_ERROR
            | CUDA_ERROR_ILLEGAL_INSTRUCTION
            | CUDA_ERROR_MISALIGNED_ADDRESS
            | CUDA_ERROR_INVALID_ADDRESS_SPACE
            | CUDA_ERROR_INVALID_PC
            | CUDA_ERROR_LAUNCH_FAILED
            | CUDA_ERROR_DEINITIALIZED
            | CUDA_ERROR_UNKNOWN => Self::DeviceLost { during, reason },
            _ => Self::Driver { during, reason },
        }
    }
}

/// Names what was done where the driver refuses it.
pub(crate) trait During<T> {
    fn during(self, what: &'static str) -> Result<T>;
}

impl<T> During<T> for std::result::Result<T, DriverError> {
    fn during(self, what: &'static str) -> Result<T> {
        self.map_err(|error| Error::from_driver(error, what))
    }
}

impl From<Error> for minference_attention::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Attention(error) => error,
            Error::NotFinite { tensor, token, head } => Self::NotFinite { tensor, token, head },
            Error::OutOfHostMemory { what, bytes } => Self::OutOfMemory { what, bytes },
            Error::OutOfRange { what, found, limit } => Self::TooLarge { what, found, limit },
            Error::Shape { what, expected, found } => Self::Shape { what, expected, found },
            other => Self::Device { source: Box::new(other) },
        }
    }
}
