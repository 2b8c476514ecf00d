//! [`ResultsFolder`]: a folder that results are added to, one sample at a time.

use super::read::{read_header, read_records};
use super::{HEADER_FILE, RECORDS_FILE, RunHeader};
use crate::error::{Error, Result};
use minference_attention::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder of one run. While it is open, no other run may write there.
#[derive(Debug)]
pub struct ResultsFolder<R> {
    path: PathBuf,
    file: File,
    records: Vec<R>,
    was_cut: bool,
}

impl<R: Serialize + DeserializeOwned + Clone> ResultsFolder<R> {
    /// Makes a folder for a run, or goes on with that of an earlier one.
    ///
    /// # Errors
    /// Results of another run in it, another run that writes there, a file that is not what it
    /// should be, one that can't be read or written. Nothing is changed then. (A last line without
    /// an end is what is left of a run that was killed while it wrote: it is taken away.)
    pub fn open(path: &Path, header: &RunHeader) -> Result<Self> {
        let wrong = |path: PathBuf| move |source| Error::Write { path, source };
        std::fs::create_dir_all(path).map_err(wrong(path.to_path_buf()))?;
        let (header_path, records_path) = (path.join(HEADER_FILE), path.join(RECORDS_FILE));
        let file = open_records(&records_path)?;
        // only the holder of the records looks at the header
        if header_path.try_exists().map_err(wrong(header_path.clone()))? {
            check_same(path, &read_header(path)?, header)?;
        } else {
            if file.metadata().map_err(wrong(records_path.clone()))?.len() > 0 {
                let expected = format!("{HEADER_FILE} beside it, which says what was run");
                return Err(Error::file(&records_path, None, expected, "none"));
            }
            let json = serde_json::to_vec_pretty(header).map_err(std::io::Error::other);
            let written = json.and_then(|json| files::write_bytes(&header_path, json));
            written.map_err(wrong(header_path))?;
        }
        let read = read_records(path)?;
        if read.was_cut {
            file.set_len(read.bytes).map_err(wrong(records_path))?;
        }
        Ok(Self { path: path.to_path_buf(), file, records: read.records, was_cut: read.was_cut })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All records, those of earlier runs first.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// Whether an unfinished line was taken away when it was opened.
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }

    /// Forgets records, for those who will find them again.
    ///
    /// # Errors
    /// [`Error::Write`] where the others can't be written; then all are still there.
    pub fn retain(&mut self, keep: impl Fn(&R) -> bool) -> Result<()> {
        if self.records.iter().all(&keep) {
            return Ok(());
        }
        let path = self.path.join(RECORDS_FILE);
        let wrong = |source| Error::Write { path: path.clone(), source };
        let kept: Vec<R> = self.records.iter().filter(|record| keep(record)).cloned().collect();
        files::write_bytes(&path, lines(&kept).map_err(wrong)?).map_err(wrong)?;
        self.file = open_records(&path)?;
        self.records = kept;
        Ok(())
    }

    /// Adds records, all or none.
    ///
    /// # Errors
    /// [`Error::Write`] where they can't be written.
    pub fn append(&mut self, records: &[R]) -> Result<()> {
        let wrong = |source| Error::Write { path: self.path.join(RECORDS_FILE), source };
        let lines = lines(records).map_err(wrong)?;
        let before = self.file.metadata().map_err(wrong)?.len();
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // a full disk must not leave half a line in the middle of what a later run adds
            let _ = self.file.set_len(before);
            return Err(wrong(source));
        }
        self.records.extend_from_slice(records);
        Ok(())
    }
}

/// The file of records, which is made if need be, and is this run's alone while it is open.
fn open_records(path: &Path) -> Result<File> {
    let options = files::check_regular_or_absent(path)
        .and_then(|()| OpenOptions::new().create(true).read(true).append(true).open(path));
    let file = options.map_err(Error::write(path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let expected = "no other run that writes there; wait for it, or choose another --output";
            Err(Error::choice(path.display().to_string(), expected, "one"))
        }
        // a system without locks can't keep others out
        _ => Ok(file),
    }
}

/// A line for each record.
fn lines<R: Serialize>(records: &[R]) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).map_err(std::io::Error::other)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Refuses to go on with another run.
fn check_same(path: &Path, found: &RunHeader, wanted: &RunHeader) -> Result<()> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            differences.push(format!("{what} {found} instead of {wanted}"));
        }
    };
    compare("evaluation", found.evaluation.name(), wanted.evaluation.name());
    compare(
        "model",
        &format!("{} ({})", found.model, found.fingerprint),
        // the same weights may have another name
        &if found.fingerprint == wanted.fingerprint {
            format!("{} ({})", found.model, found.fingerprint)
        } else {
            format!("{} ({})", wanted.model, wanted.fingerprint)
        },
    );
    let none = String::from("none");
    let keys = found.settings.keys().chain(wanted.settings.keys());
    let keys: std::collections::BTreeSet<&String> = keys.collect();
    for key in keys {
        let value = |header: &RunHeader| header.settings.get(key).unwrap_or(&none).clone();
        compare(key, &value(found), &value(wanted));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let expected = "results of the same run, to go on with; choose another --output for this one";
    Err(Error::file(&path.join(HEADER_FILE), None, expected, differences.join(", ")))
}
