//! Random changes of files, and how much memory it takes to look at them.

use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts this thread's bytes: how many there are, and the most there were.
struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all the work; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.get().wrapping_add(layout.size());
        NOW.set(now);
        MOST.set(MOST.get().max(now));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A file of some kilobytes, changed: bytes set, eight-byte numbers set, cut.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) bytes: Vec<(prop::sample::Index, u8)>,
    numbers: Vec<(prop::sample::Index, u64)>,
    pub(crate) cut: Option<prop::sample::Index>,
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(0),
        Just(i64::MAX as u64),
        (0u32..64).prop_map(|shift| 1 << shift),
        0u64..5000
    ];
    let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let numbers = prop::collection::vec((any::<prop::sample::Index>(), number), 0..3);
    (bytes, numbers, prop::option::weighted(0.1, any::<prop::sample::Index>()))
        .prop_map(|(bytes, numbers, cut)| Change { bytes, numbers, cut })
}

impl Change {
    /// Changes fall into the first `header` bytes, where they matter.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>, header: usize) {
        for (at, value) in &self.bytes {
            bytes[at.index(header)] = *value;
        }
        for (at, value) in &self.numbers {
            let at = at.index(header - 8);
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        if let Some(at) = &self.cut {
            bytes.truncate(at.index(bytes.len()));
        }
    }
}

/// The most memory that some work takes on this thread, beside what was there before.
pub(crate) fn most_memory(work: impl FnOnce()) -> usize {
    let before = NOW.get();
    MOST.set(before);
    work();
    MOST.get().saturating_sub(before)
}
