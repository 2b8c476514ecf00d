//! [`Lock`]: one process at a time makes a file.

use super::http::pause;
use super::partial::create_parent;
use super::progress::{Activity, FetchProgress, FetchStep};
use super::{FetchError, Result};
use minference_attention::files;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Held until it is dropped, or the process ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other process holds it. Lock files stay: removing them would race with who
    /// waits.
    pub(super) fn acquire(path: &Path, what: &str, progress: &dyn FetchProgress) -> Result<Self> {
        create_parent(path)?;
        let file = files::check_regular_or_absent(path).and_then(|()| File::create(path));
        let file = file.map_err(|source| FetchError::io(path, source, None))?;
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    progress.advance(&FetchStep { activity: Activity::Waiting, what, done: 0, total: None });
                    pause(Duration::from_millis(100), progress)?;
                }
                // file systems without locks: two processes at once would notice by the hash
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(Self { _file: file }),
            }
        }
    }
}
