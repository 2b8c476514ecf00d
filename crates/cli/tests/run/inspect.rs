//! `minference inspect`.

use super::tiny_model::TinyModel;
use super::{ERROR, Outcome, WRONG_OPTIONS, Workplace, contains, long_text, outcome};

fn inspect(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    let fixed = ["inspect", "--model", "model.gguf", "--threads", "2"];
    outcome(&mut workplace.minference(&[&fixed, arguments].concat()))
}

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(1500));
    workplace
}

#[test]
fn a_page_and_its_figures_are_written() {
    let workplace = workplace();
    let arguments = [
        "-f",
        "long.txt",
        "--attention",
        "a-shape",
        "--sink",
        "16",
        "--local",
        "256",
        "--head",
        "1,2",
        "--head",
        "0,0",
        "--side",
        "50",
        "--output",
        "page.html",
        "--figures",
        "figures",
    ];
    let told = inspect(&workplace, &arguments).succeeds();
    contains(&told.stderr, &["1517 tokens", "of attention computed", "0,0 1,2"]);
    let written: Vec<&str> = told.stdout.lines().collect();
    // of the whole model two figures, of each head three
    assert_eq!((written[0], written.len()), ("page.html", 1 + 2 * (2 + 2 * 3)));
    let page = std::fs::read_to_string(workplace.path().join("page.html")).unwrap();
    for part in ["model.gguf", "1,517", "a-shape", "Layer 1, head 2", "Layer 0, head 0"] {
        assert!(page.contains(part), "{part}");
    }
    for file in &written[1..] {
        let bytes = std::fs::read(workplace.path().join(file)).unwrap();
        let begins = if file.ends_with(".png") { &b"\x89PNG"[..] } else { b"<svg" };
        assert!(bytes.starts_with(begins), "{file}");
    }
}

#[test]
fn without_a_prompt_or_heads_there_are_defaults() {
    let workplace = workplace();
    let told = inspect(&workplace, &["--attention", "a-shape", "--sink", "16", "--local", "256"]).succeeds();
    assert_eq!(told.stdout, "inspection.html\n");
    // the context of 4,096 less what stands around a text
    let tokens: usize = told.stderr.split(" tokens").next().unwrap().trim().parse().unwrap();
    assert!((3700..=4096).contains(&tokens), "{tokens}");
    // one kind of pattern, one worst head
    let heads = told.stderr.trim().rsplit("closely: ").next().unwrap();
    assert_eq!(heads.split(' ').count(), 1, "{heads}");
    let dense = inspect(&workplace, &["-f", "long.txt", "--attention", "dense"]).succeeds();
    contains(&dense.stderr, &["100.0 % of attention", "closely: none"]);
}

#[test]
fn what_can_not_be_inspected_is_refused() {
    let workplace = workplace();
    let refused = |arguments: &[&str], code, parts: &[&str]| {
        inspect(&workplace, &[&["-f", "long.txt"], arguments].concat()).is_refused(code, parts);
    };
    refused(&["--head", "2,0"], ERROR, &["one of 2 layers and 4 heads", "layer 2, head 0"]);
    refused(&["--head", "x"], WRONG_OPTIONS, &["LAYER,HEAD", "x"]);
    refused(&["--side", "0"], WRONG_OPTIONS, &["--side", "found 0"]);
    refused(&["--chunk", "100"], WRONG_OPTIONS, &["--chunk"]);
    refused(&["--output", "long.txt/page.html"], ERROR, &["long.txt"]);
    workplace.write("model.gguf", TinyModel { context: 1000, ..TinyModel::default() }.gguf());
    refused(&[], ERROR, &["1517 tokens", "at most 1000", "--context"]);
}
