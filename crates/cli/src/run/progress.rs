//! [`PrefillBar`]: the progress of reading a prompt.

use crate::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::Progress;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A bar through prefill: layers, and tokens per second. Hidden where standard error is no terminal.
pub(super) struct PrefillBar {
    bar: ProgressBar,
    interrupt: Interrupt,
    start: Instant,
    layers: u64,
    tokens: u64,
    shown: AtomicU64,
}

/// Steps of the bar.
const STEPS: u64 = 1000;

impl PrefillBar {
    pub(super) fn new(layers: usize, tokens: usize, interrupt: Interrupt) -> Self {
        let bar = ProgressBar::new(STEPS);
        let style = ProgressStyle::with_template("reading {msg} [{bar:30}] {percent}% {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(format!("{tokens} tokens"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            interrupt,
            start: Instant::now(),
            layers: layers as u64,
            tokens: tokens as u64,
            shown: AtomicU64::new(0),
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for PrefillBar {
    fn advance(&self, done: u64, total: u64) {
        let share = done as f64 / total.max(1) as f64;
        let step = (share * STEPS as f64) as u64;
        // Called from many threads, often: only what moves the bar is worth a lock.
        if self.shown.fetch_max(step, Ordering::Relaxed) < step {
            let rate = share * self.tokens as f64 / self.start.elapsed().as_secs_f64();
            let layer = (share * self.layers as f64) as u64;
            self.bar.set_message(format!(
                "{} tokens, layer {layer} of {}, {rate:.0} tokens/s",
                self.tokens, self.layers
            ));
            self.bar.set_position(step);
        }
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}
