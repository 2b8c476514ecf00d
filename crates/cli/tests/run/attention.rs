//! Kinds of attention, pattern files, and contexts beyond the model's.

use super::tiny_model::{HEADS, LAYERS};
use super::{ERROR, WRONG_OPTIONS, Workplace, contains, long_text};
use minference_attention::HeadPattern;
use minference_attention::pattern::config::{FileFormat, PatternConfig};
use serde_json::Value;
use std::ops::RangeInclusive;

/// A prompt long enough for sparse attention to pay.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(3000));
    workplace
}

fn read(workplace: &Workplace, arguments: &[&str]) -> Value {
    workplace.json(&[&["--prompt-file", "long.txt", "--max-tokens", "2"], arguments].concat())
}

const ALL: RangeInclusive<f64> = 1.0..=1.0;

#[test]
fn kinds_compute_what_their_budgets_say() {
    let workplace = workplace();
    for (arguments, pattern, shares) in [
        (&["--attention", "dense"][..], "every key", ALL),
        // more nearest keys than the prompt has
        (&["--attention", "a-shape"], "a-shape (sink 1024, local 4096)", ALL),
        // 16 + 64 keys, and the rest of a block of 64 queries, of about 1500
        (
            &["--attention", "a-shape", "--sink", "16", "--local", "64"],
            "a-shape (sink 16, local 64)",
            0.06..=0.09,
        ),
        // besides, 100 (and the rest of their block) of 3000 queries see everything: of the causal
        // half twice that
        (
            &["--attention", "tri-shape", "--sink", "16", "--local", "64", "--last", "100"],
            "tri-shape (sink 16, local 64, last 100)",
            0.13..=0.18,
        ),
        // An estimate costs less than the 3 % of a layer's four heads that are allowed for one, and
        // what the first head saves pays for those of the others: all heads are sparse. Which
        // diagonals are best is up to rounding, but they lie close together.
        (
            &["--attention", "vertical-slash", "--vertical", "30", "--slash", "100"],
            "vertical-slash (vertical 30, slash 100)",
            0.05..=0.25,
        ),
        // 5 of 24 blocks that a query block can see on average, less where there are not so many
        (&["--attention", "block-sparse", "--blocks", "5"], "block-sparse (top 5 blocks)", 0.15..=0.22),
        // more blocks than there are
        (&["--attention", "block-sparse"], "block-sparse (top 100 blocks)", ALL),
        // The best of so many diagonals leave out little of what random weights look at: heads run
        // dense where it is less than a tenth, which is up to rounding.
        (&["--attention", "minference"], "vertical-slash (vertical 47, slash 377)", 0.3..=1.0),
        (&[], "vertical-slash (vertical 47, slash 377)", 0.3..=1.0),
    ] {
        let object = read(&workplace, arguments);
        let kind = arguments.get(1).unwrap_or(&"minference");
        assert_eq!(object["attention"], *kind);
        assert_eq!(object["pattern"], pattern);
        let share = object["computed_share"].as_f64().unwrap();
        assert!(shares.contains(&share), "{pattern}: expected {shares:?}, found {share}");
        let layers = object["computed_share_per_layer"].as_array().unwrap();
        assert_eq!(layers.len(), LAYERS);
        // one query of the last layer is wanted, which sees everything
        assert_eq!(layers[LAYERS - 1], 1.0);
    }
}

#[test]
fn budgets_of_other_kinds_are_refused() {
    let workplace = workplace();
    let refused = |arguments: &[&str], parts: &[&str]| {
        workplace.misused(&[&["-f", "long.txt"], arguments].concat(), parts);
    };
    refused(
        &["--vertical", "5"],
        &["--vertical", "--attention vertical-slash", "found --attention minference"],
    );
    refused(&["--attention", "dense", "--blocks", "5"], &["--blocks", "block-sparse", "dense"]);
    refused(&["--attention", "block-sparse", "--sink", "5"], &["--sink", "a-shape or tri-shape"]);
    refused(&["--attention", "a-shape", "--last", "5"], &["--last", "tri-shape"]);
    refused(&["--attention", "a-shape", "--patterns", "p.json"], &["--patterns", "minference", "a-shape"]);
    refused(&["--attention", "zigzag"], &["zigzag", "vertical-slash"]);
    refused(&["--chunk", "0"], &["--chunk", "such as 8000, 16K", "found \"0\""]);
}

#[test]
fn pattern_files_say_what_each_head_does() {
    let workplace = workplace();
    let write = |name: &str, layers: usize, format| {
        let pattern = HeadPattern::AShape { sink: 16, local: 64 };
        let patterns = PatternConfig::uniform(pattern, layers, HEADS).unwrap();
        patterns.write(&workplace.path().join(name), format).unwrap();
    };
    write("ours.json", LAYERS, FileFormat::Native);
    write("theirs.json", LAYERS, FileFormat::Original);
    write("other.json", LAYERS + 1, FileFormat::Native);
    workplace.write("broken.json", "[{]");
    // the last 64 queries of a prompt see everything, whatever the file says
    let same =
        read(&workplace, &["--attention", "tri-shape", "--sink", "16", "--local", "64", "--last", "64"]);
    for file in ["ours.json", "theirs.json"] {
        let object = read(&workplace, &["--patterns", file]);
        assert_eq!(object["attention"], "minference");
        assert_eq!(object["pattern"], file);
        assert_eq!(object["computed_share"], same["computed_share"]);
        assert_eq!(object["answer"], same["answer"]);
    }
    let refused = |file: &str, parts: &[&str]| workplace.refused(&["-p", "Hi", "--patterns", file], parts);
    refused("other.json", &["other.json", "2 layers", "3"]);
    refused("broken.json", &["broken.json", "JSON"]);
    refused("missing.json", &["missing.json"]);
}

#[test]
fn a_models_own_patterns_are_its_default() {
    let workplace = workplace();
    let write = |name: &str, sink| {
        let pattern = HeadPattern::AShape { sink, local: 64 };
        let patterns = PatternConfig::uniform(pattern, LAYERS, HEADS).unwrap();
        patterns.write(&workplace.path().join(name), FileFormat::Native).unwrap();
    };
    write("model.patterns.json", 16);
    write("other.json", 256);
    let share = |sink: &str| {
        let pattern = ["--attention", "tri-shape", "--sink", sink, "--local", "64", "--last", "64"];
        read(&workplace, &pattern)["computed_share"].clone()
    };
    for arguments in [&[][..], &["--attention", "minference"]] {
        let object = read(&workplace, arguments);
        assert_eq!(object["pattern"], "model.patterns.json");
        assert_eq!(object["computed_share"], share("16"));
    }
    let outcome = workplace.run(&["-f", "long.txt"]).succeeds();
    contains(&outcome.stderr, &["model.patterns.json"]);
    let given = read(&workplace, &["--patterns", "other.json"]);
    assert_eq!(given["pattern"], "other.json");
    assert_eq!(given["computed_share"], share("256"));

    workplace.write("model.patterns.json", "[{]");
    workplace.refused(&["-p", "Hi"], &["model.patterns.json", "JSON"]);
    // who asks for something else has nothing to do with it
    read(&workplace, &["--attention", "dense"]);
    read(&workplace, &["--patterns", "other.json"]);
}

/// A model may be gigabytes away.
#[test]
fn what_needs_no_model_is_refused_before_one_is_looked_for() {
    let workplace = workplace();
    workplace.write("broken.json", "[{]");
    let refused = |arguments: &[&str], code, parts: &[&str]| {
        let fixed = ["run", "--model", "missing.gguf", "-p", "Hi"];
        let outcome = super::outcome(&mut workplace.minference(&[&fixed, arguments].concat()));
        outcome.is_refused(code, parts);
        assert!(!outcome.stderr.contains("missing.gguf"), "{}", outcome.stderr);
    };
    refused(&["--patterns", "broken.json"], ERROR, &["broken.json", "JSON"]);
    refused(&["--patterns", "nowhere.json"], ERROR, &["nowhere.json"]);
    refused(&["--rope-scaling", "yarn"], WRONG_OPTIONS, &["--rope-scaling", "--rope-factor", "--context"]);
    refused(&["--rope-factor", "2"], WRONG_OPTIONS, &["--rope-factor", "--rope-scaling"]);
}

#[test]
fn chunks_estimate_anew() {
    let workplace = workplace();
    let sparse = ["--attention", "a-shape", "--sink", "16", "--local", "64"];
    let whole = read(&workplace, &sparse);
    let chunks = read(&workplace, &[&sparse[..], &["--chunk", "512"]].concat());
    assert_eq!(chunks["prompt_tokens"], whole["prompt_tokens"]);
    // a static pattern is the same whichever way it is read
    assert_eq!(chunks["answer"], whole["answer"]);
}

#[test]
fn contexts_are_stretched() {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(5000));
    for arguments in [
        &["--context", "6000", "--rope-scaling", "yarn"][..],
        &["--context", "6000", "--rope-scaling", "dynamic"],
        &["--rope-scaling", "linear", "--rope-factor", "2"],
        &["--context", "6000", "--rope-base", "1000000"],
    ] {
        let object = read(&workplace, arguments);
        assert_eq!(object["prompt_tokens"], "[user][assistant]".len() + 5000, "{arguments:?}");
    }
    let refused = |arguments: &[&str], parts: &[&str]| {
        workplace.refused(&[&["-f", "long.txt"], arguments].concat(), parts);
    };
    refused(&[], &["5017 tokens", "less than 4096", "--context", "--rope-scaling"]);
    refused(&["--context", "100"], &["5017 tokens", "less than 100"]);
    refused(&["--context", "6000"], &["at most 4096", "found 6000", "--rope-scaling", "--rope-base"]);
    refused(&["--context", "6000", "--rope-scaling", "none"], &["at most 4096", "found 6000"]);
    let refused = |arguments: &[&str], parts: &[&str]| {
        workplace.misused(&[&["-f", "long.txt"], arguments].concat(), parts);
    };
    refused(&["--context", "1"], &["--context", "at least 2", "found 1"]);
    refused(&["--rope-factor", "2"], &["--rope-factor", "--rope-scaling"]);
    refused(&["--rope-factor", "2", "--rope-scaling", "none"], &["--rope-factor", "--rope-scaling"]);
    refused(&["--rope-scaling", "yarn"], &["--rope-scaling", "--rope-factor", "--context"]);
    for factor in ["0.5", "NaN", "inf"] {
        refused(
            &["--rope-scaling", "yarn", "--rope-factor", factor],
            &["--rope-factor", "from 1 on", factor],
        );
    }
    for base in ["1", "NaN", "-3"] {
        refused(&[&format!("--rope-base={base}")], &["--rope-base", "above 1", base]);
    }
    // frequencies of zero are odd, but no crash
    read(&workplace, &["--rope-scaling", "yarn", "--rope-factor", "1e300"]);
}
