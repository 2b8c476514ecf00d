//! Scores are those of the published program (`golden/infinite_bench`).

use minference_eval::tasks::infinite_bench::InfiniteBenchTask;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
struct ScoreCase {
    task: String,
    references: Vec<String>,
    answers: BTreeMap<String, f64>,
}

#[test]
fn answers_score_as_in_the_published_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/infinite_bench/scores.json");
    let cases: Vec<ScoreCase> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut tasks = BTreeSet::new();
    for ScoreCase { task, references, answers } in &cases {
        let task: InfiniteBenchTask = task.parse().unwrap();
        tasks.insert(task);
        for (answer, expected) in answers {
            let score = task.scoring().score(answer, references);
            assert!((score - expected).abs() < 1e-12, "{task}, {answer:?}: {score}, expected {expected}");
        }
    }
    assert_eq!(tasks, InfiniteBenchTask::all().collect());
    assert!(cases.iter().map(|case| case.answers.len()).sum::<usize>() > 150);
}

#[test]
fn answers_without_references_are_wrong() {
    for task in InfiniteBenchTask::all() {
        assert_eq!(task.scoring().score("A. 5", &[]), 0.0, "{task}");
    }
}
