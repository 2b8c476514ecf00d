//! Files with random changes: they are refused, and never take more memory than a small multiple of
//! what they hold.

use super::changes::{change, most_memory};
use super::parts::{ContextFileParts, header_end, seal};
use super::tiny_sessions::{compute, decoder, model};
use super::{MODEL, fingerprint, options, saved};
use minference_model::files::Fingerprint;
use minference_model::session::context_file::ContextFile;
use minference_model::{Compute, Decoder, Session};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// What opening and loading take beside a multiple of the file.
const FREE: usize = 1 << 20;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| std::fs::read(saved().1).unwrap());
static MODEL_PARTS: LazyLock<(Arc<Decoder>, Compute, Fingerprint)> =
    LazyLock::new(|| (decoder(&model(MODEL)), compute(), fingerprint(MODEL)));

/// Whether a file is opened and loaded, and the most memory that it takes.
fn try_to_load(bytes: &[u8]) -> (bool, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    std::fs::write(&path, bytes).unwrap();
    let (decoder, compute, fingerprint) = &*MODEL_PARTS;
    let mut loaded = false;
    let memory = most_memory(|| {
        let result = ContextFile::open(&path)
            .and_then(|file| file.load(decoder.clone(), compute.clone(), fingerprint, &options(100)));
        loaded = result.is_ok_and(|session: Session| session.tokens() == 70);
    });
    (loaded, memory)
}

/// Every number, list and text of a header.
fn pointers(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers(value, format!("{here}/{name}"), all));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(i, value)| pointers(value, format!("{here}/{i}"), all));
        }
        _ => {}
    }
    all.push(here);
}

fn hostile_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|number| json!(number)),
        (0u32..64).prop_map(|shift| json!(1u64 << shift)),
        (0u64..5000).prop_map(|number| json!(number)),
        prop::collection::vec(any::<u64>(), 0..4).prop_map(|numbers| json!(numbers)),
        Just(json!(u64::MAX)),
        Just(json!(-1)),
        Just(json!(0.5)),
        Just(json!("")),
        Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// No change goes unnoticed.
    #[test]
    fn anywhere(change in change()) {
        let mut bytes = FILE.clone();
        let length = bytes.len();
        change.apply(&mut bytes, length);
        let (loaded, memory) = try_to_load(&bytes);
        prop_assert_eq!(loaded, bytes == *FILE);
        prop_assert!(memory <= FREE + 20 * FILE.len(), "{} bytes", memory);
    }

    /// By someone who knows how to make the header's checksum.
    #[test]
    fn in_a_sealed_header(change in change()) {
        let mut bytes = FILE.clone();
        let end = header_end(&bytes);
        change.apply(&mut bytes, end);
        if bytes.len() > end {
            seal(&mut bytes);
        }
        let (_, memory) = try_to_load(&bytes);
        prop_assert!(memory <= FREE + 20 * FILE.len(), "{} bytes", memory);
    }

    #[test]
    fn of_a_sealed_header_s_fields(
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile_value()), 1..4)
    ) {
        let mut parts = ContextFileParts::of(&FILE);
        for (at, value) in changes {
            let mut all = Vec::new();
            pointers(&parts.header, String::new(), &mut all);
            if let Some(field) = parts.header.pointer_mut(at.get::<String>(&all)) {
                *field = value;
            }
        }
        let bytes = parts.bytes();
        let (_, memory) = try_to_load(&bytes);
        prop_assert!(memory <= FREE + 20 * bytes.len(), "{} bytes", memory);
    }
}
