//! [`SharedRows`]: an output that several threads write, each its own part.

use std::marker::PhantomData;

/// Rows of equal length that threads write through a shared reference.
pub(super) struct SharedRows<'a> {
    data: *mut f32,
    rows: usize,
    width: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: an exclusive borrow of plain numbers; who writes through it makes sure that parts don't overlap.
unsafe impl Send for SharedRows<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedRows<'_> {}

impl<'a> SharedRows<'a> {
    /// Rows of `width` elements.
    pub(super) fn new(data: &'a mut [f32], width: usize) -> Self {
        Self { rows: data.len() / width, width, data: data.as_mut_ptr(), borrow: PhantomData }
    }

    /// A part of a row.
    ///
    /// # Safety
    /// Nobody else may have a part that overlaps, as long as this one lives.
    ///
    /// # Panics
    /// If there is no such part.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part(&self, row: usize, start: usize, len: usize) -> &mut [f32] {
        assert!(row < self.rows && start <= self.width && len <= self.width - start, "a part of a row");
        // SAFETY: within the borrowed slice, by the assertion; not shared, by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.width + start), len) }
    }
}
