//! Ctrl-C: the first asks the work in progress to stop, the second ends the program at once.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    pressed: AtomicBool,
    /// No work is in progress that could stop by itself.
    is_waiting: AtomicBool,
}

impl Interrupt {
    /// Starts to listen. Once per program.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let state = interrupt.0.clone();
        ctrlc::set_handler(move || {
            if state.pressed.swap(true, Ordering::Relaxed) || state.is_waiting.load(Ordering::Relaxed) {
                std::process::exit(130);
            }
        })
        .context("can't listen for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Whether to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.0.pressed.load(Ordering::Relaxed)
    }

    /// What was to stop has stopped; other work begins.
    pub(crate) fn forget(&self) {
        self.0.pressed.store(false, Ordering::Relaxed);
    }

    /// Waits for something that takes no notice of Ctrl-C, which meanwhile ends the program at once.
    pub(crate) fn exiting_at_once<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.0.is_waiting.store(true, Ordering::Relaxed);
        let result = wait();
        self.0.is_waiting.store(false, Ordering::Relaxed);
        result
    }

    /// An error if it is time to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() { Err(minference_attention::Error::Cancelled.into()) } else { Ok(()) }
    }
}

/// Whether an error is the answer to Ctrl-C.
pub(crate) fn is_cancellation(error: &anyhow::Error) -> bool {
    use minference_attention::Error::Cancelled;
    matches!(error.downcast_ref(), Some(Cancelled))
        || matches!(error.downcast_ref(), Some(minference_model::Error::Attention(Cancelled)))
        || matches!(
            error.downcast_ref(),
            Some(minference_eval::Error::Model(minference_model::Error::Attention(Cancelled)))
        )
}
