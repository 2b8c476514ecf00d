//! Summaries of compressed caches and of prompts in chunks, against cases that were computed by
//! hand.

mod synthetic_evaluation;

use minference_eval::report::EvaluationReport;
use minference_eval::results::{
    AnswerRecord, AnswerSeconds, CacheBytes, DenseAgreement, EvaluationKind, LatencyRecord, LatencySeconds,
    LatencySource, RunRecords,
};
use minference_eval::summary::{AnswerSummary, LatencySummary, Lengths};
use synthetic_evaluation::{answer, needle, run};

const SNAP: &str = "dense+snapkv:512";
const CHUNKS: &str = "minference+chunk:2048";

/// Two answers of each of some methods: dense, compressed, whole and in chunks.
fn answers() -> Vec<AnswerRecord> {
    let mut records = Vec::new();
    for sample in ["a", "b"] {
        let of = |method: &str, prefill: f64, decode: f64, kept: u64| AnswerRecord {
            cache: Some(CacheBytes { full: 8 << 20, kept }),
            decode_tokens: Some(10),
            seconds: AnswerSeconds { context: 0.0, question: prefill, decode, outside: 0.0 },
            ..answer(method, sample, 0)
        };
        records.push(of("dense", 4.0, 2.0, 8 << 20));
        records.push(of(SNAP, 4.0, 0.5, 1 << 20));
        records.push(of("minference", 2.0, 2.0, 8 << 20));
        records.push(of(CHUNKS, 2.5, 2.0, 8 << 20));
    }
    // one of the answers in chunks differs
    let last = records.last_mut().unwrap();
    last.answer = "The code is 7042.".into();
    last.dense = Some(DenseAgreement { same: 0.0, same_score: Some(0.0), divergence: 0.05 });
    records
}

#[test]
fn caches_are_shown_before_and_after() {
    let records = answers();
    let summary = AnswerSummary::of(&records, Lengths::Chosen);
    let table = summary.caches(EvaluationKind::Needle);
    assert_eq!(table.rows.len(), 4);
    assert!(table.notes.is_empty());
    for benchmark in [EvaluationKind::Ruler, EvaluationKind::InfiniteBench] {
        assert!(summary.caches(benchmark).notes[0].contains("with the question in sight"));
    }
    let expected =
        ["single", SNAP, "4,096", "8.00 MiB", "1.00 MiB", "8.00x", "100%", "100%", "20.0", "4.00x"];
    assert_eq!(table.rows[1], expected);
    assert_eq!(table.rows[0][3..6], ["8.00 MiB", "8.00 MiB", "1.00x"]);
    assert_eq!(summary.times().head[5..], ["decode", "tokens/s", "speed-up"][..]);

    // nothing to tell where everything is kept, and of results that don't say
    let kept: Vec<AnswerRecord> = records.iter().filter(|record| record.method != SNAP).cloned().collect();
    assert!(AnswerSummary::of(&kept, Lengths::Chosen).caches(EvaluationKind::Needle).rows.is_empty());
    let silent: Vec<AnswerRecord> = records
        .into_iter()
        .map(|record| AnswerRecord { cache: None, decode_tokens: None, ..record })
        .collect();
    let summary = AnswerSummary::of(&silent, Lengths::Chosen);
    let nothing = summary.caches(EvaluationKind::Ruler);
    assert!(nothing.rows.is_empty() && nothing.notes.is_empty());
    assert!(!summary.times().head.contains(&"tokens/s".to_string()));
    let row = &summary.groups[0].rows[1];
    assert_eq!((row.cache, row.decode_speed), (None, None));
}

#[test]
fn chunks_stand_beside_the_whole() {
    let records = answers();
    let table = AnswerSummary::of(&records, Lengths::Chosen).chunks();
    let [row] = &table.rows[..] else { panic!("{table:?}") };
    assert_eq!(row[..3], ["single", CHUNKS, "4,096"]);
    // one of two answers, four seconds over five
    let rest: Vec<&str> = row[3..].iter().map(String::as_str).collect();
    let half = "50% (9-91)";
    assert_eq!(rest, [half, half, "100% (34-100)", "0.0300", "0.0100", "1.60x", "2.00x", "80%"]);
    // without the whole there is nothing to hold it against
    let alone: Vec<AnswerRecord> =
        records.into_iter().filter(|record| record.method != "minference").collect();
    assert!(AnswerSummary::of(&alone, Lengths::Chosen).chunks().rows.is_empty());
}

#[test]
fn times_in_chunks_say_what_is_kept_of_the_speed() {
    let record = |method: &str, total: f64, kept: u64| LatencyRecord {
        length: 8192,
        method: method.into(),
        pattern: method.into(),
        repeat: 0,
        seconds: LatencySeconds { attention: total / 2.0, total, ..LatencySeconds::default() },
        computed_share: 0.5,
        peak_memory: None,
        cache: Some(CacheBytes { full: 1 << 30, kept }),
        source: LatencySource::Measured,
    };
    let mut records = vec![
        record("dense", 12.0, 1 << 30),
        record("minference", 4.0, 1 << 30),
        record(CHUNKS, 5.0, 1 << 30),
    ];
    let summary = LatencySummary::of(&records);
    let kept: Vec<Option<f64>> = summary.rows.iter().map(|row| row.speed_kept).collect();
    assert_eq!(kept, [None, None, Some(0.8)]);
    let table = summary.table();
    assert_eq!(table.head[3..6], ["total", "speed-up", "speed-up kept"]);
    assert_eq!(table.rows[2][3..6], ["5.00 s", "2.40x", "80%"]);
    // nothing was compressed
    assert!(!table.head.contains(&"cache".to_string()));
    assert!(!table.head.contains(&"compression".to_string()));
    records.push(record(SNAP, 12.0, 1 << 28));
    records.last_mut().unwrap().seconds.compression = 2.0;
    let summary = LatencySummary::of(&records);
    assert_eq!(summary.rows[3].other(), 4.0);
    let table = summary.table();
    let place = table.head.iter().position(|name| name == "compression").unwrap();
    assert_eq!(table.rows[3][place..place + 2], ["2.00 s", "4.00 s"]);
    assert_eq!(table.rows[0][place], "-");
    assert_eq!(table.head[table.head.len() - 2..], ["cache", "smaller"]);
    assert_eq!(table.rows[3][table.head.len() - 2..], ["256 MiB", "4.00x"]);
    // chunks of a method that was not run as a whole
    records.remove(1);
    assert!(LatencySummary::of(&records).rows.iter().all(|row| row.speed_kept.is_none()));
}

#[test]
fn the_page_shows_both_where_there_are_any() {
    let page = |records| {
        EvaluationReport::new(vec![run(EvaluationKind::Needle, RunRecords::Answers(records))]).to_html()
    };
    let html = page(answers());
    for part in ["Keys and values by task", "1.00 MiB", "In chunks and as a whole", SNAP, CHUNKS] {
        assert!(html.contains(part), "{part}");
    }
    let html = page(needle(&[4096], 2, 2));
    assert!(!html.contains("Keys and values by task") && !html.contains("In chunks and as a whole"));
}

#[test]
fn results_of_earlier_versions_are_read_and_stay_as_they_are() {
    let record = answer("minference", "a", 0);
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains("cache") && !text.contains("decode_tokens"));
    assert_eq!(serde_json::from_str::<AnswerRecord>(&text).unwrap(), record);
    let seconds = r#"{"projections": 1.0, "index": 0.0, "attention": 2.0, "mlp": 1.0, "total": 5.0}"#;
    assert_eq!(serde_json::from_str::<LatencySeconds>(seconds).unwrap().compression, 0.0);
    let full = &answers()[1];
    let text = serde_json::to_string(full).unwrap();
    assert!(text.contains("\"cache\":{\"full\":8388608,\"kept\":1048576},\"decode_tokens\":10"), "{text}");
    assert_eq!(serde_json::from_str::<AnswerRecord>(&text).unwrap(), *full);
}
