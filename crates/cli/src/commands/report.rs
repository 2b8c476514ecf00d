//! `minference report`: one page of what evaluations found.

use crate::terminal::notify;
use anyhow::Result;
use clap::Args;
use minference_eval::numbers::count;
use minference_eval::report::EvaluationReport;
use minference_eval::results::{EvaluationRun, read_runs};
use std::io::Write;
use std::path::PathBuf;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
What is shown, for each folder of results:
  Needle tests as heat maps of length and depth, a map for each method and one of its difference to dense
  attention; scores by length and by task, beside the computed share; perplexity by position; times to the
  first token by their parts. Tables with agreement with dense attention and 95 % intervals, and the answers
  that differ from dense attention's. Only samples that all methods have are compared; a run that is not
  finished can be looked at, and the page says what it leaves out.

Examples:
  One evaluation:
    minference report results/needle
  All evaluations whose folders lie in one, figures as files:
    minference report results --output report.html --figures figures";

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Folders of results that `minference eval` or `minference bench prefill` wrote, or folders of
    /// such folders
    #[arg(value_name = "RESULTS_DIR", required = true)]
    folders: Vec<PathBuf>,
    /// The page to write
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// A folder for the figures, each as SVG and PNG
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
}

pub(crate) fn run(options: &ReportArguments) -> Result<()> {
    let mut runs: Vec<EvaluationRun> = Vec::new();
    for folder in &options.folders {
        runs.extend(read_runs(folder)?);
    }
    for run in &runs {
        let (folder, results) = (run.folder.display(), count(run.records.len()));
        notify(&format!(
            "{folder}: {}, {}, {results} results",
            run.header.evaluation.title(),
            run.header.model
        ));
        if let Some(line) = run.cut_line {
            notify(&format!(
                "{folder}: line {line} was left half written by an interruption and counts for nothing"
            ));
        }
    }
    let written = EvaluationReport::new(runs).write(&options.output, options.figures.as_deref())?;
    for path in written {
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    Ok(())
}
