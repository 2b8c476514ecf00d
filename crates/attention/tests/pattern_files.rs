//! Pattern files: the published ones, ours, and wrong ones.

use minference_attention::HeadPattern;
use minference_attention::pattern::Notation;
use minference_attention::pattern::config::{FileFormat, HeadEntry, PatternConfig};
use minference_attention::pattern::provenance::{CalibrationSource, Fit, Provenance, Trial};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// The published files, which are not part of the project.
fn published_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/patterns");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect()
}

#[test]
fn published_files_survive_a_round_trip_in_both_formats() {
    let files = published_files();
    let folder = tempfile::tempdir().unwrap();
    for file in &files {
        let config = PatternConfig::read(file).unwrap();
        for format in [FileFormat::Native, FileFormat::Original] {
            let copy = folder.path().join("copy.json");
            config.write(&copy, format).unwrap();
            assert_eq!(PatternConfig::read(&copy).unwrap(), config, "{} as {format:?}", file.display());
        }
    }
    if !files.is_empty() {
        assert_eq!(files.len(), 14);
    }
}

#[test]
fn published_files_say_what_they_are_known_to_say() {
    let Some(phi) = published_files().into_iter().find(|file| file.to_string_lossy().contains("Phi_3_mini"))
    else {
        return;
    };
    let config = PatternConfig::read(&phi).unwrap();
    assert_eq!((config.layers(), config.heads()), (32, 32));
    let count = |wanted: fn(&HeadEntry) -> bool| {
        (0..32)
            .map(|layer| config.layer(layer).unwrap().iter().filter(|&head| wanted(head)).count())
            .sum::<usize>()
    };
    assert_eq!(count(|head| matches!(head.pattern, HeadPattern::VerticalSlash { .. })), 981);
    assert_eq!(count(|head| matches!(head.pattern, HeadPattern::AShape { .. })), 43);
    let error = PatternConfig::read_for_model(&phi, 28, 28).unwrap_err().to_string();
    for part in ["Phi_3_mini", "28 layers of 28 heads", "32 layers of 32 heads"] {
        assert!(error.contains(part), "{error}");
    }
}

fn pattern() -> impl Strategy<Value = HeadPattern> {
    let n = 0usize..100_000;
    prop_oneof![
        Just(HeadPattern::Dense),
        (n.clone(), n.clone()).prop_map(|(sink, local)| HeadPattern::AShape { sink, local }),
        (n.clone(), n.clone(), n.clone()).prop_map(|(sink, local, last)| HeadPattern::TriShape {
            sink,
            local,
            last
        }),
        (n.clone(), n.clone()).prop_map(|(vertical, slash)| HeadPattern::VerticalSlash { vertical, slash }),
        n.prop_map(|top_k| HeadPattern::BlockSparse { top_k }),
    ]
}

fn trial() -> impl Strategy<Value = Trial> {
    let fit = prop::sample::select(vec![Fit::Close, Fit::Nearest, Fit::AtLeast, Fit::AtMost]);
    (pattern(), 0.0f64..10.0, 0.0f64..1.0, fit).prop_map(|(pattern, error, share, fit)| Trial {
        pattern,
        error,
        share,
        fit,
    })
}

fn provenance() -> Provenance {
    let sample = |source: &str| CalibrationSource { source: source.into(), tokens: 9, hash: "0".repeat(16) };
    Provenance {
        program: "minference 0.1.0".into(),
        model: "a \"model\"\nin two lines".into(),
        fingerprint: "0123456789abcdef".into(),
        objective: "same pairs".into(),
        element_type: "f16".into(),
        calibration: vec![sample("key-values"), sample("book.txt")],
        errors_from: 2500,
    }
}

proptest! {
    #[test]
    fn every_pattern_survives_the_native_format(
        layers in prop::collection::vec(
            prop::collection::vec(
                (pattern(), prop::option::of(-1e9f64..1e9), prop::collection::vec(trial(), 0..3)), 3), 1..5),
        is_found in any::<bool>(),
    ) {
        let entry = |(pattern, score, trials)| HeadEntry { pattern, score, trials };
        let layers = layers.into_iter().map(|heads| heads.into_iter().map(entry).collect()).collect();
        let mut config = PatternConfig::new(layers).unwrap();
        if is_found {
            config = config.with_provenance(provenance());
        }
        prop_assert_eq!(PatternConfig::parse(&config.to_json(FileFormat::Native).unwrap()).unwrap(), config);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        let _ = PatternConfig::parse(&text);
    }
}

#[track_caller]
fn refused(json: &str, parts: &[&str]) {
    let message = PatternConfig::parse(json).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "expected {part:?} in {message:?}");
    }
}

#[test]
fn wrong_files_are_refused_with_the_place() {
    refused("", &["line 1", "JSON"]);
    refused("[{\"0\": [\"vertical_and_slash\", 1", &["JSON", "EOF"]);
    refused("7", &["top level", "found 7"]);
    refused("[]", &["at least one layer", "none"]);
    refused("[{}]", &["at least one head"]);
    refused("[[]]", &["layer 0", "map from head index"]);
    refused(r#"[{"0": ["vertical_and_slash", 30, -1, 0.5]}]"#, &["layer 0, head 0", "diagonals", "found -1"]);
    refused(r#"[{"0": ["vertical_and_slash", 30.5, 1, 0.5]}]"#, &["layer 0, head 0", "columns", "30.5"]);
    refused(r#"[{"0": ["vertical_and_slash", "30", 1]}]"#, &["columns", "\"30\""]);
    refused(r#"[{"0": ["vertical_and_slash", 99999999999, 1]}]"#, &["columns", "99999999999"]);
    refused(r#"[{"0": ["zigzag", 30, 1, 0.5]}]"#, &["layer 0, head 0", "stream_llm", "zigzag"]);
    refused(r#"[{"0": ["stream_llm", 30]}]"#, &["[type, first, second, score]"]);
    refused(r#"[{"0": ["stream_llm", 30, 1, "x"]}]"#, &["a number as the score"]);
    refused(r#"[{"0": ["stream_llm", 1, 1, 0], "2": ["stream_llm", 1, 1, 0]}]"#, &["head 1", "\"2\""]);
    refused(
        r#"[{"0": ["stream_llm", 1, 1]}, {"0": ["stream_llm", 1, 1], "1": ["stream_llm", 1, 1]}]"#,
        &["layer 1", "1 heads, as in layer 0", "found 2"],
    );
    refused("{}", &["field `format`", "minference-patterns"]);
    refused(r#"{"format": "minference-patterns", "version": 9, "layers": []}"#, &["field `version`", "9"]);
    let native =
        |head: &str| format!(r#"{{"format": "minference-patterns", "version": 1, "layers": [[{head}]]}}"#);
    refused(&native("3"), &["layer 0, head 0", "an object"]);
    refused(&native(r#"{"pattern": "star"}"#), &["vertical-slash", "star"]);
    refused(&native(r#"{"pattern": "a-shape", "sink": 4}"#), &["`local`", "null"]);
    refused(&native(r#"{"pattern": "block-sparse", "top_k": 4, "topk": 5}"#), &["`topk`"]);
    refused(
        r#"{"format": "minference-patterns", "version": 1, "searched": {}, "layers": [[]]}"#,
        &["`searched`"],
    );
    let search =
        r#"{"format": "minference-patterns", "version": 1, "search": {"model": "m"}, "layers": [[]]}"#;
    refused(search, &["`search`", "missing field"]);
    let trials = |trials: &str| native(&format!(r#"{{"pattern": "dense", "trials": {trials}}}"#));
    refused(&trials("5"), &["layer 0, head 0", "a list of trials", "found 5"]);
    refused(&trials(r#"[["zigzag:1", 0.1, 0.2, "close"]]"#), &["layer 0, head 0", "trials as", "zigzag"]);
    refused(&trials(r#"[["dense", 0.1, 0.2, "exact"]]"#), &["trials as", "exact"]);
    refused(&trials(r#"[["dense", 0.1, "close"]]"#), &["trials as"]);
}

#[test]
fn a_file_has_a_line_for_each_head() {
    let config = PatternConfig::uniform(HeadPattern::BlockSparse { top_k: 7 }, 2, 3).unwrap();
    let text = config.with_provenance(provenance()).to_json(FileFormat::Native).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("block-sparse")).count(), 6);
}

#[test]
fn patterns_are_written_in_one_word() {
    for text in
        ["dense", "a-shape:1024,4096", "tri-shape:1,2,3", "vertical-slash:30,2048", "block-sparse:100"]
    {
        assert_eq!(text.parse::<Notation>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "star",
        "dense:",
        "dense:1",
        "a-shape",
        "a-shape:1",
        "a-shape:1,-2",
        "block-sparse:1,2",
        "a-shape:1,2,3",
    ] {
        let error = text.parse::<Notation>().unwrap_err().to_string();
        assert!(error.contains("block-sparse:BLOCKS") && error.contains(&format!("{text:?}")), "{error}");
    }
    assert!("block-sparse:5000000000".parse::<Notation>().is_err());
}

#[test]
fn the_original_format_refuses_what_it_cannot_say() {
    let config = PatternConfig::uniform(HeadPattern::BlockSparse { top_k: 7 }, 2, 2).unwrap();
    let error = config.to_json(FileFormat::Original).unwrap_err().to_string();
    assert!(error.contains("layer 0, head 0") && error.contains("7 blocks"), "{error}");
}

/// Some editors put one before every file that they save.
#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marked.json");
    let config = PatternConfig::uniform(HeadPattern::Dense, 2, 4).unwrap();
    config.write(&path, FileFormat::Native).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
    assert_eq!(PatternConfig::read(&path).unwrap(), config);
}

#[test]
fn a_missing_file_is_named() {
    let error = PatternConfig::read(Path::new("no/such/file.json")).unwrap_err().to_string();
    assert!(error.contains("no/such/file.json"), "{error}");
}

/// A config holds only what a file can hold, so that writing and reading it again gives it back.
#[test]
fn configs_that_no_file_can_hold_are_refused() {
    let config =
        |pattern, score| PatternConfig::new(vec![vec![HeadEntry { pattern, score, trials: vec![] }]]);
    let huge = HeadPattern::AShape { sink: 1, local: 1 << 40 };
    let error = config(huge, None).unwrap_err().to_string();
    assert!(error.contains("layer 0, head 0") && error.contains("1099511627776"), "{error}");
    assert!(config(HeadPattern::Dense, Some(f64::NAN)).is_err());
    assert!(config(HeadPattern::Dense, Some(0.5)).is_ok());
}
