//! [`SearchBar`]: the progress of a search.

use crate::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::Progress;
use std::time::Duration;

/// A bar over the layers, with the time that is left. Hidden where standard error is no terminal.
pub(super) struct SearchBar {
    bar: ProgressBar,
    interrupt: Interrupt,
    layers: u64,
    /// Of an earlier search: what they take says nothing about the others.
    found: u64,
}

impl SearchBar {
    pub(super) fn new(layers: usize, found: usize, interrupt: Interrupt) -> Self {
        let bar = ProgressBar::new(1);
        let style = ProgressStyle::with_template("searching {msg} [{bar:30}] {percent}% {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, interrupt, layers: layers as u64, found: found as u64 }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for SearchBar {
    fn advance(&self, done: u64, total: u64) {
        let layer = (done * self.layers / total.max(1) + 1).min(self.layers);
        self.bar.set_length(total);
        self.bar.set_message(format!("layer {layer} of {}", self.layers));
        if layer <= self.found {
            self.bar.set_position(done);
            self.bar.reset_eta();
        }
        self.bar.set_position(done);
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}
