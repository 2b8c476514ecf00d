//! Ctrl-C: the first asks the work in progress to stop, the second ends the program at once.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen. Once per program.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let pressed = interrupt.0.clone();
        ctrlc::set_handler(move || {
            if pressed.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })
        .context("can't listen for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Whether to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
