//! What can't work is said before anything is computed: what was expected, what was found, what to do.

use super::tiny_model::TinyModel;
use super::{ERROR, WRONG_OPTIONS, Workplace, outcome};

#[test]
fn prompts() {
    let workplace = Workplace::new();
    workplace.misused(&[], &["no prompt", "--prompt TEXT", "--prompt-file FILE"]);
    workplace.misused(&["-p", ""], &["--prompt", "expected a text"]);
    workplace.write("empty.txt", "");
    workplace.refused(&["-f", "empty.txt", "-p", "Hi"], &["empty.txt", "found nothing"]);
    workplace.refused(&["-f", "-"], &["standard input", "found nothing"]);
    workplace.write("latin1.txt", b"caf\xe9");
    workplace.refused(&["-f", "latin1.txt"], &["latin1.txt", "UTF-8", "at 3", "iconv"]);
    workplace.refused(&["-f", "missing.txt"], &["missing.txt", "can't read the prompt"]);
    workplace.refused(&["-f", "."], &["can't read the prompt"]);
}

#[test]
fn models() {
    let workplace = Workplace::new();
    let run = |model: &[&str]| {
        let arguments = [&["run", "--prompt", "Hi"], model].concat();
        outcome(&mut workplace.minference(&arguments))
    };
    let refused = |model: &[&str], parts: &[&str]| run(model).is_refused(ERROR, parts);
    run(&[]).is_refused(WRONG_OPTIONS, &["--model"]);
    refused(&["--model", "smollm9"], &["smollm9", "demo", "hf:owner/name"]);
    refused(&["--model", "missing.gguf"], &["missing.gguf", "no such file"]);
    run(&["--model", "hf:Qwen"]).is_refused(WRONG_OPTIONS, &["hf:owner/name"]);

    let bytes = TinyModel::default().gguf();
    workplace.write("half.gguf", &bytes[..bytes.len() / 2]);
    refused(&["--model", "half.gguf"], &["half.gguf", "expected", "found"]);
    workplace.write("header.gguf", &bytes[..40]);
    refused(&["--model", "header.gguf"], &["header.gguf", "expected", "found"]);
    workplace.write("empty.gguf", "");
    refused(&["--model", "empty.gguf"], &["empty.gguf", "an empty file"]);
    workplace.write("text.gguf", "This is no model.");
    refused(&["--model", "text.gguf"], &["text.gguf", "expected", "found"]);
    std::fs::create_dir(workplace.path().join("folder")).unwrap();
    refused(&["--model", "folder"], &["folder", "config.json"]);
}

#[test]
fn numbers() {
    let workplace = Workplace::new();
    let refused = |arguments: &[&str], parts: &[&str]| {
        workplace.misused(&[&["-p", "Hi"], arguments].concat(), parts);
    };
    refused(&["--max-tokens", "0"], &["--max-tokens", "at least 1", "found 0"]);
    refused(&["--temperature", "NaN"], &["--temperature", "positive", "found NaN"]);
    refused(&["--temperature=-1"], &["--temperature", "positive", "found -1"]);
    refused(&["--top-p", "0"], &["--top-p", "above 0", "found 0"]);
    refused(&["--min-p", "1.5"], &["--min-p", "from 0 to 1", "found 1.5"]);
    refused(&["--sample-top-k", "0"], &["--sample-top-k", "at least 1"]);
    refused(&["--repetition-penalty", "0"], &["--repetition-penalty", "positive"]);
    refused(&["--stop", ""], &["--stop", "expected a text"]);
    refused(&["--seed", "x"], &["--seed", "x"]);
    refused(&["--dtype", "f8"], &["f8", "bf16", "int4"]);
    let threads = ["run", "--model", "model.gguf", "-p", "Hi", "--threads", "0"];
    outcome(&mut workplace.minference(&threads))
        .is_refused(WRONG_OPTIONS, &["threads", "at least 1", "found 0"]);
    // what says how to draw, where nothing is drawn
    for draw in [&["--sample-top-k", "5"][..], &["--top-p", "0.9"], &["--min-p", "0.1"], &["--seed", "7"]] {
        refused(draw, &[draw[0], "--temperature above 0"]);
        refused(&[draw, &["--temperature", "0"]].concat(), &[draw[0], "--temperature above 0"]);
    }
}

#[test]
fn memory() {
    let workplace = Workplace::new();
    let far = "1000000000000000";
    let arguments = ["-p", "Hi", "--max-tokens", far, "--context", far, "--rope-scaling", "linear"];
    let parts = ["not enough memory", "GiB", "bytes are needed", "are there", "--max-tokens", "--chunk"];
    workplace.refused(&arguments, &parts);
    let most = usize::MAX.to_string();
    workplace.refused(
        &["-p", "Hi", "--max-tokens", &most, "--context", &most, "--rope-scaling", "linear"],
        &["not enough memory"],
    );
}
