//! [`Pinned`]: memory of the host that stays in its place.

use super::bytes_of;
use crate::device::CudaDevice;
use crate::error::{During, Error, Result};
use bytemuck::Pod;
use cudarc::driver::{CudaContext, result};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// `len` elements of the host's memory that the device copies directly.
#[derive(Debug)]
pub struct Pinned<T: Pod> {
    context: Arc<CudaContext>,
    data: NonNull<T>,
    len: usize,
}

// SAFETY: it owns its memory, as a Vec does; elements are plain numbers.
unsafe impl<T: Pod + Send> Send for Pinned<T> {}
// SAFETY: as above; shared references only read.
unsafe impl<T: Pod + Sync> Sync for Pinned<T> {}

impl<T: Pod> Pinned<T> {
    /// Elements of zero bytes. `what` they are for stands in the error.
    ///
    /// # Errors
    /// [`Error::OutOfHostMemory`].
    pub fn zeros(device: &CudaDevice, what: &'static str, len: usize) -> Result<Self> {
        let context = device.context().clone();
        let bytes = bytes_of::<T>(what, len)?;
        if bytes == 0 {
            return Ok(Self { context, data: NonNull::dangling(), len: 0 });
        }
        context.bind_to_thread().during("binding the context")?;
        // SAFETY: the context is bound; the memory is initialised below, before anything reads it.
        let pointer = unsafe { result::malloc_host(bytes, 0) }
            .map_err(|_| Error::OutOfHostMemory { what, bytes })?
            .cast::<T>();
        let data = NonNull::new(pointer).ok_or(Error::OutOfHostMemory { what, bytes })?;
        // SAFETY: the allocation has that many bytes, is aligned to a page, and nothing else knows
        // it.
        unsafe { std::ptr::write_bytes(pointer.cast::<u8>(), 0, bytes) };
        Ok(Self { context, data, len })
    }
}

impl<T: Pod> Deref for Pinned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the elements are initialised (all bytes are valid elements), and live as long as
        // self.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl<T: Pod> DerefMut for Pinned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }
}

impl<T: Pod> Drop for Pinned<T> {
    fn drop(&mut self) {
        if self.len == 0 || self.context.bind_to_thread().is_err() {
            return;
        }
        // SAFETY: the memory came from malloc_host and is freed once; every copy that used it was
        // waited for while it was borrowed.
        let _ = unsafe { result::free_host(self.data.as_ptr().cast()) };
    }
}
