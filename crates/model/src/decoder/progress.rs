//! Parts of a longer computation's progress.

use minference_attention::Progress;
use std::sync::Arc;

/// A part of a whole: tells the whole's progress while the part is at work.
pub(crate) struct Part {
    whole: Arc<dyn Progress>,
    start: f64,
    share: f64,
}

impl Part {
    /// `units` of `total`, with `done` before them.
    pub(crate) fn of(whole: Arc<dyn Progress>, done: u64, units: u64, total: u64) -> Arc<dyn Progress> {
        let total = total.max(1) as f64;
        Arc::new(Self { whole, start: done as f64 / total, share: units as f64 / total })
    }
}

impl Progress for Part {
    fn advance(&self, done: u64, total: u64) {
        /// Units that the whole is told in, whatever the part counts in.
        const UNITS: f64 = 1e9;
        let within = (done as f64 / total.max(1) as f64).min(1.0);
        self.whole.advance(((self.start + self.share * within) * UNITS) as u64, UNITS as u64);
    }

    fn cancelled(&self) -> bool {
        self.whole.cancelled()
    }
}

/// Passes on whether to stop, and tells nothing: for computations whose steps nobody counts.
pub(crate) struct Untold(pub(crate) Arc<dyn Progress>);

impl Progress for Untold {
    fn advance(&self, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
