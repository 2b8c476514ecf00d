//! Folders of results, as they should be and as they should not.

mod synthetic_evaluation;

use minference_eval::Error;
use minference_eval::results::{
    EvaluationKind, EvaluationRun, HEADER_FILE, LatencyRecord, RECORDS_FILE, ResultsFolder, RunRecords,
    read_runs,
};
use std::fmt::Write;
use std::path::Path;
use synthetic_evaluation::{latency, needle, perplexity, run};

/// Leaves a run in a folder, as evaluations do.
fn leave(folder: &Path, evaluation: EvaluationKind, records: &RunRecords) -> EvaluationRun {
    let run = EvaluationRun { folder: folder.into(), ..run(evaluation, records.clone()) };
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(HEADER_FILE), serde_json::to_string(&run.header).unwrap()).unwrap();
    let lines: Vec<String> = match records {
        RunRecords::Answers(records) => {
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
        }
        RunRecords::Perplexity(records) => {
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
        }
        RunRecords::Latency(records) => {
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
        }
    };
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    std::fs::write(folder.join(RECORDS_FILE), text).unwrap();
    run
}

/// The place and the message of a refused file.
fn refused(folder: &Path) -> (Option<usize>, String) {
    match read_runs(folder) {
        Err(Error::File { line, expected, found, .. }) => {
            (line, format!("expected {expected}, found {found}"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let runs = [
        leave(&folder.path().join("a"), EvaluationKind::Needle, &RunRecords::Answers(needle(&[4096], 2, 2))),
        leave(
            &folder.path().join("b"),
            EvaluationKind::Perplexity,
            &RunRecords::Perplexity(perplexity(99, 1)),
        ),
        leave(
            &folder.path().join("c"),
            EvaluationKind::Latency,
            &RunRecords::Latency(latency(&[10, 20, 40])),
        ),
    ];
    std::fs::create_dir(folder.path().join("other")).unwrap();
    assert_eq!(read_runs(folder.path()).unwrap(), runs); // all of them, by their names
    assert_eq!(read_runs(&folder.path().join("b")).unwrap(), runs[1..2]);
    std::fs::remove_file(folder.path().join("b").join(RECORDS_FILE)).unwrap();
    assert!(read_runs(&folder.path().join("b")).unwrap()[0].records.is_empty());
}

#[test]
fn a_last_line_that_was_cut_is_told_and_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = needle(&[4096], 2, 2);
    records[0].answer = "Zürich".into();
    let run = leave(folder.path(), EvaluationKind::Needle, &RunRecords::Answers(records));
    let path = folder.path().join(RECORDS_FILE);
    let whole = std::fs::read(&path).unwrap();
    let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    // wherever it is cut, also within a character
    for end in first..2 * first {
        std::fs::write(&path, [&whole[..], &whole[..end - first]].concat()).unwrap();
        let read = read_runs(folder.path()).unwrap().remove(0);
        assert_eq!(read.records, run.records);
        assert_eq!(read.cut_line, (end > first).then_some(17));
    }
}

#[test]
fn what_is_no_result_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (line, message) = refused(folder.path());
    assert!(line.is_none() && message.contains("run.json"), "{message}");
    assert!(matches!(read_runs(&folder.path().join("nowhere")), Err(Error::Read { .. })));

    leave(folder.path(), EvaluationKind::Latency, &RunRecords::Latency(latency(&[10])));
    let path = folder.path().join(RECORDS_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    for broken in ["{}\n", "\n", "no\n", "[1, 2]\n"] {
        std::fs::write(&path, format!("{text}{broken}{text}")).unwrap();
        assert_eq!(refused(folder.path()).0, Some(text.lines().count() + 1), "{broken}");
    }
    let (start, end) = text.split_once("dense").unwrap(); // no character within a name
    std::fs::write(&path, [start.as_bytes(), b"\xff", end.as_bytes()].concat()).unwrap();
    let (line, message) = refused(folder.path());
    assert!(line == Some(1) && message.contains("unicode"), "{message}");

    let path = folder.path().join(HEADER_FILE);
    let header = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, header.replace("\"format\":1", "\"format\":7")).unwrap();
    assert!(refused(folder.path()).1.contains("expected format 1, found 7"));
    std::fs::write(&path, header.replace("latency", "guesses")).unwrap();
    assert!(refused(folder.path()).1.contains("guesses"));
}

/// Results that are forgotten leave the others where they were: behind a link, for those who could
/// read them.
#[cfg(unix)]
#[test]
fn links_and_permissions_of_results_stay() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let run = leave(folder.path(), EvaluationKind::Latency, &RunRecords::Latency(latency(&[10, 20])));
    let (path, elsewhere) = (folder.path().join(RECORDS_FILE), folder.path().join("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o640)).unwrap();
    symlink("elsewhere", &path).unwrap();
    let mut results = ResultsFolder::<LatencyRecord>::open(folder.path(), &run.header).unwrap();
    let before = results.records().len();
    results.retain(|record| record.length == 10).unwrap();
    assert!(results.records().len() < before && fs::symlink_metadata(&path).unwrap().is_symlink());
    let lines = fs::read_to_string(&elsewhere).unwrap().lines().count();
    assert_eq!(lines, results.records().len());
    assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o640);
    drop(results);
    // a device is no place for results
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    let refused = ResultsFolder::<LatencyRecord>::open(folder.path(), &run.header);
    assert!(matches!(refused, Err(Error::Write { .. })), "{refused:?}");
}
