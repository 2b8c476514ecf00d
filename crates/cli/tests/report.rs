//! `minference report` on folders of results as evaluations leave them.

use assert_cmd::Command;
use std::path::Path;
use std::process::Output;

const HEADER: &str =
    r#"{"format": 1, "evaluation": "latency", "model": "a model", "fingerprint": "9f2c", "settings": {}}"#;

/// A time of one length and method, as a line of results.
fn time(length: usize, method: &str, total: f64) -> String {
    format!(
        r#"{{"length": {length}, "method": "{method}", "pattern": "{method}", "repeat": 0, "computed_share": 0.5, "source": "measured",
        "peak_memory": null, "seconds": {{"projections": 0.1, "index": 0.1, "attention": 0.1, "mlp": 0.1, "total": {total}}}}}"#
    )
    .replace('\n', " ")
        + "\n"
}

fn leave(folder: &Path, records: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("run.json"), HEADER).unwrap();
    std::fs::write(folder.join("records.jsonl"), records).unwrap();
}

fn report(folder: &Path, arguments: &[&str]) -> Output {
    Command::cargo_bin("minference")
        .unwrap()
        .current_dir(folder)
        .arg("report")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn one_page_of_all_folders_with_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let records = [time(1000, "dense", 2.0), time(1000, "a-shape", 1.0), time(2000, "dense", 5.0)].concat();
    leave(&folder.path().join("results/one"), &records);
    // an interrupted write
    leave(&folder.path().join("results/two"), &format!("{records}{}", &time(9, "dense", 1.0)[..20]));
    let output = report(folder.path(), &["results", "--output", "all.html", "--figures", "figures"]);
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let files: Vec<&str> = out.lines().collect();
    assert_eq!(files.len(), 1 + 2 * 4, "{out}"); // two figures of each folder
    assert_eq!(files[0], "all.html");
    assert!(files.iter().all(|file| folder.path().join(file).is_file()));
    assert!(
        errors.contains("a model, 3 results") && errors.contains("line 4 was left half written"),
        "{errors}"
    );
    let page = std::fs::read_to_string(folder.path().join("all.html")).unwrap();
    assert_eq!(page.matches("<td class=\"number\">2.00x</td>").count(), 2);
}

#[test]
fn what_is_no_result_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder.path().join("broken"), &format!("{}nothing\n", time(1000, "dense", 2.0)));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (arguments, code, parts) in [
        (&["broken"][..], 1, &["records.jsonl, line 2", "expected a result"][..]),
        (&["empty"], 1, &["empty", "run.json"]),
        (&["nowhere"], 1, &["nowhere"]),
        (&[], 2, &["RESULTS_DIR"]),
    ] {
        let output = report(folder.path(), arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(!folder.path().join("report.html").exists());
    }
}
