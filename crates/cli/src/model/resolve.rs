//! Finding a model's files, fetching them if need be.

use crate::terminal::{FetchBar, Interrupt};
use anyhow::Result;
use minference_fetch::{self, FetchError, ModelReference};
use std::path::PathBuf;

/// The file or folder of a model. Shows a progress bar if it must be fetched; Ctrl-C stops it.
pub(crate) fn resolve_model(model: &ModelReference, interrupt: &Interrupt) -> Result<PathBuf> {
    cancellable(minference_fetch::resolve(model, &FetchBar::new(interrupt)))
}

/// An error of a model's files, saying which model it was where the error does not.
///
/// - `what`: what can't be done with it
pub(crate) fn model_error(
    what: &str,
    model: &ModelReference,
    error: minference_model::Error,
) -> anyhow::Error {
    let is_said = match (model, error.path()) {
        (ModelReference::Local(given), Some(path)) => path.starts_with(given),
        _ => false,
    };
    let context =
        if is_said { format!("can't {what} the model") } else { format!("can't {what} the model {model}") };
    anyhow::Error::new(error).context(context)
}

/// Cancellation is one error throughout this program.
pub(crate) fn cancellable<T>(result: minference_fetch::Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        FetchError::Cancelled => minference_attention::Error::Cancelled.into(),
        error => error.into(),
    })
}
