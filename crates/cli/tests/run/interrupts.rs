//! Ctrl-C, and pipes whose reader has gone.

#![cfg(target_os = "linux")]

use super::tiny_model::TinyModel;
use super::{WRONG_OPTIONS, Workplace, contains, long_text};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program that is long at work: the context is as long as a test may want.
fn start(workplace: &Workplace, arguments: &[&str]) -> Child {
    start_with(workplace, &[&["--attention", "dense"], arguments].concat())
}

fn start_with(workplace: &Workplace, arguments: &[&str]) -> Child {
    start_command(workplace, &["run"], arguments)
}

fn start_command(workplace: &Workplace, command: &[&str], arguments: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("minference"))
        .current_dir(workplace.path())
        .args(command)
        .args(["--model", "model.gguf", "--threads", "2"])
        .args(arguments)
        .env("MINFERENCE_CACHE", workplace.path().join("cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn workplace() -> Workplace {
    Workplace::with(&TinyModel { context: 1 << 22, ..TinyModel::default() })
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// How it ended, if it did so soon.
fn ended(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it waits on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Until it does something about Ctrl-C.
fn wait_until_listening(child: &Child) {
    const SIGINT: u64 = 1 << 1;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & SIGINT != 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("nobody listens");
}

/// What was printed, after checking that it stopped soon and as it should.
fn stopped(mut child: Child) -> String {
    let start = Instant::now();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert_eq!(message, "stopped\n");
    assert!(start.elapsed() < Duration::from_secs(30), "took {:?}", start.elapsed());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ctrl_c_stops_reading_the_prompt() {
    let workplace = workplace();
    workplace.write("long.txt", long_text(400_000));
    let child = start(&workplace, &["--prompt-file", "long.txt"]);
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_secs(2));
    interrupt(&child);
    assert_eq!(stopped(child), "");
}

#[test]
fn ctrl_c_stops_a_search() {
    let workplace = workplace();
    workplace.write("long.txt", long_text(200_000));
    let arguments = ["--max-error", "0.1", "--calibration", "long.txt", "--tokens", "200000"];
    let child = start_command(&workplace, &["search"], &arguments);
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_secs(2));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.ends_with("stopped\n") && output.stdout.is_empty(), "{message}");
}

/// What was found stays and is shown; the same command goes on.
#[test]
fn ctrl_c_stops_an_evaluation_between_samples() {
    let workplace = workplace();
    let arguments = ["--lengths", "1K,400K", "--rounds", "1", "--needles", "2", "--methods", "dense"];
    let child = start_command(&workplace, &["eval", "needle"], &arguments);
    let records = workplace.path().join("results/needle/records.jsonl");
    let lines = || std::fs::read_to_string(&records).map_or(0, |text| text.lines().count());
    let start = Instant::now();
    while lines() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is found");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    contains(&message, &["results in results/needle", "stopped"]);
    contains(&String::from_utf8(output.stdout).unwrap(), &["2 needles", "1,024", "dense"]);
    assert_eq!(lines(), 2);
}

#[test]
fn ctrl_c_stops_the_answer() {
    let workplace = workplace();
    let mut child = start(&workplace, &["--prompt", "Hi", "--max-tokens", "4000000"]);
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    interrupt(&child);
    let rest = stopped(child);
    assert!(first[0].is_ascii_graphic() && rest.ends_with('\n'), "{rest:?}");
}

#[test]
fn ctrl_c_stops_an_answer_of_which_nothing_is_shown() {
    let workplace = workplace();
    let child = start(&workplace, &["--prompt", "Hi", "--max-tokens", "4000000", "--json"]);
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_secs(1));
    interrupt(&child);
    assert_eq!(stopped(child), "");
}

/// What was waited for is not thrown away with the dense answer that is not waited for.
#[test]
fn ctrl_c_in_the_dense_answer_keeps_the_sparse_one() {
    const SPARSE: [&str; 10] = [
        "--prompt-file",
        "long.txt",
        "--max-tokens",
        "1",
        "--attention",
        "a-shape",
        "--sink",
        "16",
        "--local",
        "64",
    ];
    let workplace = workplace();
    workplace.write("long.txt", long_text(400_000));
    let begin = Instant::now();
    let mut child = start_with(&workplace, &[&SPARSE[..], &["--compare"]].concat());
    let mut answer = [0; 2];
    child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    let sparse_time = begin.elapsed();
    assert!(answer[0].is_ascii_graphic() && answer[1] == b'\n', "{answer:?}");
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    contains(&message, &["a-shape (sink 16, local 64)", "time to first token", "attention computed"]);
    assert!(message.ends_with("stopped\n") && !message.contains("times as fast"), "{message}");

    // nothing says when the first of two silent answers is there; dense attention takes many times
    // as long
    let child = start_with(&workplace, &[&SPARSE[..], &["--compare", "--json"]].concat());
    std::thread::sleep(2 * sparse_time + Duration::from_secs(1));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["attention"], "a-shape");
    assert!(object.get("dense").is_none() && object.get("speedup").is_none());
}

#[test]
fn ctrl_c_ends_the_wait_for_standard_input() {
    let workplace = workplace();
    let mut child = start(&workplace, &["--prompt-file", "-"]);
    std::thread::sleep(Duration::from_secs(1));
    interrupt(&child);
    // `wait` would close standard input, whose end could be seen before the signal
    assert_eq!(ended(&mut child).signal(), Some(2));
}

/// `minference run ... | head -c 1` ends quietly.
#[test]
fn a_closed_pipe_is_no_error() {
    let workplace = workplace();
    for more in [&[][..], &["--json"]] {
        let mut child = start(&workplace, &[&["--prompt", "Hi", "--max-tokens", "100"], more].concat());
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

/// Nobody reads the summary: the answer counts.
#[test]
fn a_closed_standard_error_is_no_panic() {
    let workplace = workplace();
    for (arguments, code) in [(&["--prompt", "Hi", "--max-tokens", "3"][..], 0), (&[], WRONG_OPTIONS)] {
        let mut child = start(&workplace, arguments);
        drop((child.stderr.take(), child.stdin.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

/// A script is not half done: nothing is answered after Ctrl-C, and the documents need not be read
/// to their end.
#[test]
fn ctrl_c_stops_a_scripted_chat() {
    let workplace = workplace();
    workplace.write("long.txt", long_text(400_000));
    let child = start_command(&workplace, &["chat"], &["--attention", "dense", "--document", "long.txt"]);
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_secs(2));
    interrupt(&child);
    assert_eq!(stopped(child), "");

    let mut child = start_command(&workplace, &["chat"], &["--max-tokens", "1000000"]);
    let script = child.stdin.as_mut().unwrap();
    writeln!(script, "Who?\nWhy?").unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.ends_with("stopped\n") && !message.contains("Why?"), "{message}");
    assert!(output.stdout.ends_with(b"\n"));
}

/// While nothing is asked there is no work that could stop by itself.
#[test]
fn ctrl_c_ends_a_chat_that_waits() {
    let workplace = Workplace::new();
    let mut child = start_command(&workplace, &["chat"], &["--max-tokens", "4"]);
    writeln!(child.stdin.as_mut().unwrap(), "Who?").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    assert_eq!(ended(&mut child).code(), Some(130));
}

/// The system's request to end is heard the first time, at work and while it waits.
#[test]
fn one_request_to_end_suffices() {
    let workplace = workplace();
    let mut child = start(&workplace, &["--prompt-file", "-"]);
    std::thread::sleep(Duration::from_secs(1));
    signal(&child, "-TERM");
    assert_eq!(ended(&mut child).signal(), Some(15));

    let mut child = start_command(&workplace, &["chat"], &["--max-tokens", "4"]);
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "-TERM");
    assert_eq!(ended(&mut child).code(), Some(130));

    workplace.write("long.txt", long_text(400_000));
    let mut child = start(&workplace, &["--prompt-file", "long.txt"]);
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "-TERM");
    assert_eq!(ended(&mut child).code(), Some(130));
}

/// Nobody reads the answer: the program waits for room in the pipe, where no work asks whether to
/// stop.
#[test]
fn one_request_to_end_suffices_behind_a_full_pipe() {
    let workplace = workplace();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // until there is no room, and then until no program can read
    let filling = std::thread::spawn(move || filler.write_all(&vec![b' '; 1 << 24]));
    std::thread::sleep(Duration::from_millis(500));
    let child = &mut Command::new(assert_cmd::cargo::cargo_bin!("minference"))
        .current_dir(workplace.path())
        .args(["run", "--model", "model.gguf", "--threads", "2", "--prompt", "Hi", "--max-tokens", "4000000"])
        .env("MINFERENCE_CACHE", workplace.path().join("cache"))
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_listening(child);
    std::thread::sleep(Duration::from_secs(2));
    signal(child, "-TERM");
    assert_eq!(ended(child).code(), Some(130));
    drop(reader);
    assert!(filling.join().unwrap().is_err());
}
