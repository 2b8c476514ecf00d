//! [`LayersBar`]: the progress of what goes through a model's layers once.

use crate::terminal::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::Progress;
use std::time::Duration;

/// A bar over the layers, with the time that is left. Hidden where standard error is no terminal.
pub(crate) struct LayersBar {
    bar: ProgressBar,
    interrupt: Interrupt,
    layers: u64,
    /// Layers of an earlier search, whose time says nothing about the others.
    found: u64,
}

impl LayersBar {
    /// - `doing`: what is done, such as `searching`
    /// - `found`: layers that take less time than others
    pub(crate) fn new(doing: &str, layers: usize, found: usize, interrupt: Interrupt) -> Self {
        let bar = ProgressBar::new(1);
        let style =
            ProgressStyle::with_template(&format!("{doing} {{msg}} [{{bar:30}}] {{percent}}% {{eta}} left"))
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, interrupt, layers: layers as u64, found: found as u64 }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for LayersBar {
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
