//! [`PrefillBar`]: the progress of reading a prompt.

use crate::terminal::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::Progress;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A bar through prefill: layers, and tokens per second. Hidden where standard error is no
/// terminal.
pub(crate) struct PrefillBar {
    bar: ProgressBar,
    interrupt: Interrupt,
    start: Instant,
    layers: u64,
    tokens: u64,
    /// Tokens that are read at once.
    chunk: u64,
    shown: AtomicU64,
}

/// Steps of the bar.
const STEPS: u64 = 1000;

impl PrefillBar {
    pub(crate) fn new(layers: usize, tokens: usize, chunk: Option<usize>, interrupt: Interrupt) -> Self {
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
            chunk: chunk.unwrap_or(tokens) as u64,
            shown: AtomicU64::new(0),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Which layer is at work when a share of a prompt is done; each chunk goes through all layers
/// before the next begins.
fn place(share: f64, tokens: u64, chunk: u64, layers: u64) -> String {
    let chunks = tokens.div_ceil(chunk.max(1)).max(1);
    let done = share * tokens as f64;
    let before = ((done / chunk.max(1) as f64) as u64).min(chunks - 1);
    let start = before * chunk;
    let within = (done - start as f64) / chunk.min(tokens - start).max(1) as f64;
    let layer = (1 + (within * layers as f64) as u64).min(layers);
    let of_layers = format!("layer {layer} of {layers}");
    if chunks == 1 { of_layers } else { format!("chunk {} of {chunks}, {of_layers}", before + 1) }
}

impl Progress for PrefillBar {
    fn advance(&self, done: u64, total: u64) {
        let share = done as f64 / total.max(1) as f64;
        let step = (share * STEPS as f64) as u64;
        // Called from many threads, often: only what moves the bar is worth a lock.
        if self.shown.fetch_max(step, Ordering::Relaxed) < step {
            let rate = share * self.tokens as f64 / self.start.elapsed().as_secs_f64();
            let place = place(share, self.tokens, self.chunk, self.layers);
            self.bar.set_message(format!("{} tokens, {place}, {rate:.0} tokens/s", self.tokens));
            self.bar.set_position(step);
        }
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_goes_through_all_layers() {
        for (share, expected) in [(0.0, 1), (0.099, 1), (0.11, 2), (0.5, 6), (0.99, 10), (1.0, 10)] {
            assert_eq!(place(share, 1000, 1000, 10), format!("layer {expected} of 10"));
            assert_eq!(place(share, 1000, 5000, 10), format!("layer {expected} of 10"));
        }
        // chunks of 400, 400 and 200 tokens
        for (share, chunk, layer) in [
            (0.0, 1, 1),
            (0.21, 1, 6),
            (0.399, 1, 10),
            (0.41, 2, 1),
            (0.61, 2, 6),
            (0.81, 3, 1),
            (0.91, 3, 6),
            (1.0, 3, 10),
        ] {
            let expected = format!("chunk {chunk} of 3, layer {layer} of 10");
            assert_eq!(place(share, 1000, 400, 10), expected);
        }
    }
}
