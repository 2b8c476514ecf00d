//! Names of files behind a command, written as for a shell: what the Tab key puts there, and what
//! people are used to.

use rustyline::completion::unescape;
use std::env::home_dir;
use std::path::PathBuf;

/// What takes from the next character what it would otherwise mean. On Windows it stands between
/// folders.
const ESCAPE: char = '\\';

/// The file that is meant. In quotes a name is as it stands, but for what is escaped in double
/// ones; otherwise `~/` is the home folder, spaces need not be escaped, and what is escaped is
/// itself.
pub(super) fn file(argument: &str) -> PathBuf {
    // an open quote ends with the line
    let quoted = |quote| argument.strip_prefix(quote).map(|rest| rest.strip_suffix(quote).unwrap_or(rest));
    if let Some(name) = quoted('\'') {
        return name.into();
    }
    if let Some(name) = quoted('"') {
        return unescape(name, Some(ESCAPE)).into_owned().into();
    }
    let plain = |name| PathBuf::from(unescape(name, (!cfg!(windows)).then_some(ESCAPE)).into_owned());
    match (argument.strip_prefix("~/"), home_dir()) {
        (Some(name), Some(home)) => home.join(plain(name)),
        _ => plain(argument),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustyline::completion::FilenameCompleter;

    #[test]
    fn names_are_written_as_for_a_shell() {
        for (argument, expected) in [
            ("book.txt", "book.txt"),
            ("my notes.txt", "my notes.txt"),
            (r"my\ notes\\.txt", r"my notes\.txt"),
            ("it's.txt", "it's.txt"),
            (r#""my \"notes\".txt""#, r#"my "notes".txt"#),
            (r"'my\ notes.txt'", r"my\ notes.txt"),
            ("'not closed", "not closed"),
            ("'~/book.txt'", "~/book.txt"),
            (r"\~/book.txt", "~/book.txt"),
            ("a~/b", "a~/b"),
        ] {
            assert_eq!(file(argument), PathBuf::from(expected), "{argument}");
        }
        let home = home_dir().unwrap();
        assert_eq!(file(r"~/my\ notes.txt"), home.join("my notes.txt"));
    }

    #[test]
    fn completed_names_are_those_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a (draft), $5 & more.txt", "b's \"notes\".txt", r"c\d.txt"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            for quote in ["", "\"", "'"] {
                if quote == "'" && name.contains(quote) {
                    continue;
                }
                let line = format!("/document {quote}{}/{}", folder.path().display(), &name[..1]);
                let (start, found) = FilenameCompleter::new().complete_path(&line, line.len()).unwrap();
                assert_eq!(found.len(), 1, "{line}");
                let completed = format!("{}{}", &line[..start], found[0].replacement);
                assert_eq!(file(completed.strip_prefix("/document ").unwrap()), path, "{completed}");
            }
        }
    }
}
