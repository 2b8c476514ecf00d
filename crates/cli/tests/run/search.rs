//! `minference search` and `minference patterns`.

use super::tiny_model::{HEADS, LAYERS, TinyModel};
use super::{ERROR, Outcome, WRONG_OPTIONS, Workplace, contains, long_text, outcome};
use minference_attention::HeadPattern;
use minference_attention::pattern::config::{FileFormat, PatternConfig};

/// A search that is done at once, and finds something: random heads differ in which pattern is
/// nearest.
pub(super) const SMALL: [&str; 10] = [
    "--tokens",
    "900",
    "--errors-from",
    "100",
    "--target",
    "a-shape:16,200",
    "--candidate",
    "a-shape:16,200",
    "--candidate",
    "vertical-slash:30,100",
];

fn search(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    let fixed = ["search", "--model", "model.gguf", "--threads", "2"];
    outcome(&mut workplace.minference(&[&fixed, arguments].concat()))
}

fn patterns(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    outcome(&mut workplace.minference(&[&["patterns"], arguments].concat()))
}

fn text(workplace: &Workplace, name: &str) -> String {
    std::fs::read_to_string(workplace.path().join(name)).unwrap()
}

#[test]
fn what_a_search_finds_is_used_by_itself() {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(1500));
    let default = workplace.json(&["-f", "long.txt"]);
    contains(default["pattern"].as_str().unwrap(), &["vertical-slash"]);
    let told = workplace.run(&["-f", "long.txt"]).succeeds().stderr;
    contains(&told, &["default patterns", "minference search --model model.gguf"]);

    // into the cache, from where any copy of the model finds it
    let found = search(&workplace, &SMALL).succeeds();
    contains(&found.stderr, &["2 layers of 4 heads", "key-values, seed 0", "mean error"]);
    let path = found.stdout.trim();
    assert!(path.starts_with(workplace.path().join("cache/patterns").to_str().unwrap()), "{path}");
    assert_eq!(workplace.json(&["-f", "long.txt"])["pattern"], path);
    workplace.write("copy.gguf", TinyModel::default().gguf());
    let copy = ["run", "--model", "copy.gguf", "-f", "long.txt", "--max-tokens", "1", "--json"];
    assert_eq!(outcome(&mut workplace.minference(&copy)).json()["pattern"], path);
    // beside the model, which goes first
    search(&workplace, &[&SMALL[..], &["--output", "model.patterns.json"]].concat()).succeeds();
    assert_eq!(workplace.json(&["-f", "long.txt"])["pattern"], "model.patterns.json");
    assert_eq!(text(&workplace, "model.patterns.json"), std::fs::read_to_string(path).unwrap());
    let told = workplace.run(&["-f", "long.txt"]).succeeds().stderr;
    assert!(!told.contains("minference search"), "{told}");
    // budgets are for prompts that are about as long
    workplace.write("longer.txt", long_text(2500));
    let told = workplace.run(&["-f", "longer.txt"]).succeeds().stderr;
    contains(&told, &["searched with", "2517", "minference search --model model.gguf --tokens 2517"]);
}

#[test]
fn an_interrupted_search_goes_on_to_the_same_file() {
    let workplace = Workplace::new();
    let with =
        |output: &str, more: &[&str]| search(&workplace, &[&SMALL[..], &["--output", output], more].concat());
    with("whole.json", &[]).succeeds();
    let whole = text(&workplace, "whole.json");
    // the first layer, as it was saved before the second was found
    let patterns = PatternConfig::parse(&whole).unwrap();
    let first = PatternConfig::new(vec![patterns.layer(0).unwrap().to_vec()]).unwrap();
    let first = first.with_provenance(patterns.provenance().unwrap().clone());
    let saved = first.to_json(FileFormat::Native).unwrap();
    workplace.write("again.json.partial", &saved);
    let again = with("again.json", &[]).succeeds();
    contains(&again.stderr, &["Going on after 1 layers"]);
    assert_eq!(text(&workplace, "again.json"), whole);
    assert!(!workplace.path().join("again.json.partial").exists());

    // of another search
    workplace.write("again.json.partial", &saved);
    with("again.json", &["--seed", "7"]).is_refused(ERROR, &["again.json.partial", "another", "--restart"]);
    with("again.json", &["--seed", "7", "--restart"]).succeeds();
    assert_ne!(text(&workplace, "again.json"), whole);
    // broken
    workplace.write("again.json.partial", &saved[..saved.len() / 2]);
    with("again.json", &[]).is_refused(ERROR, &["again.json.partial", "JSON", "--restart"]);
    // of more layers than there are
    let more = PatternConfig::new(vec![patterns.layer(0).unwrap().to_vec(); 3]).unwrap();
    let more = more.with_provenance(patterns.provenance().unwrap().clone());
    workplace.write("again.json.partial", more.to_json(FileFormat::Native).unwrap());
    with("again.json", &[]).is_refused(ERROR, &["at most 2 layers", "found 3"]);
}

#[test]
fn threads_do_not_change_the_file() {
    let workplace = Workplace::new();
    let mut files = Vec::new();
    for threads in ["1", "3"] {
        for more in [&SMALL[..], &["--tokens", "900", "--max-error", "0.2"]] {
            let fixed = ["search", "--model", "model.gguf", "--threads", threads, "--output", "p.json"];
            outcome(&mut workplace.minference(&[&fixed, more].concat())).succeeds();
            files.push(text(&workplace, "p.json"));
        }
    }
    assert_eq!(files[0], files[2]);
    assert_eq!(files[1], files[3]);
}

#[test]
fn texts_and_token_files_are_calibration_too() {
    let workplace = Workplace::new();
    workplace.write("text.txt", long_text(700));
    let tokens: Vec<String> = long_text(700).bytes().map(|byte| byte.to_string()).collect();
    workplace.write("tokens.json", format!("[{}]", tokens.join(", ")));
    workplace.write("beyond.json", "[1, 257]");
    let with = |arguments: &[&str]| {
        search(&workplace, &[arguments, &["--max-error", "0.3", "--output", "p.json"]].concat())
    };
    let hash = |arguments: &[&str]| {
        with(arguments).succeeds();
        let patterns = PatternConfig::parse(&text(&workplace, "p.json")).unwrap();
        let calibration = &patterns.provenance().unwrap().calibration;
        calibration.iter().map(|sample| (sample.tokens, sample.hash.clone())).collect::<Vec<_>>()
    };
    // a byte of the tiny vocabulary is a token, whose number is the byte's
    let of_text = hash(&["--calibration", "text.txt"]);
    assert_eq!(of_text, hash(&["--calibration", "tokens.json"]));
    workplace.write("marked.txt", format!("\u{feff}{}", long_text(700)));
    assert_eq!(of_text, hash(&["--calibration", "marked.txt"]));
    assert_eq!(of_text[0].0, 700);
    assert_eq!(hash(&["--calibration", "text.txt", "--tokens", "100"])[0].0, 100);
    assert_eq!(hash(&["--calibration", "text.txt", "--calibration", "tokens.json"]).len(), 2);
    assert_eq!(hash(&["--tokens", "300", "--prompts", "3"]).len(), 3);
    assert_eq!(hash(&["--calibration", "text.txt", "--prompts", "2", "--tokens", "300"]).len(), 3);

    with(&["--calibration", "beyond.json"]).is_refused(ERROR, &["beyond.json", "below 257", "257"]);
    with(&["--calibration", "nowhere.txt"]).is_refused(ERROR, &["nowhere.txt"]);
    workplace.write("short.txt", "too short");
    with(&["--calibration", "short.txt"]).is_refused(ERROR, &["short.txt", "at least 64", "found 9"]);
    workplace.write("bytes.txt", [0xff, 0xfe]);
    with(&["--calibration", "bytes.txt"]).is_refused(ERROR, &["bytes.txt", "UTF-8"]);
}

#[test]
fn searches_that_can_find_nothing_are_refused() {
    let workplace = Workplace::new();
    let refused =
        |arguments: &[&str], code, parts: &[&str]| search(&workplace, arguments).is_refused(code, parts);
    refused(&["--tokens", "4000"], ERROR, &["tokens for a-shape:1024,4096", "--max-error", "--target"]);
    refused(&["--tokens", "5000"], ERROR, &["--tokens", "at most 4096", "found 5000"]);
    refused(&["--tokens", "70"], ERROR, &["--tokens", "one key and its value", "found 70"]);
    refused(&["--tokens", "63"], WRONG_OPTIONS, &["--tokens", "at least 64", "found 63"]);
    refused(&["--prompts", "0"], WRONG_OPTIONS, &["--prompts", "found 0"]);
    refused(&["--max-error", "0"], WRONG_OPTIONS, &["--max-error", "above 0"]);
    refused(&["--max-error", "NaN"], WRONG_OPTIONS, &["--max-error", "NaN"]);
    refused(&["--max-error", "0.1", "--target", "dense"], WRONG_OPTIONS, &["--max-error", "--target"]);
    refused(&["--target", "dense"], WRONG_OPTIONS, &["sparse patterns", "dense"]);
    refused(&["--candidate", "zigzag:1"], WRONG_OPTIONS, &["zigzag:1", "vertical-slash:VERTICAL,SLASH"]);
    let nowhere = ["--max-error", "0.1", "--tokens", "500", "--output", "no/such/folder/p.json"];
    refused(&nowhere, ERROR, &["--output", "no/such/folder"]);
}

#[test]
fn pattern_files_are_shown_converted_and_checked() {
    let workplace = Workplace::new();
    search(&workplace, &[&SMALL[..], &["--output", "found.json"]].concat()).succeeds();
    let shown = patterns(&workplace, &["show", "found.json"]).succeeds().stdout;
    contains(
        &shown,
        &[
            "2 layers of 4 heads",
            "model.gguf",
            "same pairs as a-shape:16,200",
            "key-values, seed 0, 8",
            "mean error",
            "Budgets:",
        ],
    );
    let head = patterns(&workplace, &["show", "found.json", "--head", "1,3"]).succeeds().stdout;
    contains(&head, &["layer 1, head 3", "(chosen)", "a-shape:16,200", "vertical-slash:30,"]);
    patterns(&workplace, &["show", "found.json", "--head", "2,0"])
        .is_refused(ERROR, &["layer 2", "2 layers"]);
    patterns(&workplace, &["show", "found.json", "--head", "2"]).is_refused(WRONG_OPTIONS, &["LAYER,HEAD"]);

    let checked = patterns(&workplace, &["check", "found.json", "--model", "model.gguf"]).succeeds().stdout;
    contains(&checked, &["2 layers of 4 heads", "searched with this model"]);
    workplace.write("longer.gguf", TinyModel { context: 8192, ..TinyModel::default() }.gguf());
    let other = patterns(&workplace, &["check", "found.json", "--model", "longer.gguf"]);
    other.is_refused(ERROR, &["found.json", "fingerprint", "searched with model.gguf"]);
    let run = ["run", "--model", "longer.gguf", "-p", "Hi", "--patterns", "found.json"];
    outcome(&mut workplace.minference(&run)).is_refused(ERROR, &["found.json", "fingerprint"]);

    // without what was tried, the same patterns with the same errors
    let brief = ["convert", "found.json", "--to", "native", "--without-trials", "--output", "brief.json"];
    assert_eq!(patterns(&workplace, &brief).succeeds().stdout, "");
    let full = PatternConfig::parse(&text(&workplace, "found.json")).unwrap();
    let found = PatternConfig::parse(&text(&workplace, "brief.json")).unwrap();
    assert_eq!(found, full.without_trials());
    let shown_brief = patterns(&workplace, &["show", "brief.json"]).succeeds().stdout;
    contains(&shown_brief, &["key-values, seed 0, 8", "does not say what was tried", "Budgets:"]);
    let all = |shown: &str| -> Vec<String> {
        let line = shown.lines().find(|line| line.starts_with(" all ")).unwrap();
        line.split_whitespace().map(String::from).collect()
    };
    assert_eq!(all(&shown_brief)[..5], all(&shown)[..5]);
    assert_eq!(all(&shown_brief)[5], "-");
    assert_ne!(all(&shown)[4], "-");
    let head = patterns(&workplace, &["show", "brief.json", "--head", "1,3"]).succeeds().stdout;
    contains(&head, &["layer 1, head 3", "does not say what was tried"]);
    let checked = patterns(&workplace, &["check", "brief.json", "--model", "model.gguf"]).succeeds().stdout;
    contains(&checked, &["searched with this model"]);
    let run = ["run", "--model", "model.gguf", "-p", "Hi", "--max-tokens", "1", "--patterns"];
    let ran = |file| outcome(&mut workplace.minference(&[&run[..], &[file]].concat())).succeeds().stdout;
    assert_eq!(ran("brief.json"), ran("found.json"));

    // the published format says less
    let original = patterns(&workplace, &["convert", "found.json", "--to", "original"]).succeeds().stdout;
    workplace.write("original.json", &original);
    let mut patterns_found = PatternConfig::parse(&text(&workplace, "found.json")).unwrap();
    let of = |config: &PatternConfig| -> Vec<HeadPattern> {
        (0..LAYERS).flat_map(|layer| config.layer(layer).unwrap().iter().map(|head| head.pattern)).collect()
    };
    assert_eq!(of(&PatternConfig::parse(&original).unwrap()), of(&patterns_found));
    let checked =
        patterns(&workplace, &["check", "original.json", "--model", "model.gguf"]).succeeds().stdout;
    contains(&checked, &["does not say for which model"]);
    contains(&patterns(&workplace, &["show", "original.json"]).succeeds().stdout, &["does not say how"]);
    let native = ["convert", "original.json", "--to", "native", "--output", "native.json"];
    assert_eq!(patterns(&workplace, &native).succeeds().stdout, "");
    assert_eq!(of(&PatternConfig::parse(&text(&workplace, "native.json")).unwrap()), of(&patterns_found));

    patterns_found = PatternConfig::uniform(HeadPattern::Dense, LAYERS, HEADS).unwrap();
    patterns_found.write(&workplace.path().join("dense.json"), FileFormat::Native).unwrap();
    let convert = ["convert", "dense.json", "--to", "original"];
    patterns(&workplace, &convert).is_refused(ERROR, &["layer 0, head 0", "dense"]);
    patterns(&workplace, &["check", "nowhere.json"]).is_refused(ERROR, &["nowhere.json"]);
    workplace.write("broken.json", "[{]");
    patterns(&workplace, &["check", "broken.json"]).is_refused(ERROR, &["broken.json", "JSON"]);
}
