//! `minference demo`.

use super::{ERROR, Outcome, WRONG_OPTIONS, Workplace, contains, outcome};
use std::path::PathBuf;

fn demo(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    outcome(&mut workplace.minference(&[&["demo"], arguments].concat()))
}

#[test]
fn a_wrong_answer_is_an_error_after_all_was_shown() {
    let workplace = Workplace::new();
    for style in ["log", "prose"] {
        let outcome = demo(&workplace, &["--model", "model.gguf", "--tokens", "1500", "--style", style]);
        assert_eq!(outcome.code, Some(ERROR));
        contains(&outcome.stderr, &["the sparse answer is wrong", "expected", "found"]);
        let parts = ["access code", "sparse: ", "dense: ", "time to first token", "attention computed"];
        contains(&outcome.stdout, &parts);
        // which it has not
        assert!(!outcome.stdout.contains("--max-tokens") && !outcome.stdout.contains("--context"));
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let workplace = Workplace::new();
    let refused = |tokens: &str, code, parts: &[&str]| {
        demo(&workplace, &["--model", "model.gguf", "--tokens", tokens]).is_refused(code, parts);
    };
    refused("10", WRONG_OPTIONS, &["--tokens", "at least 200", "found 10"]);
    refused("4090", ERROR, &["--tokens", "at most 4064", "found 4090"]);
    refused("18446744073709551615", ERROR, &["--tokens", "at most 4064"]);
}

/// At this length already from a part of attention, or `demo` would fail. Needs the demo model in
/// the folder that `MINFERENCE_TEST_MODELS` names; skipped without it.
#[test]
fn the_demo_model_finds_the_fact() {
    const FILE: &str = "smollm2-135m-instruct-q4_1.gguf";
    let folder = std::env::var_os("MINFERENCE_TEST_MODELS").map(PathBuf::from);
    let Some(model) = folder.map(|folder| folder.join(FILE)).filter(|model| model.is_file()) else {
        eprintln!("skipped: no {FILE} in the folder that MINFERENCE_TEST_MODELS names");
        return;
    };
    let workplace = Workplace::new();
    for style in ["log", "prose"] {
        let arguments = ["--model", model.to_str().unwrap(), "--tokens", "2500", "--style", style];
        demo(&workplace, &arguments).succeeds();
    }
}
