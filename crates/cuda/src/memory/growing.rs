//! [`GrowingBuffer`]: memory that grows without moving.
//!
//! Addresses for the largest size are reserved at once, which costs nothing; memory is mapped to
//! them piece by piece as it is needed. A cache of a million tokens that begins with a hundred
//! neither takes a million's memory nor is ever copied, and views of it stay valid.

use super::{Buffer, allocation_error, bytes_of};
use crate::device::CudaDevice;
use crate::error::{During, Error, Result};
use bytemuck::Pod;
use cudarc::driver::{CudaStream, sys};
use std::ops::{Deref, DerefMut};

/// Memory on the device for up to `capacity` elements; a [`Buffer`] of those that are there.
#[derive(Debug)]
pub struct GrowingBuffer<T: Pod> {
    buffer: Buffer<T>,
    what: &'static str,
    reserved: usize,
    granularity: usize,
    capacity: usize,
    /// The pieces that are mapped, in order, with their bytes.
    pieces: Vec<(sys::CUmemGenericAllocationHandle, usize)>,
}

impl<T: Pod> GrowingBuffer<T> {
    /// Addresses for `capacity` elements, and no memory yet. `what` they are for stands in errors.
    ///
    /// # Errors
    /// What the driver refuses.
    pub fn new(device: &CudaDevice, what: &'static str, capacity: usize) -> Result<Self> {
        let stream = device.stream().clone();
        stream.context().bind_to_thread().during("binding the context")?;
        let mut granularity = 0;
        let properties = properties(&stream);
        // SAFETY: both pointers are valid for the call.
        unsafe {
            sys::cuMemGetAllocationGranularity(
                &mut granularity,
                &properties,
                sys::CUmemAllocationGranularity_flags::CU_MEM_ALLOC_GRANULARITY_RECOMMENDED,
            )
        }
        .result()
        .during("reserving addresses")?;
        let reserved = bytes_of::<T>(what, capacity)?.next_multiple_of(granularity);
        let mut base = 0;
        if reserved > 0 {
            // SAFETY: the pointer is valid for the call; the size is a multiple of the granularity.
            unsafe { sys::cuMemAddressReserve(&mut base, reserved, 0, 0, 0) }
                .result()
                .during("reserving addresses")?;
        }
        let buffer = Buffer::of_mapped(stream, base, 0);
        Ok(Self { buffer, what, reserved, granularity, capacity, pieces: Vec::new() })
    }

    /// The most elements that it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
    /// Bytes of the device that it takes.
    pub fn mapped_bytes(&self) -> usize {
        self.pieces.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Makes room for `len` elements; new ones hold whatever the memory held before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the capacity, [`Error::OutOfMemory`]; the elements that were
    /// there stay.
    pub fn grow(&mut self, len: usize) -> Result<()> {
        if len > self.capacity {
            let (found, limit) = (len as u64, self.capacity as u64);
            return Err(Error::TooLarge { what: self.what, found, limit });
        }
        let (mapped, needed) = (self.mapped_bytes(), bytes_of::<T>(self.what, len)?);
        if needed > mapped {
            // At least half as much again, so that a cache that grows token by token has few
            // pieces.
            let bytes = (needed - mapped).max(mapped / 2).next_multiple_of(self.granularity);
            self.map(mapped, bytes.min(self.reserved - mapped))?;
        }
        self.buffer.set_len(self.buffer.len().max(len));
        Ok(())
    }

    /// Maps a new piece behind the first `mapped` bytes.
    fn map(&mut self, mapped: usize, bytes: usize) -> Result<()> {
        let context = self.buffer.stream().context();
        context.bind_to_thread().during("binding the context")?;
        let (properties, address) = (properties(self.buffer.stream()), self.buffer.pointer() + mapped as u64);
        let mut handle = 0;
        // SAFETY: the pointers are valid for the call.
        unsafe { sys::cuMemCreate(&mut handle, bytes, &properties, 0) }
            .result()
            .map_err(|error| allocation_error(context, error, self.what, bytes))?;
        let access = sys::CUmemAccessDesc {
            location: properties.location,
            flags: sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
        };
        // SAFETY: the addresses lie within the reservation and have nothing mapped to them; the
        // handle is the new piece's.
        let mapping = unsafe { sys::cuMemMap(address, bytes, 0, handle, 0) }.result();
        if let Err(error) = mapping {
            // SAFETY: the handle is released once.
            unsafe { sys::cuMemRelease(handle) };
            return Err(Error::from_driver(error, "mapping memory"));
        }
        self.pieces.push((handle, bytes));
        // SAFETY: the range was just mapped.
        unsafe { sys::cuMemSetAccess(address, bytes, &access, 1) }.result().during("mapping memory")
    }
}

fn properties(stream: &CudaStream) -> sys::CUmemAllocationProp {
    sys::CUmemAllocationProp {
        type_: sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED,
        requestedHandleTypes: sys::CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_NONE,
        location: sys::CUmemLocation {
            type_: sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE,
            id: stream.context().cu_device(),
        },
        win32HandleMetaData: std::ptr::null_mut(),
        allocFlags: sys::CUmemAllocationProp_st__bindgen_ty_1 {
            compressionType: 0,
            gpuDirectRDMACapable: 0,
            usage: 0,
            reserved: [0; 4],
        },
    }
}

impl<T: Pod> Deref for GrowingBuffer<T> {
    type Target = Buffer<T>;

    fn deref(&self) -> &Buffer<T> {
        &self.buffer
    }
}

impl<T: Pod> DerefMut for GrowingBuffer<T> {
    fn deref_mut(&mut self) -> &mut Buffer<T> {
        &mut self.buffer
    }
}

impl<T: Pod> Drop for GrowingBuffer<T> {
    fn drop(&mut self) {
        let stream = self.buffer.stream();
        let is_alive = stream.context().bind_to_thread().is_ok();
        if self.reserved == 0 || !is_alive || stream.synchronize().is_err() {
            return;
        }
        let mut address = self.buffer.pointer();
        for &(handle, bytes) in &self.pieces {
            // SAFETY: the piece was mapped there; nothing that was enqueued uses it any more.
            unsafe {
                sys::cuMemUnmap(address, bytes);
                sys::cuMemRelease(handle);
            }
            address += bytes as u64;
        }
        // SAFETY: the reservation is whole, and nothing is mapped to it any more.
        unsafe { sys::cuMemAddressFree(self.buffer.pointer(), self.reserved) };
    }
}
