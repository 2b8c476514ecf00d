//! What can't work is said before anything is computed: what was expected, what was found, what to
//! do.

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
    refused(&["--top-k", "0"], &["--top-k", "at least 1"]);
    refused(&["--repetition-penalty", "0"], &["--repetition-penalty", "positive"]);
    refused(&["--presence-penalty", "3"], &["--presence-penalty", "from -2 to 2"]);
    refused(&["--frequency-penalty", "-2.5"], &["--frequency-penalty", "from -2 to 2"]);
    refused(&["--logit-bias", "7=101"], &["--logit-bias", "from -100 to 100"]);
    refused(&["--logit-bias", "7"], &["--logit-bias", "the id of a token", "42=-100"]);
    refused(&["--stop", ""], &["--stop", "expected a text"]);
    refused(&["--seed", "x"], &["--seed", "x"]);
    refused(&["--dtype", "f8"], &["f8", "bf16", "int4"]);
    let threads = ["run", "--model", "model.gguf", "-p", "Hi", "--threads", "0"];
    outcome(&mut workplace.minference(&threads))
        .is_refused(WRONG_OPTIONS, &["threads", "at least 1", "found 0"]);
    // what people are used to
    refused(&["--seed", "-1"], &["--seed", "from 0 on", "--seed $RANDOM"]);
    refused(&["--max-tokens", "-2"], &["--max-tokens", "without a limit"]);
    refused(&["--top-k", "-1"], &["--top-k", "all tokens"]);
    refused(&["--top-k", "40"], &["--top-k", "--temperature above 0", "--blocks"]);
    refused(&["--attention", "block-sparse", "--top-k", "40"], &["--temperature above 0", "--blocks"]);
    refused(&["--max-tokens", "1_000"], &["--max-tokens", "write 1000"]);
    refused(&["--context", "32k"], &["--context", "write 32768 or 32000"]);
    refused(&["--chunk", "4_096"], &["--chunk", "16K", "write 4096"]);
    refused(&["--chunk", "-1"], &["--chunk", "16K"]);
    refused(&["--temperature", "-1"], &["--temperature", "positive", "found -1"]);
    refused(&["-t", "-0.5"], &["--temperature", "positive", "found -0.5"]);
    refused(&["--temperature", "0,7"], &["--temperature", "write 0.7"]);
    refused(&["--temperature", "1", "--top-p", "95%"], &["--top-p", "write 0.95"]);
    refused(&["--temperature", "1", "--top-p", "95"], &["--top-p", "up to 1", "95 % is 0.95"]);
    refused(&["--rope-factor", "4x"], &["--rope-factor", "write 4"]);
    // options that tests of `run` give themselves
    for (option, parts) in [
        (&["-n", "-1"], &["--max-tokens", "from 0 on", "without a limit", "100000"][..]),
        (&["-n", "0.7"], &["--max-tokens", "a whole number"]),
        (&["--threads", "-1"], &["--threads", "one per core"]),
    ] {
        let arguments = [&["run", "--model", "model.gguf", "-p", "Hi"][..], option].concat();
        outcome(&mut workplace.minference(&arguments)).is_refused(WRONG_OPTIONS, parts);
    }
    for command in [&["inspect", "--model", "model.gguf"][..], &["bench", "attention"]] {
        outcome(&mut workplace.minference(&[command, &["--top-k", "40"]].concat()))
            .is_refused(WRONG_OPTIONS, &["--top-k", "are --blocks"]);
    }
    let old = workplace.run(&["-p", "Hi", "--temperature", "1", "--seed", "1", "--sample-top-k", "5"]);
    old.succeeds();
    // what says how to draw, where nothing is drawn
    for draw in [&["--top-k", "5"][..], &["--top-p", "0.9"], &["--min-p", "0.1"], &["--seed", "7"]] {
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
