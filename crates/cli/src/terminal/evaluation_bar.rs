//! [`EvaluationBar`]: the progress of an evaluation.

use crate::terminal::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::Progress;
use minference_eval::evaluate::{RunProgress, RunStep};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Units of a step.
const UNITS: u64 = 1000;

/// A bar over all samples and methods, with what is at work. Hidden where standard error is no
/// terminal.
pub(crate) struct EvaluationBar {
    bar: ProgressBar,
    interrupt: Interrupt,
    /// Units of the steps before this one.
    before: AtomicU64,
}

impl EvaluationBar {
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        let bar = ProgressBar::new(1);
        let style = ProgressStyle::with_template("[{bar:30}] {percent}% {eta} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, interrupt, before: AtomicU64::new(0) }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for EvaluationBar {
    fn advance(&self, done: u64, total: u64) {
        let within = (UNITS as f64 * done as f64 / total.max(1) as f64) as u64;
        self.bar.set_position(self.before.load(Ordering::Relaxed) + within.min(UNITS));
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

impl RunProgress for EvaluationBar {
    fn begin(&self, step: &RunStep<'_>) {
        let before = UNITS * step.done as u64;
        self.bar.set_length(UNITS * step.steps as u64);
        self.bar.set_message(format!(
            "{} of {}: {}, {}",
            step.done + 1,
            step.steps,
            step.sample,
            step.variant
        ));
        if self.before.swap(before, Ordering::Relaxed) == 0 {
            // what an earlier run did says nothing about how long this one takes
            self.bar.set_position(before);
            self.bar.reset_eta();
        }
    }
}
