//! [`write_whole`]: a file that is there as a whole or not at all.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Bytes that are handed to the system at once.
const BUFFER: usize = 1 << 20;

/// Names that are tried for the unfinished file. More are never taken but by as many writers of one process to one file.
const NAMES: usize = 100;

/// Writes a file under another name in the same folder, waits until the disk has it, and renames it. A file that was there is replaced as a
/// whole, and leaves its permissions to the new one; after an error it is as it was, and nothing else is left. Of a symbolic link it is the
/// file behind it that is replaced.
///
/// # Errors
/// [`Error::Io`] where that fails, [`Error::File`] for a path that is a folder, a pipe or a device.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let before = fs::metadata(path).ok();
    // a device would be replaced by a file
    if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return Err(Error::file(path, "file", "a regular file, or none", "a folder, a pipe or a device"));
    }
    // a rename would replace a link, not the file that it names
    let target = if before.is_some() { fs::canonicalize(path) } else { Ok(path.into()) };
    let target = target.map_err(Error::io(path))?;
    let (file, unfinished) = create_beside(&target).map_err(Error::io(path))?;
    let mut out = BufWriter::with_capacity(BUFFER, file);
    write(&mut out)
        .and_then(|()| out.flush())
        .and_then(|()| before.map_or(Ok(()), |before| out.get_ref().set_permissions(before.permissions())))
        .and_then(|()| out.get_ref().sync_all())
        .and_then(|()| fs::rename(&unfinished, &target))
        .map_err(|source| {
            // what is left of it helps nobody
            let _ = fs::remove_file(&unfinished);
            Error::Io { path: path.into(), source }
        })
}

/// A new file in the same folder.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut result = Err(ErrorKind::AlreadyExists.into());
    for i in 0..NAMES {
        let mut name = OsString::from(path);
        name.push(format!(".{}-{i}.partial", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&name);
        let is_taken = matches!(&file, Err(error) if error.kind() == ErrorKind::AlreadyExists);
        result = file.map(|file| (file, name.into()));
        if !is_taken {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let full = |out: &mut BufWriter<File>| {
            out.write_all(b"half of")?;
            out.flush()?;
            Err(ErrorKind::StorageFull.into())
        };
        assert!(matches!(write_whole(&path, full), Err(Error::Io { .. })));
        assert!(names(folder.path()).is_empty());
        write_whole(&path, |out| out.write_all(b"one")).unwrap();
        write_whole(&path, full).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_whole(&path, |out| out.write_all(b"two")).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"two".to_vec(), vec!["file".into()]));
    }

    #[test]
    fn writers_do_not_share_an_unfinished_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_whole(&path, |out| {
            write_whole(&path, |out| out.write_all(b"inner")).map_err(io::Error::other)?;
            out.write_all(b"outer")
        })
        .unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"outer".to_vec(), 1));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", &link).unwrap();
        write_whole(&link, |out| out.write_all(b"two")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(folder.path(), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("expected a regular file, or none"), "{error}");
        assert!(write_whole(&folder.path().join("missing/file"), |_| Ok(())).is_err());
        assert!(names(folder.path()).is_empty());
    }
}
