//! [`EvaluationReport`]: what evaluations found, as one HTML file that needs nothing else, and its
//! figures.
//!
//! ```
//! use minference_eval::report::EvaluationReport;
//! use minference_eval::results::{
//!     EvaluationKind, EvaluationRun, LossBucket, PerplexityRecord, RunHeader, RunRecords,
//! };
//!
//! let record = |method: &str, loss: f64| PerplexityRecord {
//!     fixed_by: None,
//!     document: "a novel".into(),
//!     length: 4096,
//!     method: method.into(),
//!     pattern: method.into(),
//!     buckets: vec![LossBucket { from: 1, to: 1024, loss }, LossBucket { from: 1024, to: 4096, loss: loss - 0.2 }],
//!     dense: None,
//!     computed_share: 1.0,
//!     seconds: 2.0,
//! };
//! let run = EvaluationRun {
//!     folder: "results/novels".into(),
//!     header: RunHeader {
//!         format: 1,
//!         evaluation: EvaluationKind::Perplexity,
//!         model: "a small model".into(),
//!         fingerprint: "9f2c".into(),
//!         settings: Default::default(),
//!     },
//!     records: RunRecords::Perplexity(vec![record("dense", 2.4), record("minference", 2.41)]),
//!     cut_line: None,
//! };
//! let report = EvaluationReport::new(vec![run]);
//!
//! let figures = report.figures();
//! assert_eq!(figures[0].name, "perplexity-4096");
//! assert!(report.to_html().contains(&figures[0].svg));
//! ```

mod disagreements;
mod heat_maps;
mod latency_bars;
mod latency_chart;
mod lines;
mod page;
mod perplexity_chart;
mod score_chart;
mod styles;
mod task_chart;

use super::drawing::figure::Figure;
use crate::error::Result;
use crate::results::{AnswerRecord, EvaluationKind, EvaluationRun, RunRecords};
use crate::summary::{
    AnswerSummary, DepthGrid, LatencySummary, Lengths, PerplexityGroup, PerplexitySummary, Table,
    TaskAverages,
};
use std::path::{Path, PathBuf};
use styles::Styles;

/// What evaluations found, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationReport {
    runs: Vec<EvaluationRun>,
}

/// What a page shows of a run.
struct Section<'a> {
    run: &'a EvaluationRun,
    /// What its figures' names begin with, and its place in the page.
    stem: String,
    tables: Vec<Table>,
    figures: Vec<Figure>,
}

impl EvaluationReport {
    /// Of runs, in the order of the page.
    pub fn new(runs: Vec<EvaluationRun>) -> Self {
        Self { runs }
    }

    fn sections(&self) -> Vec<Section<'_>> {
        let methods: Vec<String> = self.runs.iter().flat_map(|run| run.records.methods()).collect();
        let styles = Styles::new(methods.iter().map(String::as_str));
        let sections = self.runs.iter().enumerate().map(|(place, run)| {
            let kind = run.header.evaluation.name();
            let stem = if self.runs.len() > 1 { format!("{}-{kind}", place + 1) } else { kind.to_string() };
            Section::new(run, stem, &styles)
        });
        sections.collect()
    }

    /// All figures, in the order of the page.
    pub fn figures(&self) -> Vec<Figure> {
        self.sections().into_iter().flat_map(|section| section.figures).collect()
    }

    /// One HTML page with everything in it: no script, no network, readable in light and dark.
    pub fn to_html(&self) -> String {
        page::html(&self.sections())
    }

    /// Writes the page, and with a folder for `figures` each figure there as SVG and PNG. Folders
    /// are made where they are missing. Returns what was written, the page first.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write) for a file or folder that can't be written; as for
    /// [`Figure::png`].
    pub fn write(&self, html: &Path, figures: Option<&Path>) -> Result<Vec<PathBuf>> {
        let sections = self.sections();
        let page = page::html(&sections);
        let drawn: Vec<Figure> = sections.into_iter().flat_map(|section| section.figures).collect();
        super::write(html, &page, &drawn, figures)
    }
}

/// Letters and digits of a name, other characters as hyphens.
fn slug(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(60).collect()
}

impl<'a> Section<'a> {
    fn new(run: &'a EvaluationRun, stem: String, styles: &Styles) -> Self {
        let mut section = Self { run, stem, tables: Vec::new(), figures: Vec::new() };
        match &run.records {
            records if records.is_empty() => {}
            RunRecords::Answers(records) => section.add_answers(records, styles),
            RunRecords::Perplexity(records) => {
                let summary = PerplexitySummary::of(records);
                for group in &summary.groups {
                    let name = format!("{}-{}", section.stem, group.length);
                    section.figures.extend(perplexity_chart::figure(
                        name,
                        "Perplexity by position",
                        group,
                        styles,
                    ));
                }
                section.tables.push(summary.table());
                section.tables.extend(summary.groups.iter().map(PerplexityGroup::positions));
            }
            RunRecords::Latency(records) => {
                let summary = LatencySummary::of(records);
                let name = |part: &str| format!("{}-{part}", section.stem);
                let bars = latency_bars::figure(name("parts"), "Time to the first token by parts", &summary);
                let lines = latency_chart::figure(
                    name("lengths"),
                    "Time to the first token by length",
                    &summary,
                    styles,
                );
                section.figures.extend([bars, lines].into_iter().flatten());
                section.tables.push(summary.table());
            }
        }
        section
    }

    fn add_answers(&mut self, records: &[AnswerRecord], styles: &Styles) {
        let kind = self.run.header.evaluation;
        let summary = AnswerSummary::of(records, Lengths::of(kind, &self.run.header.settings));
        let averages = TaskAverages::of(&summary);
        if averages.tasks.iter().any(|&tasks| tasks > 1) {
            self.tables.push(averages.table(kind));
        }
        self.tables.extend([summary.scores(), summary.times()]);
        // only some runs have compressed caches, or chunks
        self.tables.extend(
            [summary.caches(kind), summary.chunks()].into_iter().filter(|table| !table.rows.is_empty()),
        );
        if kind == EvaluationKind::Needle {
            let mut tasks: Vec<&str> = summary.groups.iter().map(|group| group.task.as_str()).collect();
            tasks.sort_unstable();
            tasks.dedup();
            for (place, task) in tasks.iter().enumerate() {
                // tasks of other letters may look alike in a file's name
                let name = format!("{}-heat-map-{}-{}", self.stem, place + 1, slug(task));
                let title = format!("Score by length and depth: {}", styles::cut(task, 60));
                let grid = DepthGrid::of(records, task);
                self.figures.extend(grid.map(|grid| heat_maps::figure(name, &title, &grid)));
            }
        }
        let name = |part: &str| format!("{}-{part}", self.stem);
        let lengths =
            score_chart::figure(name("scores"), "Score and computed share by length", &summary, styles);
        let tasks = task_chart::figure(name("tasks"), "Score by task", &summary, styles);
        self.figures.extend([lengths, tasks].into_iter().flatten());
    }
}
