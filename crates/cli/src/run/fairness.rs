//! What makes two answers comparable: neither pays for what the other finds done.

use super::model::LoadedModel;
use crate::interrupt::Interrupt;
use anyhow::Result;

/// Brings all weights into memory. Otherwise the first answer would wait for the disk, and the second would not.
pub(crate) fn preload(model: &LoadedModel, interrupt: &Interrupt) -> Result<()> {
    for matrix in model.model.decoder().weights().matrices() {
        interrupt.check()?;
        matrix.preload();
    }
    Ok(())
}

/// Peak memory counts anew from here. Where the system can't do that (only Linux can), the second answer's peak is at least the
/// first one's.
pub(crate) fn forget_peak_memory() {
    // proc(5): 5 sets the peak of the resident set to what is resident now
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
