//! [`Sections`]: where things lie in a context file, by its header alone.

use super::header::{Header, LayerRecord};
use std::ops::Range;

/// Every part begins at a multiple of this many bytes: at a cache line, and right for any element.
pub(super) const ALIGNMENT: usize = 64;

/// Ranges of bytes in a file. Padding belongs to what stands before it.
#[derive(Debug)]
pub(super) struct Sections {
    /// Token ids.
    pub(super) history: Range<usize>,
    /// The same with its padding.
    pub(super) padded_history: Range<usize>,
    pub(super) layers: Vec<LayerSection>,
    /// The file's length.
    pub(super) end: usize,
}

/// Ranges of one layer.
#[derive(Debug)]
pub(super) struct LayerSection {
    pub(super) keys: Vec<Range<usize>>,
    pub(super) values: Vec<Range<usize>>,
    /// All of it, padding included.
    pub(super) whole: Range<usize>,
}

impl Sections {
    /// Of a file whose header ends at `start`. None for sizes that no file has.
    pub(super) fn of(header: &Header, start: usize) -> Option<Self> {
        let mut cursor = SectionCursor(start);
        let history = cursor.take(header.tokens.checked_mul(size_of::<u32>())?)?;
        let padded_history = history.start..cursor.0;
        let layers = header.layers.iter().map(|layer| cursor.layer(layer)).collect::<Option<_>>()?;
        Some(Self { history, padded_history, layers, end: cursor.0 })
    }
}

struct SectionCursor(usize);

impl SectionCursor {
    fn take(&mut self, bytes: usize) -> Option<Range<usize>> {
        let range = self.0..self.0.checked_add(bytes)?;
        self.0 = range.end.checked_next_multiple_of(ALIGNMENT)?;
        Some(range)
    }

    fn layer(&mut self, layer: &LayerRecord) -> Option<LayerSection> {
        let start = self.0;
        let mut parts = |bytes: &[usize]| bytes.iter().map(|&bytes| self.take(bytes)).collect::<Option<_>>();
        let (keys, values) = (parts(&layer.keys)?, parts(&layer.values)?);
        Some(LayerSection { keys, values, whole: start..self.0 })
    }
}

/// Zeros up to where the next part begins.
pub(super) fn padding(bytes: usize) -> &'static [u8] {
    &[0; ALIGNMENT][..bytes.next_multiple_of(ALIGNMENT) - bytes]
}
