//! Memory of finished estimates, kept for the next: fresh pages cost an estimate of a 16K prompt as
//! much time as its arithmetic.

use crate::error::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// Bytes that a backend keeps for its next estimates.
pub(super) const SPARE_BYTES_PER_THREAD: usize = 16 << 20;

/// Buffers that wait for use, up to a limit.
#[derive(Debug)]
pub(super) struct SpareBuffers {
    buffers: Mutex<Vec<Vec<u32>>>,
    most_bytes: usize,
}

impl SpareBuffers {
    /// Keeps at most `most_bytes` bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { buffers: Mutex::new(Vec::new()), most_bytes }
    }

    /// A buffer of `len` words, whatever they hold.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn take(&self, len: usize) -> Result<Vec<u32>> {
        let spare = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = spare.unwrap_or_default();
        let out_of_memory = |_| Error::OutOfMemory { what: "an estimate", bytes: len.saturating_mul(4) };
        buffer.try_reserve_exact(len.saturating_sub(buffer.len())).map_err(out_of_memory)?;
        buffer.resize(len, 0);
        Ok(buffer)
    }

    /// Takes a buffer back.
    pub(super) fn give(&self, buffer: Vec<u32>) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = 4 * buffers.iter().map(Vec::capacity).sum::<usize>();
        if bytes + 4 * buffer.capacity() <= self.most_bytes {
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_within_the_limit() {
        let spare = SpareBuffers::new(100);
        let first = spare.take(20).unwrap();
        let address = first.as_ptr();
        spare.give(first);
        spare.give(vec![1; 20]); // 160 bytes in all: one too many
        let again = spare.take(10).unwrap();
        assert_eq!((again.len(), again.as_ptr()), (10, address));
        assert!(spare.take(20).unwrap().iter().all(|&word| word == 0));
    }
}
