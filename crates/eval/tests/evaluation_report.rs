//! The report of evaluations: values stand in its figures, nothing breaks the page, and nothing in
//! it comes from elsewhere.

mod figure_checks;
mod synthetic_evaluation;

use figure_checks::{
    assert_draws, assert_has_only_numbers, assert_is_self_contained, assert_texts_are_apart,
};
use minference_eval::report::{EvaluationReport, Figure};
use minference_eval::results::{
    AnswerRecord, EvaluationKind, EvaluationRun, LatencySeconds, LossBucket, RunRecords,
};
use synthetic_evaluation::{answer, latency, needle, perplexity, ruler, run, runs};

/// The page and the figures of runs, which must stand whatever the runs are.
fn checked(runs: Vec<EvaluationRun>, case: &str) -> (String, Vec<Figure>) {
    let report = EvaluationReport::new(runs);
    let (page, figures) = (report.to_html(), report.figures());
    for figure in &figures {
        assert_draws(figure);
        assert_has_only_numbers(figure);
        assert_texts_are_apart(figure, case);
        assert!(page.contains(&figure.svg) && page.contains(&format!("<figure id=\"{}\">", figure.name)));
        assert_eq!(figures.iter().filter(|other| other.name == figure.name).count(), 1, "{}", figure.name);
    }
    assert_is_self_contained(&page);
    assert_eq!(page.matches("<details>").count(), page.matches("</details>").count());
    (page, figures)
}

#[test]
fn a_page_holds_all_evaluations() {
    let (page, figures) = checked(runs(), "usual");
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "1-needle-heat-map-1-single",
            "1-needle-scores",
            "2-ruler-scores",
            "2-ruler-tasks",
            "3-infinite-bench-tasks",
            "4-perplexity-31000",
            "5-latency-parts",
            "5-latency-lengths"
        ]
    );
    for text in [
        "Evaluation of qwen2.5-0.5b-instruct-q4_k_m",
        "Needle in a haystack",
        "RULER",
        "InfiniteBench",
        "Perplexity",
        "Time to the first token",
        "5f3a9c0e71d2",
        "haystack",
        "effective length",
        "same answer",
        "to dense",
        "speed-up",
        "Answers that differ from dense attention's",
        "was not measured but extrapolated from 4,096, 8,192, 16,384, 32,768 tokens",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn values_stand_in_the_figures() {
    let mut records: Vec<AnswerRecord> = Vec::new();
    for (place, score) in [0.25, 0.75].into_iter().enumerate() {
        let depth = Some(place as f64);
        records.push(AnswerRecord { depth, ..answer("dense", &place.to_string(), 0) });
        records.push(AnswerRecord { depth, score, ..answer("a-shape", &place.to_string(), 0) });
    }
    let (_, figures) = checked(vec![run(EvaluationKind::Needle, RunRecords::Answers(records))], "values");
    let svg = &figures[0].svg;
    for text in
        [">100<", ">25<", ">75<", ">-75<", ">-25<", ">a-shape: 50%<", ">a-shape minus dense: -50.0<", ">4K<"]
    {
        assert!(svg.contains(text), "{text}");
    }
    let (_, figures) =
        checked(vec![run(EvaluationKind::Latency, RunRecords::Latency(latency(&[4096, 8192, 32_768])))], "");
    let bars = &figures[0].svg;
    assert!(bars.contains("32,768 tokens") && bars.contains("(~") && bars.contains("stroke-dasharray"));
    assert!(figures.iter().all(|figure| figure.caption.contains("not measured but extrapolated")));
    // without extrapolated times nothing is dashed
    let (_, figures) =
        checked(vec![run(EvaluationKind::Latency, RunRecords::Latency(latency(&[4096, 8192])))], "");
    assert!(
        figures.iter().all(
            |figure| !figure.svg.contains("stroke-dasharray") && !figure.caption.contains("extrapolated")
        )
    );
}

#[test]
fn a_method_has_one_colour_in_all_figures() {
    let (_, figures) = checked(runs(), "colours");
    for figure in
        figures.iter().filter(|figure| !figure.name.contains("heat-map") && !figure.name.contains("parts"))
    {
        assert!(figure.svg.contains("#d55e00") && figure.svg.contains("#6e6e6e"), "{}", figure.name);
    }
    // two of one kind can be told apart
    let records = ["vertical-slash:1000,6096", "vertical-slash:30,800"].map(|method| answer(method, "a", 0));
    let (_, figures) =
        checked(vec![run(EvaluationKind::Ruler, RunRecords::Answers(records.into()))], "kinds");
    assert!(figures[0].svg.contains("#0072b2") && figures[0].svg.contains("#7b3294"));
}

#[test]
fn sizes_from_nothing_to_large() {
    for (lengths, depths, methods) in [(1, 1, 1), (1, 5, 2), (2, 3, 3), (6, 11, 4), (10, 11, 4), (12, 40, 4)]
    {
        let lengths: Vec<usize> = (1..=lengths).map(|place| 12_800 * place).collect();
        let records = RunRecords::Answers(needle(&lengths, depths, methods));
        let (_, figures) =
            checked(vec![run(EvaluationKind::Needle, records)], &format!("{} x {depths}", lengths.len()));
        assert_eq!(figures.len(), 2);
    }
    for length in [2, 60, 1_000_000] {
        checked(
            vec![run(EvaluationKind::Perplexity, RunRecords::Perplexity(perplexity(length, 1)))],
            "perplexity",
        );
    }
    for lengths in [&[4096][..], &[4096, 4200, 4300, 131_072, 1 << 20]] {
        checked(vec![run(EvaluationKind::Latency, RunRecords::Latency(latency(lengths)))], "latency");
    }
    checked(vec![run(EvaluationKind::Ruler, RunRecords::Answers(ruler(&[4096, 1 << 20])))], "ruler");
    let empty = [RunRecords::Answers(vec![]), RunRecords::Perplexity(vec![]), RunRecords::Latency(vec![])];
    for records in empty {
        let (page, figures) = checked(vec![run(EvaluationKind::Needle, records)], "empty");
        assert!(figures.is_empty() && page.contains("There are no results yet."));
    }
    assert!(checked(vec![], "none").0.contains("There are no results."));
}

#[test]
fn without_dense_attention_the_page_says_so() {
    let mut records = needle(&[4096, 8192], 3, 3);
    records.retain(|record| record.method != "dense");
    let (page, figures) =
        checked(vec![run(EvaluationKind::Needle, RunRecords::Answers(records))], "no dense");
    assert!(page.contains("Dense attention was not among the methods"));
    assert!(!figures[0].svg.contains("minus"));
}

#[test]
fn interrupted_runs_say_what_is_left_out() {
    let mut records = needle(&[4096], 3, 3);
    records.truncate(records.len() - 2);
    let mut interrupted = run(EvaluationKind::Needle, RunRecords::Answers(records));
    interrupted.cut_line = Some(35);
    let (page, _) = checked(vec![interrupted], "interrupted");
    assert!(page.contains("answered them yet: 1.") && page.contains("Line 35 of the records"));
}

#[test]
fn odd_numbers_do_not_panic() {
    for value in [0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e-300, 1e300] {
        let mut answers = needle(&[0, 4096], 3, 2);
        for record in &mut answers {
            (record.score, record.computed_share, record.seconds.context) = (value, value, value);
            record.depth = Some(if record.question == 0 { value } else { 0.5 });
        }
        let mut losses = perplexity(100, 1);
        losses[1].buckets =
            vec![LossBucket { from: 9, to: 3, loss: value }, LossBucket { from: 0, to: 0, loss: value }];
        losses[2].buckets.clear();
        losses[0].buckets[0].loss = value;
        let mut times = latency(&[0, 4096]);
        for record in times.iter_mut().skip(1) {
            record.seconds = LatencySeconds { attention: value, total: value, ..record.seconds };
        }
        let runs = vec![
            run(EvaluationKind::Needle, RunRecords::Answers(answers)),
            run(EvaluationKind::Perplexity, RunRecords::Perplexity(losses)),
            run(EvaluationKind::Latency, RunRecords::Latency(times)),
        ];
        let report = EvaluationReport::new(runs);
        for figure in report.figures() {
            assert_draws(&figure);
            assert_has_only_numbers(&figure);
        }
        assert_is_self_contained(&report.to_html());
    }
}

#[test]
fn hostile_text_is_escaped() {
    let hostile = "</title><script>alert(\"x\")</script>&amp;'\u{0}\u{1b}";
    let text = || format!("{hostile}{}", "x".repeat(2000));
    let mut records = vec![answer("dense", "a", 0), answer("dense", "b", 0)];
    for sample in ["a", "b"] {
        records.push(AnswerRecord {
            answer: text(),
            method: text(),
            references: vec![text()],
            ..answer("", sample, 0)
        });
    }
    for record in &mut records {
        record.task = text();
    }
    let mut hostile_run = run(EvaluationKind::Needle, RunRecords::Answers(records));
    hostile_run.header.model = hostile.into();
    hostile_run.header.settings.insert(hostile.into(), hostile.into());
    hostile_run.folder = hostile.into();
    let (page, _) = checked(vec![hostile_run], "hostile");
    assert!(!page.contains("<script") && !page.contains('\u{0}') && !page.contains('\u{1b}'));
    assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)"));
    // long texts are cut where answers are listed
    let (_, listed) = page.split_once("Answers that differ").unwrap();
    assert!(listed.contains(&format!("{}…", "x".repeat(100))) && !listed.contains(&"x".repeat(400)));
}

#[test]
fn reports_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let report = EvaluationReport::new(runs());
    let page = folder.path().join("new/report.html");
    let written = report.write(&page, Some(&folder.path().join("figures"))).unwrap();
    assert_eq!(written.len(), 1 + 2 * report.figures().len());
    assert!(written.iter().all(|path| path.metadata().unwrap().len() > 100));
    assert_eq!(std::fs::read_to_string(&page).unwrap(), report.to_html());
}
