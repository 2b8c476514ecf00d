//! [`WholeFile`]: a file that is there as a whole or not at all.

use super::problem::{FileProblem, check_regular};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Bytes that are handed to the system at once.
const BUFFER: usize = 1 << 20;

/// Names that are tried for the unfinished file. More are never taken but by as many writers of one
/// process to one file.
const NAMES: usize = 100;

/// Links that are followed from one to the next; as many as systems follow.
const LINKS: usize = 40;

/// A file that is being written under another name in the same folder, until
/// [`finish`](Self::finish) gives it its own.
///
/// A file that was there is replaced as a whole, and leaves its permissions to the new one; of a
/// symbolic link it is the file behind it that is replaced, or made where there is none. Without
/// `finish` all is as it was, and nothing else is left.
#[derive(Debug)]
pub struct WholeFile {
    out: BufWriter<File>,
    unfinished: PathBuf,
    target: PathBuf,
    permissions: Option<Permissions>,
    is_finished: bool,
}

impl WholeFile {
    /// Begins one. The folder must be there.
    ///
    /// # Errors
    /// What the system says; [`FileProblem::NotRegular`] for a path that is a folder, a pipe or a
    /// device, [`FileProblem::ReadOnly`] for a file that may not be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        check_regular_or_absent(path)?;
        let target = behind_links(path)?;
        let permissions = fs::metadata(&target).ok().map(|metadata| metadata.permissions());
        if permissions.as_ref().is_some_and(Permissions::readonly) {
            return Err(FileProblem::ReadOnly.into());
        }
        let (file, unfinished) = create_beside(&target)?;
        let out = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { out, unfinished, target, permissions, is_finished: false })
    }

    /// Waits until the disk has all of it, and gives it its name.
    ///
    /// # Errors
    /// What the system says. The file is then as it was.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some(permissions) = self.permissions.take() {
            self.out.get_ref().set_permissions(permissions)?;
        }
        // On the disk before it has its name: a crash must not leave half a file under it.
        self.out.get_ref().sync_all()?;
        fs::rename(&self.unfinished, &self.target)?;
        self.is_finished = true;
        // So that the name lasts, too, where folders can be waited for.
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // The unfinished file is of no use.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Writes a [`WholeFile`].
///
/// # Errors
/// As [`WholeFile::create`] and [`WholeFile::finish`], and those of `write`.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut WholeFile) -> io::Result<()>) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    write(&mut file)?;
    file.finish()
}

/// Writes bytes that are there as a [`WholeFile`].
///
/// # Errors
/// As [`write_whole`].
pub fn write_bytes(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    write_whole(path, |file| file.write_all(bytes.as_ref()))
}

/// Whether [`WholeFile::create`] would do, and nothing is changed: for those who would find out
/// after long work.
///
/// # Errors
/// As [`WholeFile::create`].
pub fn check_writable(path: &Path) -> io::Result<()> {
    WholeFile::create(path).map(drop)
}

/// Refuses a path that is there and no regular file: a device would be replaced by a file, and a
/// pipe be waited for.
///
/// # Errors
/// [`FileProblem::NotRegular`].
pub fn check_regular_or_absent(path: &Path) -> io::Result<()> {
    // A path that can't be looked at fails when it is opened, with the system's reason.
    fs::metadata(path).map_or(Ok(()), |metadata| check_regular(metadata.file_type()))
}

/// Makes the folder that a file is to lie in, and those above it.
///
/// # Errors
/// What the system says.
pub fn make_folder_of(path: &Path) -> io::Result<()> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), fs::create_dir_all)
}

/// The file that a path means: a rename would replace a link, not the file that it names, which
/// need not be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..LINKS {
        if !fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(target);
        }
        let next = fs::read_link(&target)?;
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    // Links that lead to each other: the system says so.
    fs::canonicalize(path)
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
        let full = |out: &mut WholeFile| {
            out.write_all(b"half of")?;
            out.flush()?;
            Err(ErrorKind::StorageFull.into())
        };
        assert_eq!(write_whole(&path, full).unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(names(folder.path()).is_empty());
        write_bytes(&path, "one").unwrap();
        write_whole(&path, full).unwrap_err();
        check_writable(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_bytes(&path, "two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"two".to_vec(), vec!["file".into()]));
    }

    #[test]
    fn writers_do_not_share_an_unfinished_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_whole(&path, |out| {
            write_bytes(&path, "inner")?;
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
        let [path, link, to_link] = ["file", "link", "to-link"].map(|name| folder.path().join(name));
        symlink("file", &link).unwrap();
        symlink(&link, &to_link).unwrap();
        // a link to nothing says where the file is to be
        write_bytes(&to_link, "one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        write_bytes(&to_link, "two").unwrap();
        for link in [&link, &to_link] {
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        }
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(write_bytes(&to_link, "three").unwrap_err().to_string().contains("read-only"));
        fs::remove_file(&path).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&to_link, &link).unwrap();
        assert!(write_bytes(&link, "four").is_err());
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn only_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_bytes(folder.path(), "").unwrap_err().to_string();
        assert!(error.contains("expected a regular file, found a folder"), "{error}");
        assert!(write_bytes(&folder.path().join("missing/file"), "").is_err());
        assert!(names(folder.path()).is_empty());
        let below = folder.path().join("new/folders/file");
        make_folder_of(&below).unwrap();
        write_bytes(&below, "x").unwrap();
        make_folder_of(Path::new("file")).unwrap();
    }
}
