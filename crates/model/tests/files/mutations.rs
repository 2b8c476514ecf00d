//! Files with random changes: opening and loading them never panics, and never takes more memory
//! than a small multiple of the file.

use crate::builders::{Folder, Gguf, write};
use crate::changes::{change, most_memory};
use candle_core::quantized::gguf_file::{Content, Value};
use minference_model::ModelFiles;
use proptest::prelude::*;
use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

/// Opens and loads, with or without success; returns the most memory that it took.
fn memory_of_opening(path: &Path) -> usize {
    most_memory(|| {
        let loaded = ModelFiles::open(path).and_then(|files| {
            files.fingerprint();
            files.load()
        });
        drop(loaded);
    })
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
