//! Errors are printed with their causes, each of which, and each path, is said once.

use super::search::SMALL;
use super::{Outcome, Workplace, outcome};
use minference_attention::pattern::config::PatternConfig;
use minference_fetch::FetchError;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// The texts of an error and its causes, after checking that none is part of another.
fn links(error: &dyn Error) -> Vec<String> {
    let mut links = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        links.push(error.to_string());
        cause = error.source();
    }
    for (place, link) in links.iter().enumerate() {
        let others = links.iter().enumerate().filter(|(other, _)| *other != place);
        assert!(others.clone().all(|(_, other)| !other.contains(&**link)), "{links:?}");
    }
    links
}

/// The kinds of errors that have a cause, and those that pass another's on, of all crates.
#[test]
fn no_link_of_a_chain_repeats_in_another() {
    let path = || PathBuf::from("folder/file");
    let cause = || io::Error::from_raw_os_error(2);
    let all: [Box<dyn Error>; 7] = [
        Box::new(minference_attention::Error::PatternFileIo { path: path(), source: cause() }),
        Box::new(minference_model::Error::Io { path: path(), source: cause() }),
        Box::new(minference_eval::Error::Read { path: path(), source: cause() }),
        Box::new(minference_eval::Error::Write { path: path(), source: cause() }),
        Box::new(FetchError::Io { path: path(), source: cause() }),
        Box::new(FetchError::NoPermission { path: path(), source: cause() }),
        Box::new(minference_eval::Error::from(minference_model::Error::from(
            minference_attention::Error::PatternFileIo { path: path(), source: cause() },
        ))),
    ];
    for error in all {
        let links = links(&*error);
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(links[0].contains("folder/file") && links[1] == cause().to_string(), "{links:?}");
        let whole = links.join(": ");
        assert!(
            whole.matches("folder/file").count() == 1 && whole.matches("os error").count() == 1,
            "{whole}"
        );
    }
    // what is told of other sources says all of it, in one text
    let attempts = vec![("pip".into(), FetchError::Io { path: path(), source: cause() })];
    let text = links(&FetchError::AllSourcesFailed { model: "demo".into(), attempts }).join(": ");
    assert!(text.matches("folder/file").count() == 1 && text.matches("os error").count() == 1, "{text}");
    let read = PatternConfig::read(Path::new("nowhere.json")).unwrap_err();
    assert_eq!(links(&read).len(), 2);
}

/// What the program says, after checking that nothing is said twice.
fn said_once(Outcome { code, stderr, .. }: Outcome, path: &str) {
    assert_ne!(code, Some(0), "{stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(error.matches(path).count(), 1, "{error}");
    assert!(error.matches("os error").count() <= 1, "{error}");
    let parts: Vec<&str> = error.split(": ").collect();
    let repeated = parts.iter().enumerate().find(|(place, part)| parts[..*place].contains(part));
    assert_eq!(repeated, None, "{error}");
}

#[test]
fn what_is_printed_names_each_cause_and_path_once() {
    let workplace = Workplace::new();
    workplace.write("broken.gguf", "GGUF and no more");
    workplace.write("wrong.json", "[");
    std::fs::create_dir_all(workplace.path().join("folder")).unwrap();
    std::fs::create_dir_all(workplace.path().join("done")).unwrap();
    workplace.write("done/run.json", "{");
    let with_model = |command: &[&str], arguments: &[&str]| {
        let model: &[&str] = if arguments.contains(&"--model") { &[] } else { &["--model", "model.gguf"] };
        outcome(workplace.minference(&[command, model, arguments].concat()).write_stdin("/load missing\n"))
    };
    let cases: [(&[&str], &[&str], &str); 21] = [
        (&["run"], &["-f", "missing"], "missing"),
        (&["run"], &["-p", "Hi", "--patterns", "missing"], "missing"),
        (&["run"], &["-p", "Hi", "--patterns", "wrong.json"], "wrong.json"),
        (&["run"], &["-p", "Hi", "--context-file", "missing"], "missing"),
        (&["run"], &["-p", "Hi", "--context-file", "model.gguf"], "model.gguf"),
        (&["run"], &["-p", "Hi", "--save-context", "missing/file"], "missing/file"),
        (&["run"], &["-p", "Hi", "--model", "broken.gguf"], "broken.gguf"),
        (&["run"], &["-p", "Hi", "--model", "missing.gguf"], "missing.gguf"),
        (&["run"], &["-p", "Hi", "--model", "./folder"], "./folder"),
        (&["patterns", "check", "wrong.json"], &[], "wrong.json"),
        (&["chat"], &["--document", "missing"], "missing"),
        (&["chat"], &[], "missing"),
        (&["search"], &["--calibration", "missing"], "missing"),
        (&["inspect"], &["-f", "missing"], "missing"),
        (&["eval", "needle"], &["--text", "missing"], "missing"),
        (&["eval", "needle"], &["--lengths", "3K", "--output", "done"], "done"),
        (&["eval", "perplexity"], &["--text", "missing"], "missing"),
        (&["eval", "ruler"], &["--words", "missing"], "missing"),
        (&["eval", "ruler"], &["--read", "missing/vt.jsonl"], "missing/vt.jsonl"),
        (&["bench", "prefill"], &["--definition", "wrong.json"], "wrong.json"),
        (&["bench", "prefill"], &["--lengths", "1K", "--output", "done"], "done"),
    ];
    for (command, arguments, path) in cases {
        said_once(with_model(command, arguments), path);
    }
    let search = [&SMALL[..], &["--output", "missing/file"]].concat();
    said_once(with_model(&["search"], &search), "missing/file");
    let plain: [(&[&str], &str); 5] = [
        (&["report", "missing"], "missing"),
        (&["report", "done"], "done"),
        (&["patterns", "show", "missing"], "missing"),
        (&["bench", "attention", "--input", "missing"], "missing"),
        (&["bench", "attention", "--json", "missing/file"], "missing/file"),
    ];
    for (arguments, path) in plain {
        said_once(outcome(&mut workplace.minference(arguments)), path);
    }
}
