//! The command line, run as people run it.

use assert_cmd::Command;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use std::path::Path;

fn minference() -> Command {
    Command::cargo_bin("minference").unwrap()
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.json");
    minference().args(["bench", "attention", "--json"]).arg(&file).args(arguments).assert().success();
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
}

/// Exit status.
const ERROR: i32 = 1;
const WRONG_OPTIONS: i32 = 2;

/// Runs and expects an error that holds all of `parts`.
fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let output = minference().args(arguments).assert().code(code).get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    for part in parts {
        assert!(message.contains(part), "expected {part:?} in {message:?}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn bench_attention_writes_the_stable_fields() {
    let rows = rows(&[
        "--tokens",
        "300,1100",
        "--head-dim",
        "32",
        "--heads",
        "2",
        "--kv-heads",
        "1",
        "--threads",
        "2",
        "--repeats",
        "2",
        "--dtype",
        "f32",
        "--arithmetic",
        "f32",
        "--sink",
        "16",
        "--local",
        "64",
        "--blocks",
        "3",
    ]);
    assert_eq!(rows.len(), 10);
    for row in &rows {
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("no number {name} in {row}"));
        for name in ["instruction_set", "arithmetic", "dtype"] {
            assert!(row[name].is_string(), "{name}");
        }
        for name in ["seconds", "pairs", "causal_pairs", "gflops", "peak_gflops", "speedup_over_dense"] {
            assert!(number(name) > 0.0, "{name}");
        }
        assert!(number("index_seconds") >= 0.0);
        assert!(number("relative_error") < 1e-5, "{row}");
        assert_eq!(number("heads") as u64, 2);
        assert_eq!(number("kv_heads") as u64, 1);
        assert_eq!(number("head_dim") as u64, 32);
        assert_eq!(number("threads") as u64, 2);
        let tokens = number("tokens");
        assert_eq!(number("queries"), tokens);
        assert_eq!(number("causal_pairs"), tokens * (tokens + 1.0));
    }
    let methods: Vec<&str> = rows.iter().take(5).map(|row| row["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["dense", "a-shape", "tri-shape", "vertical-slash", "block-sparse"]);
    // A-shape (16, 64) of 1100 tokens, by the canonical layout: whole 64-query blocks with their
    // spans rounded to 16 keys
    assert!(rows[6]["pairs"].as_u64().unwrap() < rows[6]["causal_pairs"].as_u64().unwrap() / 3);
}

#[test]
fn bench_attention_times_the_last_chunk() {
    let small = ["--head-dim", "16", "--heads", "1", "--kv-heads", "1", "--repeats", "1"];
    let chunk = ["--tokens", "100,300", "--chunk", "100", "--methods", "dense"];
    let found = rows(&[&small[..], &chunk].concat());
    // a prompt that is no longer than a chunk is read as a whole
    for (row, [tokens, pairs]) in found.iter().zip([[100, 5050], [300, 100 * 200 + 5050]]) {
        let number = |name: &str| row[name].as_u64().unwrap();
        assert_eq!([number("tokens"), number("queries"), number("causal_pairs")], [tokens, 100, pairs]);
    }
    let told = minference().args(["bench", "attention"]).args(small).args(chunk).assert().success();
    let told = String::from_utf8(told.get_output().stdout.clone()).unwrap();
    for title in ["100 tokens, 1 heads", "the last 100 of 300 tokens, 1 heads"] {
        assert!(told.lines().any(|line| line.starts_with(title)), "{told}");
    }
    // before inputs are made, which these would take long
    for (chunk, part) in [("0", "at least 1, found 0"), ("100000000", "less than 100000000")] {
        let arguments = ["bench", "attention", "--tokens", "64,100000000", "--chunk", chunk];
        refused(&arguments, WRONG_OPTIONS, &["--chunk", part]);
    }
}

#[test]
fn bench_attention_reads_recorded_heads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heads.safetensors");
    let bytes = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|i| ((i as f32 * 0.7).sin()).to_le_bytes()).collect()
    };
    let (q, k) = (bytes(200 * 2 * 16), bytes(200 * 16));
    let view = |data, heads| TensorView::new(Dtype::F32, vec![200, heads, 16], data).unwrap();
    let tensors = [("q", view(&q, 2)), ("k", view(&k, 1)), ("v", view(&k, 1))];
    safetensors::serialize_to_file(tensors, None, &file).unwrap();
    let path = file.to_str().unwrap();
    let arguments =
        ["--input", path, "--repeats", "1", "--methods", "dense,a-shape", "--sink", "4", "--local", "20"];
    let found = rows(&arguments);
    assert_eq!(found[0]["tokens"], 200);
    assert_eq!((found[0]["heads"].as_u64(), found[0]["kv_heads"].as_u64()), (Some(2), Some(1)));
    assert!(found[1]["pairs"].as_u64() < found[0]["pairs"].as_u64());
    let shorter = rows(&[&arguments[..], &["--tokens", "100"]].concat());
    assert_eq!(shorter[0]["tokens"], 100);
    refused(
        &["bench", "attention", "--input", path, "--tokens", "201"],
        ERROR,
        &["expected 1 to 200", "found 201"],
    );
    let longer = bytes(300 * 16);
    let cache = || TensorView::new(Dtype::F32, vec![300, 1, 16], &longer).unwrap();
    let tensors = [("q", view(&q, 2)), ("k", cache()), ("v", cache())];
    safetensors::serialize_to_file(tensors, None, &file).unwrap();
    refused(&["bench", "attention", "--input", path], ERROR, &["as many queries as keys", "200 and 300"]);
    std::fs::write(&file, b"not safetensors").unwrap();
    refused(
        &["bench", "attention", "--input", path],
        ERROR,
        &["heads.safetensors", "not a valid safetensors"],
    );
    let tensors = [("q", view(&q, 2)), ("k", view(&k, 1))];
    safetensors::serialize_to_file(tensors, None, &file).unwrap();
    refused(&["bench", "attention", "--input", path], ERROR, &["expected tensors q, k and v"]);
}

#[test]
fn bench_decode_runs() {
    // keys and values of 2 heads of 64 elements
    for (dtype, bytes) in [("f16", "1.5 MB"), ("int8", "0.8 MB"), ("int4", "0.4 MB")] {
        let output = minference()
            .args([
                "bench",
                "decode",
                "--tokens",
                "3000",
                "--repeats",
                "2",
                "--threads",
                "2",
                "--dtype",
                dtype,
            ])
            .assert()
            .success()
            .get_output()
            .clone();
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.contains("3000 tokens") && table.contains(bytes), "{dtype}: {table}");
    }
}

/// `minference ... | head -1` ends quietly.
#[test]
#[cfg(unix)]
fn a_closed_pipe_is_no_error() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("minference"))
        .args(["bench", "decode", "--tokens", "64", "--repeats", "1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn wrong_arguments_are_refused() {
    let bench = |arguments: &[&'static str]| [&["bench", "attention", "--repeats", "1"], arguments].concat();
    refused(&bench(&["--tokens", "0"]), WRONG_OPTIONS, &["--tokens", "found 0"]);
    refused(&["bench", "attention", "--repeats", "0"], WRONG_OPTIONS, &["--repeats", "found 0"]);
    refused(&bench(&["--heads", "3", "--kv-heads", "2"]), WRONG_OPTIONS, &["multiple of the 2", "found 3"]);
    refused(&bench(&["--kv-heads", "0"]), WRONG_OPTIONS, &["--heads"]);
    refused(&bench(&["--head-dim", "12"]), WRONG_OPTIONS, &["multiple of 8", "found 12"]);
    refused(&bench(&["--threads", "0"]), WRONG_OPTIONS, &["threads", "at least 1"]);
    refused(&bench(&["--methods", "zigzag"]), WRONG_OPTIONS, &["zigzag", "vertical-slash"]);
    refused(&bench(&["--input", "no/such/file"]), ERROR, &["no/such/file"]);
    refused(&bench(&["--tokens", "64", "--json", "no/such/folder/rows.json"]), ERROR, &["no/such/folder"]);
    refused(
        &bench(&["--instruction-set", "portable", "--arithmetic", "f16"]),
        WRONG_OPTIONS,
        &["16-bit arithmetic"],
    );
}

/// Ctrl-C ends a long run soon, without a result and without a panic.
#[test]
#[cfg(unix)]
fn ctrl_c_stops_cleanly() {
    let program = assert_cmd::cargo::cargo_bin("minference");
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("rows.json");
    let mut child = std::process::Command::new(program)
        .args([
            "bench",
            "attention",
            "--tokens",
            "200000",
            "--repeats",
            "1",
            "--instruction-set",
            "portable",
            "--json",
        ])
        .arg(&json)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let start = std::time::Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
    assert!(!Path::new(&json).exists());
    let mut message = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut message).unwrap();
    assert!(message.contains("stopped") && !message.contains("panicked"), "{message}");
}
