//! Summaries, against cases that were computed by hand.

mod synthetic_evaluation;

use minference_eval::numbers::count;
use minference_eval::results::{
    AnswerRecord, AnswerSeconds, DenseAgreement, EvaluationKind, LatencyRecord, LatencySeconds,
    LatencySource, LossBucket, PerplexityRecord,
};
use minference_eval::summary::{
    AnswerSummary, DepthGrid, LatencySummary, Lengths, PerplexitySummary, TaskAverages, disagreements,
};
use minference_eval::tasks::ruler::RulerTask;
use std::collections::BTreeMap;
use synthetic_evaluation::{answer, latency, needle, perplexity};

/// A wrong answer where dense attention's was right.
fn wrong(record: AnswerRecord) -> AnswerRecord {
    AnswerRecord {
        answer: "No idea.".into(),
        score: 0.0,
        dense: Some(DenseAgreement { same: 0.0, same_score: Some(0.0), divergence: 0.03 }),
        ..record
    }
}

#[test]
fn answers_are_averaged_and_held_against_dense_attention() {
    let fast = AnswerSeconds { context: 0.5, question: 0.125, decode: 0.25, outside: 0.0 };
    let mut records = Vec::new();
    for question in 0..4 {
        records.push(AnswerRecord { seconds: fast, ..answer("minference", "a", question) });
        records.push(answer("dense", "a", question));
    }
    records[6] = wrong(records[6].clone());
    let summary = AnswerSummary::of(&records, Lengths::Chosen);
    assert_eq!(summary.methods, ["dense", "minference"]); // whatever came first
    let [dense, sparse] = &summary.groups[0].rows[..] else { panic!("{:?}", summary.groups) };
    assert_eq!((dense.score.mean, dense.same, dense.speedup), (1.0, None, Some(1.0)));
    assert_eq!((sparse.score.mean, sparse.score.number), (0.75, 4));
    assert_eq!(sparse.same.unwrap().mean, 0.75);
    assert_eq!(sparse.same_score.unwrap().mean, 0.75);
    assert!((sparse.divergence.unwrap() - 0.015).abs() < 1e-12);
    // 2.5 s over 0.625 s; the answer's own time does not count
    assert_eq!(
        (sparse.context, sparse.question, sparse.decode, sparse.speedup),
        (0.5, 0.125, 0.25, Some(4.0))
    );
    let table = summary.scores();
    // the four questions are about one text, so that they count as one
    assert_eq!(table.rows[1][..6], ["single", "minference", "4,096", "4", "1", "75% (12-99)"]);
    assert_eq!(table.notes, [""; 0]);
    assert_eq!(summary.times().rows[1].last().unwrap(), "4.00x");
}

#[test]
fn a_method_does_not_gain_by_questions_that_it_never_met() {
    // The hard second sample: dense attention and a-shape fail on it. a-shape and minference were
    // interrupted at other places.
    let mut records: Vec<AnswerRecord> =
        ["dense", "minference", "a-shape"].map(|method| answer(method, "easy", 0)).into();
    records.push(AnswerRecord { score: 0.0, ..answer("dense", "hard", 0) });
    records.push(wrong(answer("a-shape", "hard", 0)));
    records.push(answer("minference", "third", 0));
    let summary = AnswerSummary::of(&records, Lengths::Chosen);
    let group = &summary.groups[0];
    assert_eq!(group.left_out, 2);
    for row in &group.rows {
        assert_eq!((row.score.mean, row.score.number), (1.0, 1), "{}", row.method);
    }
    assert!(summary.scores().notes[0].contains("answered them yet: 2."));
    // the same in maps
    let grid = DepthGrid::of(&records, "single").unwrap();
    assert_eq!(grid.cell(0, 0, 0).unwrap().score.number, 1);

    // A method that was not run at a length at all does not matter there.
    records.extend(
        ["dense", "minference"].map(|method| AnswerRecord { length: 8192, ..answer(method, "long", 0) }),
    );
    let summary = AnswerSummary::of(&records, Lengths::Chosen);
    assert_eq!((summary.groups[1].left_out, summary.groups[1].rows.len()), (0, 2));
    // The same question once more, as a rerun may leave it: the last one counts.
    let again = [answer("dense", "a", 0), AnswerRecord { score: 0.0, ..answer("dense", "a", 0) }];
    let score = AnswerSummary::of(&again, Lengths::Chosen).groups[0].rows[0].score;
    assert_eq!((score.mean, score.number), (0.0, 1));
}

#[test]
fn without_dense_attention_nothing_is_held_against_it() {
    let alone: Vec<AnswerRecord> =
        (0..3).map(|question| AnswerRecord { dense: None, ..answer("minference", "a", question) }).collect();
    let summary = AnswerSummary::of(&alone, Lengths::Chosen);
    let row = &summary.groups[0].rows[0];
    assert_eq!((row.same, row.divergence, row.speedup), (None, None, None));
    assert_eq!(
        summary.scores().head,
        ["task", "method", "length", "questions", "samples", "score", "computed"]
    );
    assert_eq!(disagreements(&alone), []);
    let grid = DepthGrid::of(&alone, "single").unwrap();
    assert_eq!(grid.cell(0, 0, 0).unwrap().difference, None);

    let mut losses = perplexity(100, 1);
    losses.retain(|record| record.method != "dense");
    assert!(PerplexitySummary::of(&losses).groups[0].rows.iter().all(|row| row.change.is_none()));
    let mut times = latency(&[4096]);
    times.retain(|record| record.method != "dense");
    assert!(LatencySummary::of(&times).rows.iter().all(|row| row.speedup.is_none()));
    assert_eq!(AnswerSummary::of(&[], Lengths::Chosen).groups, []);
}

#[test]
fn maps_have_a_cell_for_each_length_and_depth() {
    let at = |method: &str, length, depth, score| AnswerRecord {
        length,
        depth: Some(depth),
        score,
        ..answer(method, &format!("{length}/{depth}"), 0)
    };
    let records = [
        at("a-shape", 4096, 0.5, 1.0),
        at("a-shape", 8192, 0.0, 0.0),
        at("dense", 4096, 0.5, 0.5),
        at("dense", 8192, 0.0, 1.0),
    ];
    let grid = DepthGrid::of(&records, "single").unwrap();
    assert_eq!((&grid.lengths[..], &grid.depths[..]), (&[4096, 8192][..], &[0.0, 0.5][..]));
    assert_eq!(grid.methods, ["dense", "a-shape"]);
    let cell = |method, length, depth| grid.cell(method, length, depth).unwrap();
    assert_eq!(cell(1, 0, 1).difference, Some(0.5));
    assert_eq!(cell(1, 1, 0).difference, Some(-1.0));
    assert_eq!((cell(1, 0, 0).score.number, cell(1, 0, 0).difference), (0, None)); // none there
    assert_eq!(grid.cell(0, 2, 0), None);
    assert_eq!(DepthGrid::of(&records, "other"), None);
    // Many depths are put together in tenths.
    let many = DepthGrid::of(&needle(&[4096], 40, 2), "single").unwrap();
    assert_eq!(many.depths.len(), 10);
    let questions: usize = (0..10).map(|depth| many.cell(1, 0, depth).unwrap().score.number).sum();
    assert_eq!(questions, 40 * 4);
}

#[test]
fn averages_are_over_tasks_that_all_methods_have() {
    let of = |task: &str, method: &str, length, score| AnswerRecord {
        task: task.into(),
        length,
        score,
        ..answer(method, &format!("{task}/{length}"), 0)
    };
    let records = [
        of("vt", "dense", 4096, 1.0),
        of("fwe", "dense", 4096, 0.8),
        of("vt", "a-shape", 4096, 0.9),
        of("fwe", "a-shape", 4096, 0.5),
        of("vt", "dense", 8192, 0.9),
        of("fwe", "dense", 8192, 0.0), // not run with a-shape: does not count
        of("vt", "a-shape", 8192, 1.0),
    ];
    let averages = TaskAverages::of(&AnswerSummary::of(&records, Lengths::Chosen));
    assert_eq!(averages.tasks, [2, 1]);
    assert_eq!(averages.scores, [vec![0.9, 0.7], vec![0.9, 1.0]]);
    // a-shape is below 85.6 at 4,096 already
    assert_eq!([0, 1].map(|method| averages.effective_length(method)), [Some(8192), None]);
    let table = averages.table(EvaluationKind::Ruler);
    assert_eq!(table.rows[0], ["dense", "90.0", "90.0", "8,192"]);
    assert_eq!(table.rows[1], ["a-shape", "70.0", "100.0", "none"]);
    assert!(table.notes[0].contains("2 at 4,096, 1 at 8,192"), "{:?}", table.notes);
    assert!(table.notes[1].contains("1 of RULER's 13 tasks"), "{:?}", table.notes);
    // elsewhere an effective length means nothing
    let table = averages.table(EvaluationKind::InfiniteBench);
    assert_eq!((table.head.len(), table.meanings.len(), table.notes.len()), (3, 1, 1));
    assert_eq!(table.rows[0], ["dense", "90.0", "90.0"]);
}

#[test]
fn all_of_rulers_tasks_need_no_note() {
    let of = |task: RulerTask| AnswerRecord { task: task.name().into(), ..answer("dense", task.name(), 0) };
    let records: Vec<AnswerRecord> = RulerTask::all().map(of).collect();
    let table = TaskAverages::of(&AnswerSummary::of(&records, Lengths::Chosen)).table(EvaluationKind::Ruler);
    assert_eq!(
        (&table.rows[0][..], &table.notes[..]),
        (&["dense", "100.0", "4,096"].map(String::from)[..], &[][..])
    );
}

#[test]
fn only_lengths_of_files_are_summed_up() {
    let of = |number: usize| -> Vec<AnswerRecord> {
        let sample = |place: usize| AnswerRecord {
            length: 1000 + place,
            ..answer("dense", &format!("passkey/{place}"), 0)
        };
        (0..number).map(sample).collect()
    };
    let limit = BTreeMap::from([("limit".to_string(), "128000".to_string())]);
    for number in [2, 20] {
        let lengths = Lengths::of(EvaluationKind::InfiniteBench, &limit);
        let summary = AnswerSummary::of(&of(number), lengths);
        assert_eq!(summary.groups.len(), 1);
        assert_eq!(summary.groups[0].length.to_string(), format!("1,000 to {}", count(999 + number)));
        assert_eq!(summary.groups[0].rows[0].score.number, number);
        // those that were chosen stand by themselves, as many as there are
        for (kind, settings) in [
            (EvaluationKind::InfiniteBench, BTreeMap::new()), // generated
            (EvaluationKind::Needle, BTreeMap::new()),
            (EvaluationKind::Ruler, limit.clone()),
        ] {
            let summary = AnswerSummary::of(&of(number), Lengths::of(kind, &settings));
            assert_eq!(summary.groups.len(), number, "{kind:?}");
        }
    }
}

#[test]
fn questions_about_one_text_count_as_one_in_intervals() {
    let mut records = Vec::new();
    for text in 0..20 {
        for question in 0..5 {
            for method in ["dense", "minference"] {
                let record = AnswerRecord { questions: 5, ..answer(method, &text.to_string(), question) };
                // one text of twenty is lost
                records.push(if text == 7 && method == "minference" { wrong(record) } else { record });
            }
        }
    }
    let summary = AnswerSummary::of(&records, Lengths::Chosen);
    assert_eq!(summary.groups[0].samples, 20);
    let sparse = &summary.groups[0].rows[1];
    for share in [sparse.score, sparse.same.unwrap(), sparse.same_score.unwrap()] {
        assert_eq!((share.mean, share.number, share.independent), (0.95, 100, 20.0));
    }
    let table = summary.scores();
    assert_eq!(table.head[3..5], ["questions", "samples"]);
    assert_eq!(table.rows[1][3..6], ["100", "20", "95% (76-99)"]);
    // with a question each there is nothing to tell
    records.retain(|record| record.question == 0);
    let table = AnswerSummary::of(&records, Lengths::Chosen).scores();
    assert_eq!(table.head[3..5], ["questions", "score"]);
    assert_eq!(table.rows[1][4], "95% (76-99)");
}

#[test]
fn perplexity_weighs_tokens_and_not_documents() {
    let record = |method: &str, document: &str, losses: &[(usize, usize, f64)]| PerplexityRecord {
        fixed_by: None,
        document: document.into(),
        length: 101,
        method: method.into(),
        pattern: method.into(),
        buckets: losses.iter().map(|&(from, to, loss)| LossBucket { from, to, loss }).collect(),
        dense: (method != "dense").then_some(DenseAgreement {
            same: 0.9,
            same_score: None,
            divergence: 0.02,
        }),
        computed_share: 0.5,
        seconds: if method == "dense" { 3.0 } else { 1.5 },
    };
    let records = [
        record("dense", "a", &[(1, 11, 2.0), (11, 101, 1.0)]),
        record("minference", "a", &[(1, 11, 2.0), (11, 101, 1.1)]),
        record("dense", "unfinished", &[(1, 101, 9.0)]),
    ];
    let summary = PerplexitySummary::of(&records);
    let group = &summary.groups[0];
    assert_eq!((group.documents, group.left_out), (1, 1));
    let [dense, sparse] = &group.rows[..] else { panic!("{group:?}") };
    assert!((dense.perplexity - 1.1f64.exp()).abs() < 1e-12); // (10 x 2 + 90 x 1) / 100
    assert!((sparse.perplexity - 1.19f64.exp()).abs() < 1e-12);
    assert!((sparse.change.unwrap() - (0.09f64.exp() - 1.0)).abs() < 1e-12);
    assert_eq!(sparse.buckets[0].change, Some(0.0));
    assert!((sparse.buckets[1].change.unwrap() - (0.1f64.exp() - 1.0)).abs() < 1e-12);
    assert_eq!((sparse.same, sparse.divergence, sparse.speedup), (Some(0.9), Some(0.02), Some(2.0)));
    let row = &summary.table().rows[1];
    assert_eq!(row[..5], ["minference", "101", "1", "3.287", "+9.42%"]);
    assert!(summary.table().notes[0].contains("read them yet: 1."));
    let positions = group.positions();
    assert_eq!(positions.head, ["positions", "dense", "minference"]);
    assert_eq!(positions.rows, [["1 to 10", "7.389", "7.389"], ["11 to 100", "2.718", "3.004 (+10.5%)"]]);
}

#[test]
fn times_are_medians_and_extrapolated_ones_are_marked() {
    let record = |method: &str, repeat, total: f64, source: &LatencySource| LatencyRecord {
        length: 8192,
        method: method.into(),
        pattern: method.into(),
        repeat,
        seconds: LatencySeconds {
            attention: total / 2.0,
            mlp: total / 4.0,
            total,
            ..LatencySeconds::default()
        },
        computed_share: 0.4,
        peak_memory: Some(1 << 30),
        cache: None,
        source: source.clone(),
    };
    let (measured, guessed) =
        (LatencySource::Measured, LatencySource::Extrapolated { from: vec![2048, 4096] });
    let mut records = vec![
        record("dense", 0, 12.0, &guessed),
        record("minference", 0, 3.0, &measured),
        record("minference", 1, 9.0, &measured), // disturbed
        record("minference", 2, 2.0, &measured),
    ];
    let summary = LatencySummary::of(&records);
    let [dense, sparse] = &summary.rows[..] else { panic!("{summary:?}") };
    assert_eq!((sparse.seconds.total, sparse.seconds.attention, sparse.other()), (3.0, 1.5, 0.75));
    assert_eq!((sparse.repeats, sparse.speedup), (3, Some(4.0)));
    assert!(dense.is_extrapolated() && !sparse.is_extrapolated() && sparse.is_speedup_extrapolated);
    let table = summary.table();
    assert_eq!(table.rows[0][3..5], ["~12.00 s", "~1.00x"]);
    assert_eq!(table.rows[1][3..5], ["3.00 s", "~4.00x"]);
    assert!(table.notes[0].contains("dense at 8,192 tokens") && table.notes[0].contains("2,048, 4,096"));
    // What was measured later counts, and not what was extrapolated.
    records.push(record("dense", 0, 15.0, &measured));
    let summary = LatencySummary::of(&records);
    assert_eq!((summary.rows[1].speedup, summary.rows[1].is_speedup_extrapolated), (Some(5.0), false));
    assert!(summary.table().notes.is_empty());
}

#[test]
fn what_was_lost_comes_first() {
    let records = [
        answer("dense", "a", 0),
        AnswerRecord { answer: "It is 7041.".into(), ..answer("minference", "a", 0) },
        answer("dense", "b", 0),
        wrong(answer("minference", "b", 0)),
        AnswerRecord { score: 0.0, answer: "Hm.".into(), ..answer("dense", "c", 0) },
        answer("minference", "c", 0),
        answer("dense", "d", 0),
        AnswerRecord { answer: "\n The code is 7041. ".into(), ..answer("minference", "d", 0) }, // the same answer
    ];
    let found: Vec<&str> = disagreements(&records).iter().map(|found| found.record.sample.as_str()).collect();
    assert_eq!(found, ["b", "c", "a"]);
}

#[test]
fn what_is_no_number_does_not_count() {
    let odd = AnswerRecord { score: f64::NAN, computed_share: f64::INFINITY, ..answer("dense", "a", 0) };
    let summary = AnswerSummary::of(&[odd, answer("dense", "b", 0)], Lengths::Chosen);
    let row = &summary.groups[0].rows[0];
    assert_eq!((row.score.mean, row.score.number, row.computed_share), (1.0, 1, 1.0));
}
