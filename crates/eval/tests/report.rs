//! Reports: every figure can be drawn, nothing breaks the page, and nothing in it comes from
//! elsewhere.

mod figure_checks;
mod synthetic_report;

use figure_checks::{
    assert_draws, assert_has_only_numbers, assert_is_self_contained, assert_texts_are_apart,
};
use minference_attention::HeadPattern;
use minference_attention::inspection::{HeadInspection, LineInspection};
use minference_eval::Error;
use minference_eval::report::{
    Figure, HeadSummary, InspectedHead, InspectedLayer, InspectionReport, LayerTimes,
};
use synthetic_report::{layers, report};

fn assert_page(report: &InspectionReport) {
    let page = report.to_html();
    let figures = report.figures();
    figures.iter().for_each(assert_draws);
    for figure in &figures {
        assert!(page.contains(&figure.svg) && page.contains(&format!("<figure id=\"{}\">", figure.name)));
        assert_has_only_numbers(figure);
    }
    assert_is_self_contained(&page);
}

/// A head without a prompt behind it.
fn flat_head(value: f32, side: usize, keys: usize) -> InspectedHead {
    let line = LineInspection {
        truth: vec![value; keys],
        estimate: vec![value; keys],
        chosen: vec![0, 3, 900],
        found: Some(f64::from(value)),
    };
    InspectedHead {
        layer: 0,
        head: 0,
        summary: HeadSummary {
            pattern: HeadPattern::BlockSparse { top_k: 3 },
            ran_dense: true,
            computed_share: f64::from(value),
            error: f64::from(value),
        },
        inspection: HeadInspection {
            side,
            attention: vec![value; side * side],
            computed: vec![value; side * side],
            recall: f64::from(value),
            recall_by_cell: vec![value; side],
            columns: line.clone(),
            diagonals: line,
        },
    }
}

#[test]
fn a_usual_report_is_drawn() {
    let report = report("Qwen2.5-7B-Instruct", 2048, layers(28, 28));
    assert_page(&report);
    let names: Vec<String> = report.figures().into_iter().map(|figure| figure.name).collect();
    assert_eq!(names[..3], ["layers-and-heads", "layer-times", "layer-03-head-07-attention"]);
    assert_eq!(names[3..5], ["layer-03-head-07-lines", "layer-03-head-07-recall"]);
    assert_eq!(names.len(), 2 + 3 * 3);
    let page = report.to_html();
    assert!(page.contains("Layer 20, head 11") && page.contains("2,048"));
}

#[test]
fn sizes_from_nothing_to_large_models() {
    for (count, heads) in [(0, 0), (3, 0), (1, 1), (2, 9), (24, 9), (32, 32), (80, 64)] {
        let report = InspectionReport { heads: vec![], ..report("a model", 130, layers(count, heads)) };
        assert_page(&report);
        assert_eq!(report.figures().len(), usize::from(count > 0) + usize::from(count * heads > 0));
    }
    // layers that differ
    let mut uneven = layers(4, 6);
    uneven[2].heads.truncate(1);
    uneven[3].heads.clear();
    assert_page(&report("a model", 130, uneven));
}

#[test]
fn texts_neither_overlap_nor_leave_the_figure() {
    for (count, heads, tokens) in [(1, 1, 1), (24, 9, 130), (32, 32, 1000), (80, 64, 2500), (128, 128, 130)] {
        let mut report = report("a model", tokens, layers(count, heads));
        // The longest prompt, of which small probabilities are to be told.
        report.heads.push(flat_head(1e-6, 16, 1 << 20));
        for figure in report.figures() {
            assert_texts_are_apart(&figure, &format!("{count} x {heads}"));
        }
    }
}

#[test]
fn odd_numbers_do_not_panic() {
    for value in [0.0, f32::NAN, f32::INFINITY, -1.0, 1e-30, 1e30] {
        let times = LayerTimes { projections: f64::from(value), ..LayerTimes::default() };
        for (side, keys) in [(0, 0), (1, 1), (5, 7), (9, 1000)] {
            let head = flat_head(value, side, keys);
            let layers = vec![InspectedLayer { heads: vec![head.summary], times }];
            let computed_share = f64::from(value);
            let report =
                InspectionReport { layers, heads: vec![head], computed_share, ..report("m", 70, vec![]) };
            assert_page(&report);
        }
    }
    // maps of another size than they say
    let mut head = flat_head(0.5, 4, 10);
    head.inspection.side = 9;
    assert_page(&InspectionReport { heads: vec![head], ..report("m", 70, vec![]) });
}

#[test]
fn hostile_text_is_escaped() {
    let hostile = "</title><script>alert(\"x\")</script>&amp;'\u{0}\u{1b}";
    let mut report = report(hostile, 130, layers(2, 2));
    report.patterns = hostile.into();
    report.fingerprint = hostile.into();
    assert_page(&report);
    let page = report.to_html();
    assert!(!page.contains("<script") && !page.contains('\u{0}') && !page.contains('\u{1b}'));
    assert_eq!(page.matches("&lt;/title&gt;&lt;script&gt;alert(&quot;x&quot;)").count(), 4);
}

#[test]
fn wrong_figures_and_scales_are_refused() {
    let figure = report("m", 130, layers(1, 1)).figures().remove(0);
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e6] {
        assert!(matches!(figure.png(scale), Err(Error::Scale { .. })), "{scale}");
    }
    let broken = Figure { svg: "<svg".into(), ..figure };
    assert!(matches!(broken.png(1.0), Err(Error::Svg { .. })));
}

#[test]
fn reports_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let report = report("m", 130, layers(2, 3));
    let page = folder.path().join("new/report.html");
    let written = report.write(&page, Some(&folder.path().join("figures"))).unwrap();
    assert_eq!(written.len(), 1 + 2 * report.figures().len());
    assert!(written.iter().all(|path| path.metadata().unwrap().len() > 100));
    assert_eq!(std::fs::read_to_string(&page).unwrap(), report.to_html());
    assert_eq!(report.write(&page, None).unwrap(), std::slice::from_ref(&page));
    // a folder where a file should be
    let refused = report.write(folder.path(), None);
    assert!(matches!(refused, Err(Error::Write { path, .. }) if path == folder.path()));
}
