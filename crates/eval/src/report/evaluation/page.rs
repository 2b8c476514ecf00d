//! The report as one HTML page.

use super::Section;
use super::disagreements;
use crate::numbers::count;
use crate::report::drawing::page::{document, figure, table};
use crate::report::drawing::svg::escape;
use crate::results::{EvaluationKind, EvaluationRun, RunRecords};
use crate::summary::{Column, DENSE, Table};

/// What a reader needs to know before the numbers.
const INTRODUCTION: &str = "Sparse attention computes only a part of what a model looks at in a long prompt. Here its methods are held \
    against dense attention, which computes all of it: the same samples, the same model, the same program. A method is good if its scores \
    and answers are dense attention's at a small computed share. What dense attention gets wrong is the model's fault, not the method's.";

pub(super) fn html(sections: &[Section<'_>]) -> String {
    let mut body = format!("<p>{INTRODUCTION}</p>\n");
    if sections.len() > 1 {
        let links = sections
            .iter()
            .map(|section| format!("<li><a href=\"#{}\">{}</a></li>\n", section.stem, title(section.run)));
        body += &format!("<ul>\n{}</ul>\n", links.collect::<String>());
    }
    if sections.is_empty() {
        body += "<p>There are no results.</p>\n";
    }
    sections.iter().for_each(|section| body += &section_html(section));
    let mut models: Vec<&str> = sections.iter().map(|section| section.run.header.model.as_str()).collect();
    models.dedup();
    let name = if let [model] = models[..] { format!("Evaluation of {model}") } else { "Evaluations".into() };
    document(&name, &body)
}

fn title(run: &EvaluationRun) -> String {
    escape(&format!("{}: {}", run.header.evaluation.title(), run.header.model))
}

/// What the evaluation asks.
fn question(kind: EvaluationKind) -> &'static str {
    match kind {
        EvaluationKind::Needle => {
            "Facts are hidden at several depths of long texts, and the model is asked for them. Is each fact found, wherever it stands?"
        }
        EvaluationKind::Ruler => {
            "RULER asks for facts among distractors, chains of variables, the most frequent words, and answers from documents. Up to which \
             length does the model manage?"
        }
        EvaluationKind::InfiniteBench => {
            "InfiniteBench asks about whole books, dialogues, code and long lists. Does the model still answer as well?"
        }
        EvaluationKind::Perplexity => "How well does the model foresee each next token of a long text?",
        EvaluationKind::Latency => {
            "How long does it take until the first token of the answer, and where does the time go?"
        }
    }
}

fn section_html(section: &Section<'_>) -> String {
    let run = section.run;
    let mut html = format!(
        "<section id=\"{}\">\n<h2>{}</h2>\n<p>{}</p>\n",
        section.stem,
        title(run),
        question(run.header.evaluation)
    );
    html += &what_was_run(run);
    if let Some(line) = run.cut_line {
        html += &format!(
            "<p class=\"note\">Line {} of the records was left half written by an interruption and counts for nothing.</p>\n",
            count(line)
        );
    }
    if run.records.is_empty() {
        return html + "<p class=\"note\">There are no results yet.</p>\n</section>\n";
    }
    if !run.records.methods().iter().any(|method| method == DENSE) {
        html += "<p class=\"note\">Dense attention was not among the methods, so that nothing could be held against it.</p>\n";
    }
    section.figures.iter().for_each(|drawn| html += &figure(drawn));
    section.tables.iter().for_each(|summary| html += &table_html(summary));
    if let RunRecords::Answers(records) = &run.records {
        html += &disagreements::html(records);
    }
    html + "</section>\n"
}

/// Where it lies, and all that changes its results.
fn what_was_run(run: &EvaluationRun) -> String {
    let mut rows = vec![
        ("Model".into(), run.header.model.clone()),
        ("Fingerprint of the weights".into(), run.header.fingerprint.clone()),
        ("Folder".into(), run.folder.display().to_string()),
        ("Methods".into(), run.records.methods().join(", ")),
        ("Results".into(), count(run.records.len())),
    ];
    rows.extend(
        run.header.settings.iter().map(|(name, value): (&String, &String)| (name.clone(), value.clone())),
    );
    let rows: Vec<Vec<String>> = rows.iter().map(|(name, value)| vec![escape(name), escape(value)]).collect();
    format!("<details>\n<summary>What was run</summary>\n{}</details>\n", table(&[], 2, &rows))
}

fn table_html(summary: &Table) -> String {
    let escaped = |cells: &[String]| -> Vec<String> { cells.iter().map(|cell| escape(cell)).collect() };
    let head = escaped(&summary.head);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = summary.rows.iter().map(|row| escaped(row)).collect();
    let mut html = format!("<h3>{}</h3>\n{}", escape(&summary.title), table(&head, summary.words, &rows));
    for note in &summary.notes {
        html += &format!("<p class=\"note\">{}</p>\n", escape(note));
    }
    let meaning = |column: &Column| format!("<b>{}</b>: {}", escape(column.name), escape(column.meaning));
    let meanings: Vec<String> = summary.meanings.iter().map(meaning).collect();
    if !meanings.is_empty() {
        html += &format!("<p class=\"faint\">{}.</p>\n", meanings.join("; "));
    }
    html
}
