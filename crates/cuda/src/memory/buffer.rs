//! [`Buffer`]: memory on the device.

use super::{allocation_error, bytes_of};
use crate::device::CudaDevice;
use crate::error::{During, Error, Result};
use bytemuck::Pod;
use cudarc::driver::{CudaStream, result};
use std::marker::PhantomData;
use std::sync::Arc;

/// Where memory came from, and so how it goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The stream's pool.
    Pool,
    /// The driver; of devices without pools.
    Driver,
    /// A [`GrowingBuffer`](super::GrowingBuffer), which takes it back itself.
    Mapped,
}

/// `len` elements on the device, freed when dropped (after what was enqueued before).
#[derive(Debug)]
pub struct Buffer<T: Pod> {
    stream: Arc<CudaStream>,
    pointer: u64,
    len: usize,
    origin: Origin,
    elements: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// Memory with whatever it held before. `what` it is for stands in the error.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(device: &CudaDevice, what: &'static str, len: usize) -> Result<Self> {
        let (context, stream) = (device.context(), device.stream());
        let bytes = bytes_of::<T>(what, len)?;
        context.bind_to_thread().during("binding the context")?;
        let origin = if context.has_async_alloc() { Origin::Pool } else { Origin::Driver };
        let pointer = match bytes {
            0 => 0,
            // SAFETY: the stream is alive. Nothing is assumed of what the memory holds: all bytes
            // are valid elements.
            _ if origin == Origin::Pool => unsafe { result::malloc_async(stream.cu_stream(), bytes) }
                .map_err(|error| allocation_error(context, error, what, bytes))?,
            // SAFETY: as above.
            _ => unsafe { result::malloc_sync(bytes) }
                .map_err(|error| allocation_error(context, error, what, bytes))?,
        };
        Ok(Self { stream: stream.clone(), pointer, len, origin, elements: PhantomData })
    }

    /// The first `len` elements of memory that a growing buffer has mapped.
    pub(super) fn of_mapped(stream: Arc<CudaStream>, pointer: u64, len: usize) -> Self {
        Self { stream, pointer, len, origin: Origin::Mapped, elements: PhantomData }
    }
    /// That buffer has mapped more.
    pub(super) fn set_len(&mut self, len: usize) {
        self.len = len;
    }
    pub(super) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    /// Memory with a copy of `data`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn from_slice(device: &CudaDevice, what: &'static str, data: &[T]) -> Result<Self> {
        let mut buffer = Self::new(device, what, data.len())?;
        buffer.upload(0, data)?;
        Ok(buffer)
    }

    /// Memory of zero bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn zeros(device: &CudaDevice, what: &'static str, len: usize) -> Result<Self> {
        let mut buffer = Self::new(device, what, len)?;
        buffer.fill_bytes(0)?;
        Ok(buffer)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Its address on the device.
    pub fn pointer(&self) -> u64 {
        self.pointer
    }

    /// Copies `data` to the elements from `start` on, and waits until it may be changed again.
    ///
    /// # Errors
    /// [`Error::Shape`] where it does not fit; a lost device.
    pub fn upload(&mut self, start: usize, data: &[T]) -> Result<()> {
        self.check_range(start, data.len())?;
        if data.is_empty() {
            return Ok(());
        }
        self.bind()?;
        let target = self.pointer + (start * size_of::<T>()) as u64;
        // SAFETY: the range lies within the memory, which is alive; the stream is waited for before
        // the borrow of the data ends.
        unsafe { result::memcpy_htod_async(target, data, self.stream.cu_stream()) }.during("a copy")?;
        self.stream.synchronize().during("a copy")
    }

    /// Copies the elements from `start` on to `data`, after all that was enqueued before.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are not as many; a lost device.
    pub fn download(&self, start: usize, data: &mut [T]) -> Result<()> {
        self.check_range(start, data.len())?;
        if data.is_empty() {
            return Ok(());
        }
        self.bind()?;
        let source = self.pointer + (start * size_of::<T>()) as u64;
        // SAFETY: the range lies within the memory, which is alive; all bytes are valid elements;
        // the stream is waited for before the borrow of the data ends.
        unsafe { result::memcpy_dtoh_async(data, source, self.stream.cu_stream()) }.during("a copy")?;
        self.stream.synchronize().during("a copy")
    }

    /// All elements.
    ///
    /// # Errors
    /// A lost device.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        let mut data = vec![T::zeroed(); self.len];
        self.download(0, &mut data)?;
        Ok(data)
    }

    /// Sets every byte, after all that was enqueued before; does not wait.
    ///
    /// # Errors
    /// A lost device.
    pub fn fill_bytes(&mut self, byte: u8) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.bind()?;
        let bytes = self.len * size_of::<T>();
        // SAFETY: the memory is alive and has that many bytes, which are valid elements whatever
        // they are.
        unsafe { result::memset_d8_async(self.pointer, byte, bytes, self.stream.cu_stream()) }
            .during("filling memory")
    }

    fn bind(&self) -> Result<()> {
        self.stream.context().bind_to_thread().during("binding the context")
    }

    fn check_range(&self, start: usize, count: usize) -> Result<()> {
        if start.checked_add(count).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(Error::Shape {
            what: "range of a buffer",
            expected: format!("a range within 0..{}", self.len),
            found: format!("{count} from {start} on"),
        })
    }
}

impl<T: Pod> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.pointer == 0 || self.origin == Origin::Mapped {
            return;
        }
        if self.stream.context().bind_to_thread().is_err() {
            return;
        }
        // SAFETY: the pointer came from the matching allocation and is freed once. Of a device that
        // is lost nothing can be freed; there the driver's error has been reported already.
        let _ = unsafe {
            match self.origin {
                Origin::Pool => result::free_async(self.pointer, self.stream.cu_stream()),
                _ => result::free_sync(self.pointer),
            }
        };
    }
}
