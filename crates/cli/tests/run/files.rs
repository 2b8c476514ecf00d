//! Files that people name: what may never end is refused and not waited for, and what is replaced
//! keeps its links and permissions.

#![cfg(unix)]

use super::search::SMALL;
use super::{ERROR, Outcome, Workplace, contains, outcome};
use minference_attention::HeadPattern;
use minference_attention::pattern::config::{FileFormat, PatternConfig};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

/// What was run, in a folder of results.
const HEADER: &str =
    r#"{"format": 1, "evaluation": "latency", "model": "m", "fingerprint": "9f2c", "settings": {}}"#;

/// A pipe without a writer; says whether there is one.
fn pipe(workplace: &Workplace, name: &str) -> bool {
    let path = workplace.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success());
    if !made {
        println!("skipped: no mkfifo");
    }
    made
}

/// Ends what would wait for ever, as an outcome without a code.
fn patiently(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    outcome(workplace.minference(arguments).timeout(Duration::from_secs(60)))
}

#[test]
fn a_pipe_beside_a_model_is_no_pattern_file() {
    let workplace = Workplace::new();
    if !pipe(&workplace, "model.patterns.json") {
        return;
    }
    let found = patiently(&workplace, &["run", "--model", "model.gguf", "-p", "Hi", "--max-tokens", "1"]);
    found.is_refused(ERROR, &["model.patterns.json", "expected a regular file, found a pipe", "--patterns"]);
    // nor is one in the cache
    let cached = Workplace::new();
    let path =
        patiently(&cached, &[&["search", "--model", "model.gguf"], &SMALL[..]].concat()).succeeds().stdout;
    fs::remove_file(path.trim()).unwrap();
    assert!(pipe(&cached, path.trim()));
    let found = patiently(&cached, &["run", "--model", "model.gguf", "-p", "Hi", "--max-tokens", "1"]);
    found.is_refused(ERROR, &[path.trim(), "found a pipe"]);
}

/// Every option that names a file to read.
#[test]
fn nothing_but_files_is_read() {
    let workplace = Workplace::new();
    if !pipe(&workplace, "pipe") || !pipe(&workplace, "samples/vt.jsonl") {
        return;
    }
    for name in ["results/one/records.jsonl", "infinite/passkey.jsonl"] {
        assert!(pipe(&workplace, name));
    }
    workplace.write("results/one/run.json", HEADER);
    let refused = |arguments: &[&str], parts: &[&str]| {
        patiently(&workplace, arguments).is_refused(ERROR, &[&["expected a regular file"], parts].concat());
    };
    const MODEL: [&str; 2] = ["--model", "model.gguf"];
    let read: [&[&str]; 15] = [
        &["run", "-p", "Hi", "-f"],
        &["run", "-p", "Hi", "--patterns"],
        &["run", "-p", "Hi", "--context-file"],
        &["run", "-p", "Hi", "--save-context"],
        &["chat", "--document"],
        &["chat", "--patterns"],
        &["search", "--calibration"],
        &["inspect", "-f"],
        &["eval", "needle", "--text"],
        &["eval", "perplexity", "--text"],
        &["eval", "ruler", "--essays"],
        &["eval", "ruler", "--words"],
        &["eval", "ruler", "--squad"],
        &["bench", "prefill", "--text"],
        &["bench", "prefill", "--definition"],
    ];
    for arguments in read {
        let (command, option) = arguments.split_at(arguments.len() - 1);
        for (file, found) in [("pipe", "a pipe"), ("/dev/zero", "a device")] {
            refused(&[command, &MODEL, option, &[file]].concat(), &[file, found]);
        }
    }
    for (arguments, file) in [
        (&["eval", "ruler", "--read", "samples"][..], "samples/vt.jsonl"),
        (&["eval", "infinite-bench", "--tasks", "passkey", "--data", "infinite"], "infinite/passkey.jsonl"),
    ] {
        refused(&[arguments, &MODEL].concat(), &[file, "a pipe"]);
    }
    refused(&["bench", "attention", "--input", "pipe"], &["pipe"]);
    refused(&["report", "results"], &["results/one/records.jsonl", "a pipe"]);
    for command in ["show", "check"] {
        refused(&["patterns", command, "pipe"], &["a pipe"]);
        refused(&["patterns", command, "."], &["a folder"]);
    }
    // in a conversation the next line is heard
    let mut chat = workplace.minference(&["chat", "--model", "model.gguf", "--max-tokens", "1"]);
    let told = outcome(
        chat.write_stdin("/document pipe\n/load pipe\n/save pipe\n").timeout(Duration::from_secs(60)),
    );
    assert_eq!((told.code, told.stderr.matches("found a pipe").count()), (Some(ERROR), 3), "{}", told.stderr);
}

/// A file without an end on the disk: nothing of it is read.
#[test]
fn files_are_read_up_to_a_limit() {
    let workplace = Workplace::new();
    let file = fs::File::create(workplace.path().join("huge")).unwrap();
    if file.set_len(1 << 40).is_err() {
        return println!("skipped: no such large files here");
    }
    for (arguments, limit) in [
        (&["run", "--model", "model.gguf", "-f", "huge"][..], 1u64 << 30),
        (&["search", "--model", "model.gguf", "--calibration", "huge"], 1 << 30),
        (&["patterns", "show", "huge"], 64 << 20),
        (&["bench", "prefill", "--model", "model.gguf", "--definition", "huge"], 16 << 20),
    ] {
        let expected = format!("expected at most {limit} bytes, found 1099511627776");
        patiently(&workplace, arguments).is_refused(ERROR, &["huge", &expected]);
    }
}

#[test]
fn what_is_written_keeps_links_and_permissions() {
    let workplace = Workplace::new();
    let patterns = PatternConfig::uniform(HeadPattern::Dense, 2, 4).unwrap();
    patterns.write(&workplace.path().join("input.json"), FileFormat::Native).unwrap();
    fs::create_dir(workplace.path().join("results")).unwrap();
    workplace.write("results/run.json", HEADER);
    workplace.write("results/records.jsonl", "");
    fs::create_dir(workplace.path().join("elsewhere")).unwrap();
    let bench = ["bench", "attention", "--tokens", "64", "--heads", "1", "--kv-heads", "1", "--repeats", "1"];
    let writers: [(&str, Vec<&str>); 5] = [
        ("converted", vec!["patterns", "convert", "input.json", "--to", "native", "--output"]),
        ("found", [&["search", "--model", "model.gguf"], &SMALL[..], &["--output"]].concat()),
        ("page", vec!["report", "results", "--output"]),
        ("rows", [&bench[..], &["--json"]].concat()),
        ("context", vec!["run", "--model", "model.gguf", "-p", "Hi", "--max-tokens", "1", "--save-context"]),
    ];
    for (name, command) in writers {
        let (link, file) = (workplace.path().join(name), workplace.path().join("elsewhere").join(name));
        symlink(format!("elsewhere/{name}"), &link).unwrap();
        let write = || patiently(&workplace, &[&command[..], &[name]].concat());
        // where there is no file yet, and where there is one
        write().succeeds();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let before = fs::metadata(&file).unwrap().len();
        write().succeeds();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{name}");
        let after = fs::metadata(&file).unwrap();
        assert_eq!((after.permissions().mode() & 0o777, after.len() > 0), (0o640, before > 0), "{name}");
        let left: Vec<_> = fs::read_dir(workplace.path().join("elsewhere")).unwrap().collect();
        assert!(left.iter().flatten().all(|entry| !entry.file_name().to_string_lossy().contains("partial")));
        // a file that is to stay as it is
        fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
        let refused = write();
        contains(&refused.stderr, &["read-only"]);
        assert_eq!(refused.code, Some(ERROR), "{name}: {}", refused.stderr);
    }
}

#[test]
fn only_files_are_written() {
    let workplace = Workplace::new();
    let patterns = PatternConfig::uniform(HeadPattern::Dense, 2, 4).unwrap();
    patterns.write(&workplace.path().join("input.json"), FileFormat::Native).unwrap();
    if !pipe(&workplace, "pipe") {
        return;
    }
    let search = [&["search", "--model", "model.gguf"], &SMALL[..], &["--output"]].concat();
    for command in [
        &["patterns", "convert", "input.json", "--to", "native", "--output"][..],
        &search[..],
        &["inspect", "--model", "model.gguf", "-p", "Hi", "--output"],
        &["bench", "attention", "--tokens", "64", "--json"],
    ] {
        for (file, found) in [("pipe", "a pipe"), ("/dev/null", "a device"), (".", "a folder")] {
            let refused = patiently(&workplace, &[command, &[file]].concat());
            refused.is_refused(ERROR, &["expected a regular file", found]);
        }
    }
}
