//! [`WeightBytes`]: the bytes of a matrix, in a mapped file or in memory.

use memmap2::Mmap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a file, shared and never copied; or owned ones.
#[derive(Clone)]
pub struct WeightBytes {
    source: ByteSource,
    range: Range<usize>,
}

#[derive(Clone)]
enum ByteSource {
    Mapped(Arc<Mmap>),
    Owned(Arc<Vec<u8>>),
}

impl WeightBytes {
    /// A part of a mapped file; none where it reaches beyond the file.
    pub fn mapped(file: Arc<Mmap>, range: Range<usize>) -> Option<Self> {
        (range.start <= range.end && range.end <= file.len())
            .then(|| Self { source: ByteSource::Mapped(file), range })
    }

    /// Owned bytes.
    pub fn owned(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), source: ByteSource::Owned(Arc::new(bytes)) }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        let all: &[u8] = match &self.source {
            ByteSource::Mapped(file) => file,
            ByteSource::Owned(bytes) => bytes,
        };
        &all[self.range.clone()]
    }

    pub(super) fn part(&self, range: Range<usize>) -> Self {
        Self {
            source: self.source.clone(),
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }
}

impl fmt::Debug for WeightBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeightBytes({} bytes)", self.range.len())
    }
}
