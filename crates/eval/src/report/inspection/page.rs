//! The report as one HTML page.

use super::{HeadSummary, InspectedHead, InspectionReport};
use crate::numbers::{count, percent};
use crate::report::drawing::finite;
use crate::report::drawing::page::{document, figure, table};
use crate::report::drawing::svg::escape;

/// What a reader needs to know before the figures.
const INTRODUCTION: &str = "When a model reads a prompt, every token (a query) looks back at the tokens before it (keys), in many \
    heads side by side, and most of what it looks at does not matter. Each head has a habit, its pattern, so that only the keys \
    that the pattern names need to be computed. An A-shape head looks at the first tokens and at the nearest ones. A vertical-slash \
    head looks at some tokens that everyone looks at (columns) and at some fixed distances back (diagonals), which are chosen for \
    each prompt by what its last 64 tokens look at. A block-sparse head looks at scattered blocks of 64 tokens, chosen by comparing \
    the blocks' means. The last 64 tokens of a prompt, which ask the question, look at everything where a model's own patterns are used.";

pub(super) fn html(report: &InspectionReport) -> String {
    let mut body = format!(
        "<p class=\"faint\">A prompt of {} tokens. {} Fingerprint of the weights: {}.</p>\n<p>{INTRODUCTION}</p>\n",
        count(report.prompt_tokens),
        escape(&report.patterns),
        escape(&report.fingerprint),
    );
    body += &totals(report);
    report.overview().iter().for_each(|drawn| body += &figure(drawn));
    if !report.heads.is_empty() {
        body += "<h2>Heads looked at completely</h2>\n";
        body += &heads_table(&report.heads);
    }
    for head in &report.heads {
        body += &format!(
            "<section id=\"{}\">\n<h2>{}: {}</h2>\n<p>{}</p>\n",
            head.file_stem(),
            head.label(),
            escape(&head.summary.pattern.to_string()),
            describe(head)
        );
        head.figures().iter().for_each(|drawn| body += &figure(drawn));
        body += "</section>\n";
    }
    document(&format!("Attention of {}", report.model), &body)
}

fn totals(report: &InspectionReport) -> String {
    let heads: Vec<&HeadSummary> = report.layers.iter().flat_map(|layer| &layer.heads).collect();
    let mean = |value: fn(&HeadSummary) -> f64| {
        heads.iter().map(|head| finite(value(head))).sum::<f64>() / heads.len().max(1) as f64
    };
    let mut rows = vec![
        vec!["Tokens of the prompt".into(), count(report.prompt_tokens)],
        vec!["Layers".into(), count(report.layers.len())],
        vec!["Heads".into(), count(heads.len())],
        vec!["Computed share of all causal pairs".into(), percent(report.computed_share)],
        vec![
            "Mean error of the heads' outputs, relative to dense attention".into(),
            percent(mean(|head| head.error)),
        ],
    ];
    let mut kinds: Vec<&str> = heads.iter().map(|head| head.pattern.name()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let of_kind = heads.iter().filter(|head| head.pattern.name() == kind);
        let dense = of_kind.clone().filter(|head| head.ran_dense && kind != "dense").count();
        let note = if dense > 0 { format!(" ({} of them ran dense)", count(dense)) } else { String::new() };
        rows.push(vec![format!("Heads with the pattern {kind}{note}"), count(of_kind.count())]);
    }
    table(&[], 1, &rows)
}

fn heads_table(heads: &[InspectedHead]) -> String {
    let rows: Vec<Vec<String>> = heads
        .iter()
        .map(|head| {
            let HeadSummary { pattern, ran_dense, computed_share, error } = head.summary;
            let note = if ran_dense && pattern.name() != "dense" { ", ran dense" } else { "" };
            vec![
                format!("<a href=\"#{}\">{}</a>", head.file_stem(), head.label()),
                escape(&format!("{pattern}{note}")),
                percent(computed_share),
                percent(head.inspection.recall),
                percent(error),
            ]
        })
        .collect();
    table(&["Head", "Pattern", "Computed", "Recall", "Error"], 2, &rows)
}

fn describe(head: &InspectedHead) -> String {
    let HeadSummary { ran_dense, computed_share, error, pattern } = head.summary;
    let mut text = format!(
        "Computed were {} of its causal pairs; they hold {} of the probability mass, and the output is {} away from that of dense \
         attention.",
        percent(computed_share),
        percent(head.inspection.recall),
        percent(error)
    );
    if ran_dense && pattern.name() != "dense" {
        text += " It ran dense, as its pattern would not have paid on this prompt.";
    }
    text
}
