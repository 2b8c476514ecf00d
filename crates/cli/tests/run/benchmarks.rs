//! `minference eval ruler` and `minference eval infinite-bench`: asking, files in and out, going
//! on. A token is a byte.

use super::{ERROR, Outcome, WRONG_OPTIONS, Workplace, contains, outcome};
use minference_eval::results::{AnswerRecord, RunHeader};
use serde_json::{Value, json};
use std::path::Path;

fn eval(workplace: &Workplace, benchmark: &str, arguments: &[&str]) -> Outcome {
    let fixed = ["eval", benchmark, "--model", "model.gguf", "--threads", "2"];
    outcome(&mut workplace.minference(&[&fixed, arguments].concat()))
}

fn ruler(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    eval(workplace, "ruler", arguments)
}

fn infinite_bench(workplace: &Workplace, arguments: &[&str]) -> Outcome {
    eval(workplace, "infinite-bench", arguments)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn records(workplace: &Workplace, folder: &str) -> Vec<AnswerRecord> {
    let lines = lines(&workplace.path().join(folder).join("records.jsonl"));
    lines.into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
}

fn header(workplace: &Workplace, folder: &str) -> RunHeader {
    let text = std::fs::read_to_string(workplace.path().join(folder).join("run.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// All files in a folder, relative to the workplace, in order.
fn files(workplace: &Workplace, folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(workplace.path().join(folder)) else { return vec![] };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
    paths.sort_by_key(|entry| entry.path());
    let below = |entry: std::fs::DirEntry| {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() { files(workplace, &name) } else { vec![name] }
    };
    paths.into_iter().flat_map(below).collect()
}

/// Answers do not depend on where the questions come from.
fn answers(records: &[AnswerRecord]) -> Vec<(String, String, Vec<String>, f64)> {
    let answer = |record: &AnswerRecord| {
        (record.method.clone(), record.answer.clone(), record.references.clone(), record.score)
    };
    records.iter().map(answer).collect()
}

#[test]
fn ruler_asks_goes_on_and_keeps_its_predictions_up_to_date() {
    let workplace = Workplace::new();
    let chosen =
        ["--tasks", "niah_single_1,vt", "--lengths", "2K", "--samples", "2", "--predictions", "told"];
    let ask = |more: &[&str]| ruler(&workplace, &[&chosen[..], more].concat());
    let told = ask(&["--methods", "dense"]).succeeds();
    contains(&told.stderr, &["of it in the model", "results in results/ruler"]);
    contains(&told.stdout, &["niah_single_1", "vt", "2,048"]);
    let first = records(&workplace, "results/ruler");
    let names: Vec<&str> = first.iter().map(|record| record.sample.as_str()).collect();
    assert_eq!(names, ["niah_single_1/2048/0", "niah_single_1/2048/1", "vt/2048/0", "vt/2048/1"]);
    for record in &first {
        let (answer, needles) = if record.task == "vt" { (30, 5) } else { (128, 1) };
        assert!(record.prompt_tokens + answer <= 2048 && record.prompt_tokens + answer > 1850, "{record:?}");
        assert_eq!((record.length, record.references.len(), record.score), (2048, needles, 0.0));
    }
    assert_eq!(
        files(&workplace, "told"),
        ["told/dense/2048/niah_single_1.jsonl", "told/dense/2048/vt.jsonl"]
    );

    // another method and another sample add to what is there
    ask(&["--methods", "dense,a-shape:64,256"]).succeeds();
    let all = records(&workplace, "results/ruler");
    assert_eq!((all.len(), &all[..4]), (8, &first[..]));
    assert_eq!(files(&workplace, "told").len(), 4);
    let predictions = lines(&workplace.path().join("told/dense/2048/vt.jsonl"));
    for (prediction, record) in predictions.iter().zip(&first[2..]) {
        assert_eq!(prediction["pred"], record.answer);
        assert_eq!(prediction["outputs"], json!(record.references));
    }
    let again =
        ["--tasks", "vt", "--lengths", "2K", "--samples", "3", "--methods", "dense", "--predictions", "told"];
    ruler(&workplace, &again).succeeds();
    assert_eq!(lines(&workplace.path().join("told/dense/2048/vt.jsonl")).len(), 3);
    ruler(&workplace, &[&again[..], &["--seed", "1"]].concat()).is_refused(ERROR, &["seed 0 instead of 1"]);
}

#[test]
fn rulers_samples_that_are_written_are_asked_as_those_that_are_made() {
    let workplace = Workplace::new();
    let chosen = ["--tasks", "fwe,niah_multikey_3", "--lengths", "2K", "--samples", "2"];
    let write = || ruler(&workplace, &[&chosen[..], &["--write", "data"]].concat());
    let written = write().succeeds().stdout;
    let expected = ["data/2048/fwe/validation.jsonl", "data/2048/niah_multikey_3/validation.jsonl"];
    assert_eq!(written.lines().map(|line| line.replace('\\', "/")).collect::<Vec<_>>(), expected);
    assert_eq!(files(&workplace, "data"), expected);
    write().is_refused(ERROR, &["--write data", "it exists"]);
    // the form of prompts is in the files
    let methods = ["--methods", "dense,a-shape:64,256"];
    ruler(&workplace, &[&chosen[..], &methods, &["--output", "made"]].concat()).succeeds();
    let read =
        |path, output| ruler(&workplace, &[&["--read", path, "--output", output], &methods[..]].concat());
    read("data", "read").succeeds();
    let [made, found] = ["made", "read"].map(|folder| records(&workplace, folder));
    assert_eq!((found.len(), answers(&made)), (8, answers(&found)));
    assert!(found.iter().all(|record| record.length == 2048), "{found:?}");
    assert_eq!(header(&workplace, "read").settings["template"], "raw");

    // nothing is left to ask; an edited file is another run
    read("data", "read").succeeds();
    assert_eq!(records(&workplace, "read"), found);
    let path = workplace.path().join(expected[0]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("outputs\":[\"", "outputs\":[\"x", 1)).unwrap();
    read("data", "read").is_refused(ERROR, &["source files of samples ("]);

    std::fs::write(&path, format!("{text}no sample\n")).unwrap();
    read("data", "other").is_refused(ERROR, &["fwe/validation.jsonl, line 3", "`outputs`"]);
    let long = json!({"index": 0, "input": "a ".repeat(3000), "outputs": ["b"]});
    workplace.write("vt.jsonl", long.to_string());
    read("vt.jsonl", "other").is_refused(ERROR, &["6029 tokens", "4096", "context"]);
    assert!(!workplace.path().join("other").exists(), "refused before anything is asked");
    ruler(&workplace, &["--samples", "9999999"]).is_refused(WRONG_OPTIONS, &["1000000 in all"]);
    ruler(&workplace, &["--lengths", "8K"]).is_refused(ERROR, &["4096", "context"]);
}

/// Ctrl-C while samples are written: the same command works again, as nothing is half there.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_stops_writing_and_leaves_no_files() {
    let workplace = Workplace::new();
    let arguments = [
        "eval",
        "ruler",
        "--model",
        "model.gguf",
        "--tasks",
        "fwe",
        "--samples",
        "100000",
        "--write",
        "data",
    ];
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("minference"))
        .current_dir(workplace.path())
        .args(arguments)
        .env("MINFERENCE_CACHE", workplace.path().join("cache"))
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    while files(&workplace, "data").is_empty() {
        assert!(start.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none(), "nothing is written");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(files(&workplace, "data").is_empty(), "{:?}", files(&workplace, "data"));
}

/// Two samples of a task, the second one too long for the model.
fn official(workplace: &Workplace, name: &str, input: &str, answer: &str) {
    std::fs::create_dir_all(workplace.path().join("data")).unwrap();
    let line = |words: usize| json!({"context": "word ".repeat(words), "input": input, "answer": answer});
    workplace.write(&format!("data/{name}.jsonl"), format!("{}\n{}\n", line(50), line(2000)));
}

#[test]
fn infinite_bench_generates_asks_and_goes_on() {
    let workplace = Workplace::new();
    let ask = |more: &[&str]| {
        infinite_bench(&workplace, &[&["--lengths", "1K,2K", "--samples", "1"], more].concat())
    };
    let told = ask(&["--methods", "dense"]).succeeds();
    contains(&told.stdout, &["passkey", "kv_retrieval", "1,024", "2,048"]);
    let first = records(&workplace, "results/infinite-bench");
    assert_eq!(first.len(), 8);
    for record in &first {
        assert!(
            record.prompt_tokens <= record.length && record.prompt_tokens + 150 > record.length,
            "{record:?}"
        );
    }
    ask(&["--methods", "dense,a-shape:64,256", "--tasks", "math_find"]).succeeds();
    let all = records(&workplace, "results/infinite-bench");
    assert_eq!((all.len(), &all[..8]), (10, &first[..]));
    assert!(all[8..].iter().all(|record| record.task == "math_find" && record.dense.is_some()));
    ask(&["--seed", "3"]).is_refused(ERROR, &["seed 0 instead of 3"]);
    let misused =
        |more: &[&str], part: &str| infinite_bench(&workplace, more).is_refused(WRONG_OPTIONS, &[part]);
    misused(&["--tasks", "code_debug"], "the others need the official files");
    misused(&["--samples", "0"], "--samples");
    misused(&["--samples", "9999999999"], "1000000 in all");
    infinite_bench(&workplace, &["--lengths", "8K"]).is_refused(ERROR, &["4096", "context"]);
}

#[test]
fn infinite_bench_reads_official_files_and_tells_editions_apart() {
    let workplace = Workplace::new();
    official(&workplace, "passkey", "What is the pass key?", "12345");
    official(&workplace, "longbook_sum_eng", "", "A book.");
    let ask = |more: &[&str]| {
        infinite_bench(&workplace, &[&["--data", "data", "--methods", "dense"], more].concat())
    };
    let passkey = ["--tasks", "passkey", "--limit", "3K"];
    ask(&passkey).succeeds();
    let found = records(&workplace, "results/infinite-bench");
    let names: Vec<&str> = found.iter().map(|record| record.sample.as_str()).collect();
    assert_eq!(names, ["passkey/0", "passkey/1"]);
    assert!(found[0].prompt_tokens < 700, "whole: {}", found[0].prompt_tokens);
    assert!((3050..=3072 - 6).contains(&found[1].prompt_tokens), "cut: {}", found[1].prompt_tokens);
    let settings = header(&workplace, "results/infinite-bench").settings;
    assert_eq!((settings["source"].as_str(), settings["limit"].as_str()), ("official files", "3072"));
    assert!(settings.contains_key("passkey.jsonl") && settings.contains_key("longbook_sum_eng.jsonl"));

    // a later run may choose other tasks, but not other files
    ask(&["--tasks", "passkey,longbook_sum_eng", "--samples", "1", "--limit", "3K"]).succeeds();
    let more = records(&workplace, "results/infinite-bench");
    assert_eq!((more.len(), more[2].sample.as_str()), (3, "longbook_sum_eng/0"));
    official(&workplace, "passkey", "What is the pass key?", "54321");
    ask(&passkey).is_refused(ERROR, &["passkey.jsonl", "instead of", "--output"]);
    assert_eq!(records(&workplace, "results/infinite-bench"), more);

    let path = workplace.path().join("data/passkey.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{{\"context\": \"\"}}\n")).unwrap();
    ask(&passkey).is_refused(ERROR, &["passkey.jsonl, line 3", "missing field `answer`"]);
    ask(&["--tasks", "code_debug"]).is_refused(ERROR, &["code_debug.jsonl", "no such file"]);
    ask(&["--samples", "0"]).is_refused(WRONG_OPTIONS, &["--samples"]);
    ask(&["--tasks", "longbook_sum_eng", "--limit", "8K"]).is_refused(ERROR, &["--limit", "at most 4096"]);
    ask(&["--tasks", "longbook_sum_eng", "--limit", "100"])
        .is_refused(ERROR, &["limit of prompt and answer"]);
}
