//! Reading regular files, up to a limit.

use super::problem::{FileProblem, check_regular};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file.
///
/// # Errors
/// What the system says; [`FileProblem::NotRegular`] for a folder, a pipe or a device, which is not
/// opened: opening alone may wait for ever.
pub fn open(path: &Path) -> io::Result<File> {
    check_regular(fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    // The name may stand for something else by now.
    check_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// All bytes of a regular file that has at most `limit` of them, whatever the system says about its
/// length.
///
/// # Errors
/// As [`open`]; [`FileProblem::TooLong`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(FileProblem::TooLong { limit, found: Some(length) }.into());
    }
    // a file of the system can say that it is empty, and have no end
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FileProblem::TooLong { limit, found: None }.into());
    }
    Ok(bytes)
}

/// The text of a regular file in UTF-8 that has at most `limit` bytes.
///
/// # Errors
/// As [`read`]; [`FileProblem::NotText`].
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|error| FileProblem::NotText { place: error.utf8_error().valid_up_to() }.into())
}

#[cfg(test)]
mod tests {
    use super::super::FileKind;
    use super::*;

    fn problem(error: &io::Error) -> Option<&FileProblem> {
        error.get_ref()?.downcast_ref()
    }

    #[test]
    fn limits_hold_whatever_the_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "caf\u{e9}").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "caf\u{e9}");
        let error = read(&path, 4).unwrap_err();
        assert_eq!(problem(&error), Some(&FileProblem::TooLong { limit: 4, found: Some(5) }));
        fs::write(&path, b"caf\xe9").unwrap();
        let error = read_text(&path, 5).unwrap_err();
        assert_eq!(problem(&error), Some(&FileProblem::NotText { place: 3 }));
        // As large as a disk, and empty: nothing of it is read.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read(&path, 1 << 30).unwrap_err();
        assert_eq!(problem(&error), Some(&FileProblem::TooLong { limit: 1 << 30, found: Some(1 << 40) }));
        assert_eq!(read(&folder.path().join("none"), 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// The system says of these that they are regular and empty.
    #[cfg(target_os = "linux")]
    #[test]
    fn files_of_the_system_are_read_to_the_limit() {
        let path = Path::new("/proc/self/status");
        assert!(read_text(path, 1 << 20).unwrap().contains("VmPeak"));
        assert_eq!(
            problem(&read(path, 10).unwrap_err()),
            Some(&FileProblem::TooLong { limit: 10, found: None })
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_may_have_no_end_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let mut all = vec![
            (folder.path(), FileKind::Folder),
            (Path::new("/dev/zero"), FileKind::Device),
            (&socket, FileKind::Socket),
        ];
        if made.is_ok_and(|status| status.success()) {
            all.push((&pipe, FileKind::Pipe));
        }
        for (path, found) in all {
            let error = read(path, 10).unwrap_err();
            assert_eq!(problem(&error), Some(&FileProblem::NotRegular { found }));
            assert!(error.to_string().starts_with("expected a regular file, found a "));
        }
    }
}
