//! Files with random changes: opening and loading them never panics, and never takes more memory than a small multiple of the file.

use crate::builders::{Folder, Gguf, write};
use candle_core::quantized::gguf_file::{Content, Value};
use minference_model::ModelFiles;
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

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
struct Change {
    bytes: Vec<(prop::sample::Index, u8)>,
    numbers: Vec<(prop::sample::Index, u64)>,
    cut: Option<prop::sample::Index>,
}

fn change() -> impl Strategy<Value = Change> {
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
    fn apply(&self, bytes: &mut Vec<u8>, header: usize) {
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

/// Opens and loads, whatever comes of it; returns the most memory that it took.
fn memory_of_opening(path: &Path) -> usize {
    let before = NOW.get();
    MOST.set(before);
    let loaded = ModelFiles::open(path).and_then(|files| {
        files.fingerprint();
        files.load()
    });
    drop(loaded);
    MOST.get().saturating_sub(before)
}

static GGUF: LazyLock<(Vec<u8>, usize)> = LazyLock::new(|| {
    let gguf = Gguf::tiny("llama", 8);
    let bytes = gguf.bytes();
    let content = Content::read(&mut Cursor::new(&bytes)).unwrap();
    (bytes, content.tensor_data_offset as usize)
});
static SAFETENSORS: LazyLock<(Vec<u8>, usize)> = LazyLock::new(|| {
    let bytes = Folder::tiny("llama", 8).bytes(|_| true);
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (bytes, header)
});

/// What opening takes beside a multiple of the file: paths, names, errors, a map of tensors.
const FREE: usize = 1 << 20;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gguf(change in change()) {
        let (mut bytes, header) = GGUF.clone();
        change.apply(&mut bytes, header);
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "model.gguf", &bytes);
        let memory = memory_of_opening(&path);
        prop_assert!(memory <= FREE + 20 * bytes.len(), "{memory} bytes for a file of {}", bytes.len());
    }

    #[test]
    fn safetensors(change in change(), json in change()) {
        let (mut bytes, header) = SAFETENSORS.clone();
        change.apply(&mut bytes, header);
        let folder = Folder::tiny("llama", 8).write();
        let mut config = std::fs::read(folder.path().join("config.json")).unwrap();
        if change.cut.is_none() && change.bytes.is_empty() {
            let length = config.len();
            json.apply(&mut config, length);
        }
        write(folder.path(), "config.json", &config);
        write(folder.path(), "model.safetensors", &bytes);
        let memory = memory_of_opening(folder.path());
        prop_assert!(memory <= FREE + 40 * (bytes.len() + config.len()), "{memory} bytes of {}", bytes.len());
    }
}

/// The worst that an array can do: a byte of the file that takes a whole value in memory.
#[test]
fn arrays_of_bytes_do_not_exhaust_memory() {
    for (length, accepted) in [(1 << 18, true), (4 << 20, false)] {
        let mut gguf = Gguf::tiny("llama", 8);
        gguf.set("bytes", Value::Array(vec![Value::U8(0); length]));
        let bytes = gguf.bytes();
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "model.gguf", &bytes);
        let memory = memory_of_opening(&path);
        assert!(memory <= (17 << 20) + 16 * bytes.len(), "{memory} bytes for a file of {}", bytes.len());
        assert_eq!(ModelFiles::open(&path).is_ok(), accepted);
    }
}
