//! Parts of a longer computation's progress.

use crate::error::Result;
use minference_attention::Progress;
use std::sync::Arc;

/// A part of a whole: tells the whole's progress while the part is at work.
pub(crate) struct ProgressShare {
    whole: Arc<dyn Progress>,
    start: f64,
    share: f64,
}

impl ProgressShare {
    /// `units` of `total`, with `done` before them.
    pub(crate) fn within(whole: Arc<dyn Progress>, done: u64, units: u64, total: u64) -> Arc<dyn Progress> {
        let total = total.max(1) as f64;
        Arc::new(Self { whole, start: done as f64 / total, share: units as f64 / total })
    }
}

impl Progress for ProgressShare {
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

/// Passes on whether to stop, and reports nothing: for computations whose steps are counted
/// elsewhere.
pub(crate) struct CancelOnly(pub(crate) Arc<dyn Progress>);

impl Progress for CancelOnly {
    fn advance(&self, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// How far a pass is, in units of a third of a layer's token: projections, attention and MLP of a
/// token take one each.
pub(crate) struct PassProgress {
    progress: Option<Arc<dyn Progress>>,
    /// Of the pass.
    tokens: usize,
    done: u64,
    total: u64,
}

impl PassProgress {
    /// Of a pass over `tokens` tokens.
    pub(crate) fn new(progress: Option<Arc<dyn Progress>>, tokens: usize, layers: usize) -> Self {
        Self { progress, tokens, done: 0, total: 3 * (layers * tokens) as u64 }
    }

    /// What is done of it, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }

    /// Reports that units of work are done; an error if it is time to stop.
    pub(crate) fn advance(&mut self, units: usize) -> Result<()> {
        self.done += units as u64;
        if let Some(progress) = &self.progress {
            progress.advance(self.done, self.total);
            if progress.cancelled() {
                return Err(minference_attention::Error::Cancelled.into());
            }
        }
        Ok(())
    }

    /// What follows the attention of a layer while it is at work.
    pub(crate) fn of_attention(&self) -> Option<Arc<dyn Progress>> {
        let whole = self.progress.clone()?;
        Some(ProgressShare::within(whole, self.done, self.tokens as u64, self.total))
    }

    /// Reports that a layer's attention is done.
    pub(crate) fn advance_attention(&mut self) -> Result<()> {
        self.advance(self.tokens)
    }
}
