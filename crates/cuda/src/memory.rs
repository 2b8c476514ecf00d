//! Memory on the device, and pages of the host that the device copies from and to.
//!
//! | type | what it is |
//! |---|---|
//! | [`Buffer`] | memory on the device, of fixed size |
//! | [`GrowingBuffer`] | memory on the device that grows in place: a cache's addresses never change |
//! | [`Pinned`] | memory of the host that copies run from and to at the bus's speed |

mod buffer;
mod growing;
mod pinned;

pub use buffer::Buffer;
pub use growing::GrowingBuffer;
pub use pinned::Pinned;

use crate::error::{Error, Result};
use cudarc::driver::{CudaContext, DriverError, sys};

/// Out of memory, with numbers; or whatever else the driver says.
fn allocation_error(context: &CudaContext, error: DriverError, what: &'static str, bytes: usize) -> Error {
    if error.0 != sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return Error::from_driver(error, "an allocation");
    }
    let (free, total) = context.mem_get_info().unwrap_or_default();
    Error::OutOfMemory { what, bytes, free, total }
}

/// Bytes of `count` elements, if they can be counted.
fn bytes_of<T>(what: &'static str, count: usize) -> Result<usize> {
    count.checked_mul(size_of::<T>()).ok_or(Error::TooLarge {
        what,
        found: count as u64,
        limit: (usize::MAX / size_of::<T>().max(1)) as u64,
    })
}
