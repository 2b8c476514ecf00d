//! Working memory that starts at a cache line.

use crate::error::{Error, Result};

const CACHE_LINE: usize = 64;

/// A zeroed vector whose first element lies at a multiple of 64 bytes, so that full vectors never
/// straddle cache lines.
#[derive(Debug)]
pub(crate) struct Buffer<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Buffer<T> {
    /// # Errors
    /// [`Error::OutOfMemory`], naming `what`.
    pub(crate) fn zeroed(what: &'static str, len: usize) -> Result<Self> {
        let slack = CACHE_LINE / size_of::<T>();
        let out_of_memory = || Error::OutOfMemory { what, bytes: len.saturating_mul(size_of::<T>()) };
        let padded = len.checked_add(slack).ok_or_else(out_of_memory)?;
        let mut data = Vec::new();
        data.try_reserve_exact(padded).map_err(|_| out_of_memory())?;
        data.resize(padded, T::default());
        let start = data.as_ptr().align_offset(CACHE_LINE);
        Ok(Self { data, start, len })
    }
}

impl<T> std::ops::Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}
