//! `run --kv`: what stays of the prompt's keys and values.

use super::tiny_model::LAYERS;
use super::{ERROR, WRONG_OPTIONS, Workplace, contains, long_text, outcome};
use serde_json::Value;

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("long.txt", long_text(1000));
    workplace
}

fn read(workplace: &Workplace, arguments: &[&str]) -> Value {
    let always = ["--prompt-file", "long.txt", "--attention", "dense", "--max-tokens", "4"];
    workplace.json(&[&always, arguments].concat())
}

/// Bytes of a token's keys and values in a layer: two heads of eight elements in 16 bits.
const ROW: u64 = 2 * 2 * 8 * 2;

#[test]
fn what_stays_is_what_was_asked_for() {
    let workplace = workplace();
    let full = read(&workplace, &[]);
    let tokens = full["prompt_tokens"].as_u64().unwrap();
    let all = tokens * LAYERS as u64 * ROW;
    assert_eq!((&full["kv_cache_bytes"], &full["kv_compression"]), (&all.into(), &Value::Null));
    for (kind, name) in [
        ("snapkv", "SnapKV (200 tokens a layer, 32 queries vote)"),
        ("pyramidkv", "PyramidKV (200 tokens a layer on average, 32 queries vote)"),
        ("streaming-llm", "StreamingLLM (the first 4 tokens and the last 196)"),
    ] {
        let object = read(&workplace, &["--kv", kind, "--kv-capacity", "200"]);
        assert_eq!(object["kv_compression"], name);
        assert_eq!(object["kv_cache_bytes"].as_u64().unwrap(), 200 * LAYERS as u64 * ROW, "{kind}");
        assert_eq!(object["kv_cache_full_bytes"].as_u64().unwrap(), all);
        assert_eq!(object["answer_tokens"], 4);
    }
    // lengths are written as everywhere
    let short = read(&workplace, &["--kv", "snapkv", "--kv-capacity", "1K", "--chunk", "1K"]);
    assert_eq!(short["kv_compression"], "SnapKV (1024 tokens a layer, 32 queries vote)");
    // room for everything changes nothing
    let roomy = read(&workplace, &["--kv", "snapkv"]);
    assert_eq!((&roomy["answer"], &roomy["kv_cache_bytes"]), (&full["answer"], &all.into()));
}

#[test]
fn comparing_is_with_everything() {
    let object = read(&workplace(), &["--kv", "streaming-llm", "--kv-capacity", "50", "--compare"]);
    assert_eq!(object["dense"]["kv_compression"], Value::Null);
    assert!(object["dense"]["kv_cache_bytes"].as_u64() > object["kv_cache_bytes"].as_u64());
}

#[test]
fn the_summary_says_what_stayed() {
    let workplace = workplace();
    let arguments = ["-f", "long.txt", "--max-tokens", "2", "--kv", "snapkv", "--kv-capacity", "100"];
    let summary = workplace.run(&arguments).succeeds().stderr;
    let kept = "SnapKV (100 tokens a layer, 32 queries vote) kept of the prompt";
    contains(&summary, &["key-value cache", "12.5 KiB of ", kept]);
}

#[test]
fn what_can_not_be_is_refused() {
    let workplace = workplace();
    let refused = |arguments: &[&str], parts: &[&str]| {
        workplace.misused(&[&["-f", "long.txt"], arguments].concat(), parts);
    };
    refused(
        &["--kv-capacity", "5"],
        &["--kv-capacity", "--kv streaming-llm or snapkv or pyramidkv", "found --kv full"],
    );
    refused(
        &["--kv", "snapkv", "--kv-capacity", "0"],
        &["--kv-capacity", "such as 8000, 16K", "found \"0\""],
    );
    refused(&["--kv", "snapkv", "--kv-capacity", "32"], &["capacity of SnapKV", "found 32"]);
    refused(&["--kv", "pyramidkv", "--kv-window", "65"], &["1 to 64", "found 65"]);
    refused(&["--kv", "snapkv", "--kv-kernel", "4"], &["an odd number", "found 4"]);
    refused(&["--kv", "streaming-llm", "--kv-capacity", "4"], &["more than the 4 first tokens", "found 4"]);
    refused(&["--kv", "streaming-llm", "--kv-window", "4"], &["--kv-window", "found --kv streaming-llm"]);
    refused(&["--kv", "h2o"], &["streaming-llm", "pyramidkv"]);
}

#[test]
fn answers_after_long_prompts_are_timed_by_what_was_kept() {
    let workplace = workplace();
    let bench = |arguments: &[&str]| {
        let fixed = ["bench", "answer", "--model", "model.gguf", "--threads", "1", "--repeats", "2"];
        outcome(&mut workplace.minference(&[&fixed, arguments].concat()))
    };
    let sizes = ["--lengths", "1K,2K", "--kv", "full,streaming-llm", "--kv-capacity", "256"];
    let table = bench(&sizes).succeeds().stdout;
    // two layers of 1,024 tokens, and the eighth of the longer prompt that is kept
    contains(
        &table,
        &["1024 tokens", "2048 tokens", "streaming-llm", "128 KiB", "256 KiB", "32.0 KiB", "8.00x"],
    );
    // the full cache is what others are held against, wherever it stands
    let turned = bench(&["--lengths", "1K", "--kv", "snapkv,full", "--kv-capacity", "256"]).succeeds().stdout;
    contains(&turned, &["4.00x", "1.00x"]);
    assert!(!turned.contains("0.25x"), "{turned}");
    // told before anything is filled
    let huge = bench(&["--lengths", "1K,1000000M"]);
    assert_eq!(huge.stdout, "");
    huge.is_refused(
        ERROR,
        &["caches of 1048576000000 tokens", "don't fit into memory together", "--lengths"],
    );
    bench(&["--kv", "full", "--kv-capacity", "5"])
        .is_refused(WRONG_OPTIONS, &["--kv-capacity", "found --kv full"]);
    bench(&["--kv", "full,snapkv", "--kv-capacity", "5"]).is_refused(WRONG_OPTIONS, &["capacity of SnapKV"]);
    bench(&["--repeats", "0"]).is_refused(WRONG_OPTIONS, &["--repeats"]);
}
