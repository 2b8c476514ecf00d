//! [`SharedRows`]: an output that several threads write, each its own part.

use crate::device::kernels::OutBlock;
use std::marker::PhantomData;
use std::ops::Range;

/// Rows of equal length that threads write through a shared reference.
pub(super) struct SharedRows<'a> {
    data: *mut f32,
    rows: usize,
    width: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: an exclusive borrow of plain numbers; writers make sure that their parts
// don't overlap.
unsafe impl Send for SharedRows<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedRows<'_> {}

impl<'a> SharedRows<'a> {
    /// Rows of `width` elements.
    pub(super) fn new(data: &'a mut [f32], width: usize) -> Self {
        Self { rows: data.len() / width, width, data: data.as_mut_ptr(), borrow: PhantomData }
    }

    /// Some elements of some rows.
    ///
    /// # Safety
    /// No other block may overlap this one, as long as it lives.
    ///
    /// # Panics
    /// If there is no such block.
    pub(super) unsafe fn block(&self, rows: Range<usize>, elements: Range<usize>) -> OutBlock<'_> {
        assert!(rows.start < rows.end && rows.end <= self.rows, "rows of a block");
        assert!(elements.start < elements.end && elements.end <= self.width, "elements of a block");
        // SAFETY: within the borrowed slice, by the assertions; not shared, by the caller's
        // promise.
        unsafe {
            let data = self.data.add(rows.start * self.width + elements.start);
            OutBlock::new(data, self.width, rows.len(), elements.len())
        }
    }
}
