//! Contexts in files: what is saved comes back to the byte, and whatever is not right is refused.

#[path = "../support/changes.rs"]
mod changes;
mod damage;
#[path = "../support/golden.rs"]
mod golden;
mod mutations;
mod other_sessions;
mod parts;
mod round_trips;
#[path = "../support/tiny_sessions.rs"]
mod tiny_sessions;

use minference_model::CacheFormat;
use minference_model::files::Fingerprint;
use minference_model::session::context_file::LoadOptions;
use minference_model::{Result, Session, SessionOptions};
use std::path::Path;
use tiny_sessions::{compute, decoder, dense, model, session, tokens};

/// The model of most tests.
const MODEL: &str = "llama3";

fn fingerprint(model: &str) -> Fingerprint {
    minference_model::ModelFiles::open(tiny_sessions::model(model).path).unwrap().fingerprint()
}

/// All of a file into a session in `f32`.
fn options(capacity: usize) -> LoadOptions {
    LoadOptions::all(SessionOptions { cache: CacheFormat::F32, ..SessionOptions::for_tokens(capacity) })
}

fn load(path: &Path, options: &LoadOptions) -> Result<Session> {
    Session::load(path, decoder(&model(MODEL)), compute(), &fingerprint(MODEL), options)
}

/// A file of 70 tokens in a folder of its own.
fn saved() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context");
    let mut session = session(&model(MODEL), 80);
    session.prefill(&tokens(70, 1), &dense()).unwrap();
    session.save(&path, &fingerprint(MODEL)).unwrap();
    (folder, path)
}

/// That an error says all of this.
fn says<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().unwrap_or_else(|| panic!("nothing is refused: {parts:?}"));
    // as programs print it
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    let error = format!("{error}{}", cause.unwrap_or_default());
    assert!(parts.iter().all(|part| error.contains(part)), "expected {parts:?} in {error}");
}
