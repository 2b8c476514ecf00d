//! [`InspectionReport`]: what `minference inspect` found, as one HTML file that needs nothing else,
//! and its figures.
//!
//! A report answers two questions. Of the whole model: which head has which pattern, how much of
//! its attention was computed, and how far is its output from dense attention's? Of some heads:
//! where do they look, what was computed of it, and did the online estimate see it?
//!
//! ```
//! use minference_attention::HeadPattern;
//! use minference_eval::report::{HeadSummary, InspectionReport, InspectedLayer, LayerTimes};
//!
//! let head = HeadSummary {
//!     pattern: HeadPattern::VerticalSlash { vertical: 100, slash: 800 },
//!     ran_dense: false,
//!     computed_share: 0.21,
//!     error: 0.004,
//! };
//! let times = LayerTimes { projections: 0.2, estimates: 0.02, attention: 0.3, mlp: 0.4 };
//! let report = InspectionReport {
//!     model: "a small model".into(),
//!     fingerprint: "9f2c".into(),
//!     prompt_tokens: 8192,
//!     patterns: "The default for heads of which nothing is known.".into(),
//!     layers: vec![InspectedLayer { heads: vec![head; 4], times }; 2],
//!     heads: vec![], // none looked at completely
//!     computed_share: 0.21,
//! };
//!
//! let figures = report.figures();
//! assert_eq!(figures[0].name, "layers-and-heads");
//! assert!(report.to_html().contains(&figures[0].svg));
//!
//! let folder = tempfile::tempdir().unwrap();
//! let written = report.write(&folder.path().join("report.html"), Some(&folder.path().join("figures")))?;
//! assert_eq!(written.len(), 1 + 2 * figures.len()); // the page; each figure as SVG and as PNG
//! # Ok::<(), minference_eval::Error>(())
//! ```

mod attention_maps;
mod heads_map;
mod layer_times;
mod line_charts;
mod page;
mod recall_chart;

use super::drawing::figure::Figure;
use crate::error::Result;
use minference_attention::HeadPattern;
use minference_attention::inspection::HeadInspection;
use std::path::{Path, PathBuf};

/// What a prompt's attention looked like.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectionReport {
    /// The model's name, as the reader knows it.
    pub model: String,
    /// What identifies its weights.
    pub fingerprint: String,
    /// Length of the prompt.
    pub prompt_tokens: usize,
    /// Where the patterns come from, a sentence.
    pub patterns: String,
    /// All layers, from the first one on.
    pub layers: Vec<InspectedLayer>,
    /// Heads that were looked at completely; maybe none.
    pub heads: Vec<InspectedHead>,
    /// Computed share of all heads' causal pairs, 0 to 1.
    pub computed_share: f64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedLayer {
    /// One entry per query head.
    pub heads: Vec<HeadSummary>,
    /// What its parts took.
    pub times: LayerTimes,
}

/// Seconds that a layer spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LayerTimes {
    /// On the projections to Q, K and V, and from the attention's output.
    pub projections: f64,
    /// On choosing what each head attends to.
    pub estimates: f64,
    /// On attention itself.
    pub attention: f64,
    /// On the MLP.
    pub mlp: f64,
}

/// One head, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadSummary {
    /// Its pattern.
    pub pattern: HeadPattern,
    /// Whether it ran dense, because the pattern says so or because sparse attention would not have
    /// paid.
    pub ran_dense: bool,
    /// Computed share of its causal pairs, 0 to 1.
    pub computed_share: f64,
    /// Distance of its output from dense attention's, relative to that (Frobenius norms).
    pub error: f64,
}

/// A head that was looked at completely.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedHead {
    /// Its layer, counted from 0.
    pub layer: usize,
    /// Its number in the layer, counted from 0.
    pub head: usize,
    /// What the layer's map says of it.
    pub summary: HeadSummary,
    /// All of its probabilities, summed up.
    pub inspection: HeadInspection,
}

impl InspectedHead {
    /// What a reader calls it.
    fn label(&self) -> String {
        format!("Layer {}, head {}", self.layer, self.head)
    }
    /// The first part of its figures' names; also its place in the page.
    fn file_stem(&self) -> String {
        format!("layer-{:02}-head-{:02}", self.layer, self.head)
    }
    /// Tokens that its queries may look at, at least one.
    fn keys(&self) -> usize {
        self.inspection.columns.truth.len().max(1)
    }
    fn figures(&self) -> [Figure; 3] {
        [attention_maps::figure(self), line_charts::figure(self), recall_chart::figure(self)]
    }
}

impl InspectionReport {
    /// Of the whole model.
    fn overview(&self) -> Vec<Figure> {
        [heads_map::figure(self), layer_times::figure(self)].into_iter().flatten().collect()
    }

    /// All figures, in the order of the page: of the whole model (none where there are no layers),
    /// then three of each inspected head.
    pub fn figures(&self) -> Vec<Figure> {
        self.overview().into_iter().chain(self.heads.iter().flat_map(InspectedHead::figures)).collect()
    }

    /// One HTML page with everything in it: no script, no network, readable in light and dark.
    pub fn to_html(&self) -> String {
        page::html(self)
    }

    /// Writes the page, and with a folder for `figures` each figure there as SVG and PNG. Folders
    /// are made where they are missing. Returns what was written, the page first.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write) for a file or folder that can't be written; as for
    /// [`Figure::png`].
    pub fn write(&self, html: &Path, figures: Option<&Path>) -> Result<Vec<PathBuf>> {
        let drawn = if figures.is_some() { self.figures() } else { Vec::new() };
        super::write(html, &self.to_html(), &drawn, figures)
    }
}
