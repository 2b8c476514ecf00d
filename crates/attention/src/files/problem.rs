//! [`FileProblem`]: what stands where a file was expected.

use std::fmt;
use std::fs::FileType;
use std::io;

/// Why a path is not read or written, though the system would do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// Something else than a regular file.
    #[error("expected a regular file, found {found}")]
    NotRegular {
        /// What it is.
        found: FileKind,
    },
    /// More than is read of such a file.
    #[error("expected at most {limit} bytes, found {}", found.map_or("more".into(), |bytes| bytes.to_string()))]
    TooLong {
        /// Bytes that would have been read.
        limit: u64,
        /// Its length, where the system knows it.
        found: Option<u64>,
    },
    /// Other bytes than text in UTF-8.
    #[error("expected text in UTF-8, found other bytes at {place}; convert it, for example with iconv")]
    NotText {
        /// The first of them, counted from 0.
        place: usize,
    },
    /// A file that may not be written to.
    #[error("expected a file that may be written to, or none, found one that is read-only")]
    ReadOnly,
}

/// What is no regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A pipe with a name, or what a shell makes of `<(command)`.
    Pipe,
    /// A socket.
    Socket,
    /// A device, or what the system can't tell from one.
    Device,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::Pipe => "a pipe, which may never end; write what comes from it to a file first",
            Self::Socket => "a socket",
            Self::Device => "a device, which may never end",
        })
    }
}

impl From<FileProblem> for io::Error {
    fn from(problem: FileProblem) -> Self {
        let kind = match problem {
            FileProblem::NotRegular { .. } => io::ErrorKind::InvalidInput,
            FileProblem::TooLong { .. } => io::ErrorKind::FileTooLarge,
            FileProblem::NotText { .. } => io::ErrorKind::InvalidData,
            FileProblem::ReadOnly => io::ErrorKind::PermissionDenied,
        };
        Self::new(kind, problem)
    }
}

/// Refuses all but regular files.
pub(super) fn check_regular(kind: FileType) -> io::Result<()> {
    if kind.is_file() { Ok(()) } else { Err(FileProblem::NotRegular { found: FileKind::of(kind) }.into()) }
}

impl FileKind {
    #[cfg(unix)]
    fn of(kind: FileType) -> Self {
        use std::os::unix::fs::FileTypeExt;

        if kind.is_dir() {
            Self::Folder
        } else if kind.is_fifo() {
            Self::Pipe
        } else if kind.is_socket() {
            Self::Socket
        } else {
            Self::Device
        }
    }

    #[cfg(not(unix))]
    fn of(kind: FileType) -> Self {
        if kind.is_dir() { Self::Folder } else { Self::Device }
    }
}
