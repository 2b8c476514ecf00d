//! Files that are not what was written.

use super::parts::{ContextFileParts, PREFIX, header_end, seal};
use super::tiny_sessions::{model, session};
use super::{MODEL, fingerprint, load, options, saved, says};
use minference_model::session::context_file::ContextFile;
use serde_json::{Value, json};
use std::path::Path;

/// Written, then opened and loaded.
fn refused(path: &Path, bytes: &[u8], parts: &[&str]) {
    std::fs::write(path, bytes).unwrap();
    says(load(path, &options(100)), &[&["context: "], parts].concat());
}

#[test]
fn what_is_no_context() {
    let (folder, path) = saved();
    refused(&path, b"", &["a file with a context", "an empty file"]);
    refused(&path, b"GGUF and more", &["file: expected a context", "something else"]);
    refused(&path, b"minf", &["expected a context"]);
    says(ContextFile::open(folder.path()), &["a regular file", "a folder"]);
    says(ContextFile::open(folder.path().join("missing")), &["missing"]);
}

#[test]
fn what_may_be_replaced_by_a_context() {
    let (folder, path) = saved();
    assert!(ContextFile::is_context(&path).unwrap());
    let bytes = std::fs::read(&path).unwrap();
    for (bytes, expected) in
        [(&bytes[..8], true), (&bytes[..7], false), (b"", false), (b"GGUF and more", false)]
    {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(ContextFile::is_context(&path).unwrap(), expected, "{bytes:?}");
    }
    says(ContextFile::is_context(folder.path()), &["a regular file", "a folder"]);
    says(ContextFile::is_context(folder.path().join("missing")), &["missing"]);
}

#[test]
fn whatever_was_cut() {
    let (_folder, path) = saved();
    let bytes = std::fs::read(&path).unwrap();
    let end = header_end(&bytes);
    let of_sections = (0..8).map(|i| end + i * (bytes.len() - end) / 8);
    let ends = [8, 15, PREFIX, PREFIX + 1, end - 1, end, end + 64, bytes.len() - 64, bytes.len() - 1];
    for length in ends.into_iter().chain(of_sections) {
        refused(&path, &bytes[..length], &["at least", &format!("found {length}"), "cut", "read the prompt"]);
    }
    refused(&path, &[&bytes[..], &[0]].concat(), &["file", &format!("expected {} bytes", bytes.len())]);
}

#[test]
fn a_changed_byte_anywhere() {
    let (_folder, path) = saved();
    let bytes = std::fs::read(&path).unwrap();
    let end = header_end(&bytes);
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    refused(&path, &flipped(3), &["expected a context"]);
    refused(&path, &flipped(8), &["version: expected 2, found 18", "another version"]);
    refused(&path, &flipped(15), &["header: expected at most 16777216"]);
    for at in [12, 16, 23, PREFIX, PREFIX + 100, end - 1] {
        std::fs::write(&path, flipped(at)).unwrap();
        says(ContextFile::open(&path), &["context: "]);
    }
    // 70 ids with 40 bytes of padding, then layers of equal length
    let layers = end + 320;
    refused(&path, &flipped(end), &["history: expected the checksum", "damaged"]);
    refused(&path, &flipped(layers - 1), &["history"]);
    let count = ContextFileParts::of(&bytes).header["layers"].as_array().unwrap().len();
    let layer_bytes = (bytes.len() - layers) / count;
    for layer in 0..count {
        for at in [0, layer_bytes / 2, layer_bytes - 1] {
            let place = format!("layer {layer}: expected the checksum");
            refused(&path, &flipped(layers + layer * layer_bytes + at), &[&place, "damaged"]);
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    load(&path, &options(100)).unwrap();
}

/// Each field, in a header whose checksum is right.
#[test]
fn a_header_that_contradicts_the_file() {
    let (_folder, path) = saved();
    let parts = ContextFileParts::of(&std::fs::read(&path).unwrap());
    let huge = usize::MAX;
    let cases: [(&str, Value, &[&str]); 26] = [
        ("/program", json!(7), &["header", "JSON"]),
        ("/byte_order", json!("big"), &["byte_order", "Little", "Big"]),
        ("/byte_order", json!("middle"), &["header", "unknown variant"]),
        ("/model/fingerprint", json!("00000000000000ff"), &["model", "00000000000000ff"]),
        ("/model/family", json!("qwen9"), &["model", "qwen9"]),
        ("/model/layers", json!(huge), &["layers", "18446744073709551615"]),
        ("/model/kv_heads", json!(3), &["model", "3 key-value heads"]),
        ("/model/head_dim", json!(0), &["model", "of 0 elements"]),
        ("/positions/fingerprint", json!("x"), &["positions", "RoPE x", "same base and scaling"]),
        ("/positions/readings/0/start", json!(-1), &["header", "JSON"]),
        ("/positions/readings/0/start", json!(71), &["header, positions.readings", "among the tokens"]),
        ("/cache_format", json!("f12"), &["keys and values", "f32", "f12"]),
        ("/tokens", json!(huge), &["header", "sizes that fit"]),
        ("/tokens", json!(huge / 8), &["at least", "cut"]),
        ("/tokens", json!(0), &["file: expected"]),
        ("/tokens", json!(80), &["rows", "found parts of"]),
        ("/compressed", json!(71), &["compressed: expected at most 70", "found 71"]),
        ("/history", json!("00000000000000ff"), &["history", "damaged"]),
        ("/history", json!("ff"), &["header", "16 hexadecimal digits"]),
        ("/layers", json!([]), &["layers: expected"]),
        ("/layers/0/dropped", json!(1), &["layer 0, dropped", "at most 0"]),
        ("/layers/1/keys", json!([]), &["file: expected"]),
        ("/layers/0/keys/0", json!(huge), &["sizes that fit"]),
        ("/layers/0/values/0", json!(64), &["file: expected"]),
        ("/layers/0/values", json!([huge, huge]), &["sizes that fit"]),
        ("/layers/0/checksum", json!("00000000000000ff"), &["layer 0: expected the checksum"]),
    ];
    for (pointer, value, expected) in cases {
        let mut parts = parts.clone();
        *parts.header.pointer_mut(pointer).unwrap() = value;
        refused(&path, &parts.bytes(), expected);
    }
    for json in [&b""[..], b"{", b"[]", b"null", b"\xff", "[".repeat(10_000).as_bytes()] {
        refused(&path, &parts.with_json(json), &["header", "JSON"]);
    }
    let mut more = parts.clone();
    more.header["surprise"] = json!(1);
    refused(&path, &more.bytes(), &["unknown field `surprise`"]);
    // a header that does not end where sections may begin
    let mut bytes = parts.bytes();
    let shorter = header_end(&bytes) - PREFIX - 4;
    bytes[12..16].copy_from_slice(&(shorter as u32).to_le_bytes());
    seal(&mut bytes);
    refused(&path, &bytes, &["context: "]);
    std::fs::write(&path, parts.bytes()).unwrap();
    load(&path, &options(100)).unwrap();
}

#[test]
fn failed_writes_leave_what_was_there() {
    let (folder, path) = saved();
    let before = std::fs::read(&path).unwrap();
    let empty = session(&model(MODEL), 10);
    says(empty.save(&path, &fingerprint(MODEL)), &["at least 1", "found 0"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let session = load(&path, &options(100)).unwrap();
    says(session.save(folder.path().join("no/folder"), &fingerprint(MODEL)), &["no/folder"]);
    says(session.save(folder.path(), &fingerprint(MODEL)), &["a regular file"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}
