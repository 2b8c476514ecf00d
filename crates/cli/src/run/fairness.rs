//! What makes two answers comparable: neither pays for what the other finds done.

use super::model::LoadedModel;
use crate::interrupt::Interrupt;
use anyhow::Result;

/// Brings all weights into memory. Otherwise the first answer would wait for the disk, and the
/// second would not.
pub(crate) fn preload(model: &LoadedModel, interrupt: &Interrupt) -> Result<()> {
    for matrix in model.model.decoder().weights().matrices() {
        interrupt.check()?;
        matrix.preload();
    }
    Ok(())
}
