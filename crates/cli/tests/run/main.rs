//! `minference run`, `chat`, `demo`, `search`, `patterns`, `inspect`, `eval` and `bench prefill`,
//! run as people run them, with a tiny model of random weights; and what the documentation says of
//! them.

mod answers;
mod attention;
mod benchmarks;
mod chat;
mod contexts;
mod demo;
mod documentation;
mod error_chains;
mod eval;
mod files;
mod inspect;
mod interrupts;
mod kv;
mod refusals;
mod search;
mod templates;
mod tiny_model;
mod variants;

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tiny_model::TinyModel;

/// Exit status.
const ERROR: i32 = 1;
const WRONG_OPTIONS: i32 = 2;

/// A folder with a model, and room for prompts.
struct Workplace(TempDir);

/// What came out.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Workplace {
    fn new() -> Self {
        Self::with(&TinyModel::default())
    }

    fn with(model: &TinyModel) -> Self {
        let workplace = Self(tempfile::tempdir().unwrap());
        workplace.write("model.gguf", model.gguf());
        workplace
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Files are named relative to the folder, here and on the command line.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    fn minference(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("minference").unwrap();
        command.current_dir(self.path()).args(arguments);
        // what other programs left in the user's cache is none of a test's business
        command.env("MINFERENCE_CACHE", self.path().join("cache"));
        command
    }

    /// `minference run --model model.gguf`, short answers.
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], standard_input: &str) -> Outcome {
        let fixed = ["run", "--model", "model.gguf", "--threads", "2"];
        let short = if arguments.contains(&"--max-tokens") { &[][..] } else { &["--max-tokens", "8"] };
        outcome(self.minference(&[&fixed, short, arguments].concat()).write_stdin(standard_input))
    }

    /// The object of a run with `--json`.
    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    /// Expects an error that holds all of `parts`, and nothing on standard output.
    fn refused(&self, arguments: &[&str], parts: &[&str]) {
        self.run(arguments).is_refused(ERROR, parts);
    }

    /// The same for options that are wrong whatever the model.
    fn misused(&self, arguments: &[&str], parts: &[&str]) {
        self.run(arguments).is_refused(WRONG_OPTIONS, parts);
    }
}

impl Outcome {
    fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.succeeds().stdout).unwrap()
    }

    fn is_refused(&self, expected: i32, parts: &[&str]) {
        let Self { code, stdout, stderr } = self;
        assert!(*code == Some(expected) && stdout.is_empty(), "{code:?}, {stdout:?}, {stderr}");
        contains(stderr, parts);
    }
}

fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    Outcome { code: output.status.code(), stdout, stderr }
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "expected {part:?} in {text:?}");
    }
}

/// A text of so many bytes, which are as many tokens for the tiny model.
fn long_text(bytes: usize) -> String {
    (0..bytes).map(|i| char::from(b'a' + (i * i / 7 + i % 11) as u8 % 19)).collect()
}
