//! What is saved comes back.

use super::tiny_sessions::{compressing, compute, decoder, dense, model, session, snap, tokens};
use super::{MODEL, fingerprint, load, options, saved, says};
use minference_model::CacheFormat;
use minference_model::session::context_file::{ContextFile, LoadOptions};
use minference_model::session::kv_cache::{KvCompression, PyramidKv, SnapKv};
use minference_model::{Session, SessionOptions};
use serde_json::json;

/// Logits after some further tokens, several at once and one at a time.
fn go_on(session: &mut Session) -> Vec<Vec<f32>> {
    let mut logits = vec![session.prefill(&tokens(9, 3), &dense()).unwrap().logits];
    logits.extend((0..5).map(|token| session.decode(token).unwrap()));
    logits
}

#[test]
fn sessions_go_on_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    // two kinds of positions; a scaling; a window; one that depends on the length
    for name in [MODEL, "gemma3", "qwen2_yarn", "mistral", "llama_dynamic"] {
        for cache in CacheFormat::ALL {
            let (decoder, fingerprint) = (decoder(&model(name)), fingerprint(name));
            let options = SessionOptions { cache, ..SessionOptions::for_tokens(350) };
            let mut session = Session::new(decoder.clone(), compute(), options).unwrap();
            session.prefill(&tokens(300, 1), &dense()).unwrap();
            session.save(&path, &fingerprint).unwrap();
            let more_room = SessionOptions { capacity: 400, ..options };
            let loaded = Session::load(&path, decoder, compute(), &fingerprint, &LoadOptions::all(more_room));
            let mut loaded = loaded.unwrap();
            assert_eq!((loaded.tokens(), loaded.capacity()), (300, 400));
            assert_eq!(loaded.history(), session.history());
            assert_eq!(loaded.cache().bytes(), session.cache().bytes());
            assert_eq!(go_on(&mut loaded), go_on(&mut session), "{name}, {cache}");
            // what was saved and loaded can be saved again
            loaded.truncate(300).unwrap();
            let before = std::fs::read(&path).unwrap();
            loaded.save(&path, &fingerprint).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), before, "{name}, {cache}");
        }
    }
}

#[test]
fn compressed_sessions_come_back_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    let pyramid = KvCompression::PyramidKv(PyramidKv::new(SnapKv::with_capacity(100).unwrap()));
    for compression in [snap(64), pyramid] {
        let mut session = session(&model(MODEL), 400);
        session.prefill(&tokens(300, 2), &compressing(compression)).unwrap();
        session.decode(7).unwrap();
        session.save(&path, &fingerprint(MODEL)).unwrap();
        let mut loaded = load(&path, &options(320)).unwrap();
        assert_eq!(loaded.cache().compressed_tokens(), 300);
        assert_eq!((loaded.tokens(), loaded.cache().bytes()), (301, session.cache().bytes()));
        assert_eq!(go_on(&mut loaded), go_on(&mut session), "{compression}");
        assert!(loaded.truncate(299).is_err());
        // only what it has all of, or nothing
        let first = |count| LoadOptions { tokens: Some(count), ..options(320) };
        assert_eq!(load(&path, &first(300)).unwrap().tokens(), 300);
        let none = load(&path, &first(0)).unwrap();
        assert_eq!((none.tokens(), none.cache().bytes(), none.cache().compressed_tokens()), (0, 0, 0));
        says(load(&path, &first(299)), &["0, or 300", "to 301", "found 299"]);
        let file = ContextFile::open(&path).unwrap();
        let question = |beginning: &[u32]| [beginning, &[1, 2]].concat();
        assert_eq!(file.reusable(&question(&tokens(300, 2)), decoder(&model(MODEL)).config()), 300);
        assert_eq!(file.reusable(&question(&tokens(299, 2)), decoder(&model(MODEL)).config()), 0);
    }
}

#[test]
fn rolled_back_sessions_save_what_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    let mut session = session(&model(MODEL), 200);
    session.prefill(&tokens(150, 1), &dense()).unwrap();
    session.truncate(64).unwrap();
    session.save(&path, &fingerprint(MODEL)).unwrap();
    let mut loaded = load(&path, &options(64 + 14)).unwrap();
    assert_eq!(loaded.history(), &tokens(150, 1)[..64]);
    assert_eq!(go_on(&mut loaded), go_on(&mut session));
    assert!(loaded.decode(1).is_err(), "no room is left");
}

#[test]
fn a_beginning_can_be_loaded_alone() {
    let (_folder, path) = saved();
    let file = ContextFile::open(&path).unwrap();
    let prompt = [&tokens(70, 1)[..50], &[59, 58, 57]].concat();
    assert_eq!(file.reusable(&prompt, decoder(&model(MODEL)).config()), 50);
    // less room than the file has tokens
    let mut loaded = load(&path, &LoadOptions { tokens: Some(50), ..options(53) }).unwrap();
    let mut fresh = session(&model(MODEL), 80);
    fresh.prefill(&prompt[..50], &dense()).unwrap();
    for token in &prompt[50..] {
        assert_eq!(loaded.decode(*token).unwrap(), fresh.decode(*token).unwrap());
    }
    assert_eq!(loaded.history(), prompt);
    says(load(&path, &LoadOptions { tokens: Some(71), ..options(80) }), &["at most 70", "found 71"]);
}

/// Codes share scales: what is left of a group is what a rolled back session would have of it.
#[test]
fn a_beginning_of_codes_is_that_of_a_rolled_back_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    let decoder = decoder(&model(MODEL));
    for cache in [CacheFormat::Int8, CacheFormat::Int4] {
        let options = SessionOptions { cache, ..SessionOptions::for_tokens(450) };
        let mut session = Session::new(decoder.clone(), compute(), options).unwrap();
        session.prefill(&tokens(400, 1), &dense()).unwrap();
        session.save(&path, &fingerprint(MODEL)).unwrap();
        let options = LoadOptions { session: options, tokens: Some(150) };
        let mut loaded = load(&path, &options).unwrap();
        session.truncate(150).unwrap();
        assert_eq!(loaded.cache().bytes(), session.cache().bytes());
        assert_eq!(go_on(&mut loaded), go_on(&mut session), "{cache}");
    }
}

#[test]
fn a_file_says_what_is_in_it() {
    let (_folder, path) = saved();
    let file = ContextFile::open(&path).unwrap();
    assert_eq!((file.path(), file.bytes() as u64), (&*path, std::fs::metadata(&path).unwrap().len()));
    assert_eq!((file.tokens(), file.history()), (70, &tokens(70, 1)[..]));
    assert_eq!((file.compressed_tokens(), file.cache_format()), (0, "f32"));
    assert!(file.program().starts_with("minference "));
    assert!(file.model().contains("llama") && file.model().contains(&fingerprint(MODEL).to_string()));
    assert!(file.about().is_null());
    let session = load(&path, &options(70)).unwrap();
    let about = json!({ "messages": ["Who is Emma?", "é"], "number": 0.1 });
    session.save_with(&path, &fingerprint(MODEL), about.clone()).unwrap();
    assert_eq!(ContextFile::open(&path).unwrap().about(), &about);
    // more than anyone would read again
    let huge = json!("x".repeat(17 << 20));
    says(session.save_with(&path, &fingerprint(MODEL), huge), &["header", "at most", "save less"]);
    assert_eq!(ContextFile::open(&path).unwrap().about(), &about, "the file is as it was");
}
