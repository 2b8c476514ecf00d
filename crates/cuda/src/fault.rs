//! [`FaultWord`]: whether tensors on the device hold NaN or infinity.

use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::launch;
use crate::memory::Buffer;

/// No fault.
const NONE: u64 = u64::MAX;
const TENSORS: [&str; 3] = ["q", "k", "v"];
const TENSOR_SHIFT: u32 = 62;
const TOKEN_SHIFT: u32 = 20;

/// The first row that is not finite, of all the inputs that were checked since the word was
/// cleared: one word on the device, so that no check has to be waited for before the end of a pass.
#[derive(Debug)]
pub struct FaultWord {
    pub(crate) word: Buffer<u64>,
}

impl FaultWord {
    /// A word without fault.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(device: &CudaDevice) -> Result<Self> {
        Ok(Self { word: Buffer::from_slice(device, "the fault word", &[NONE])? })
    }

    /// Waits for the checks, and clears the word.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first row that is not; a lost device.
    pub fn take(&mut self) -> Result<()> {
        let mut found = [NONE];
        self.word.download(0, &mut found)?;
        self.word.upload(0, &[NONE])?;
        match decode(found[0]) {
            None => Ok(()),
            Some((tensor, token, head)) => Err(Error::NotFinite { tensor, token, head }),
        }
    }
}

/// Tensor, token and head.
fn decode(word: u64) -> Option<(&'static str, usize, usize)> {
    let tensor = TENSORS.get((word >> TENSOR_SHIFT) as usize)?;
    let token = word << (64 - TENSOR_SHIFT) >> (64 - TENSOR_SHIFT) >> TOKEN_SHIFT;
    Some((tensor, token as usize, (word & ((1 << TOKEN_SHIFT) - 1)) as usize))
}

impl CudaDevice {
    /// Enqueues a check of q, k and v, whose outcome the word keeps; nothing waits.
    ///
    /// # Errors
    /// What the driver refuses.
    pub fn check_finite(&self, inputs: &LayerInputs<'_>, fault: &mut FaultWord) -> Result<()> {
        launch::check_finite(self, inputs, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_tensor_token_and_head() {
        assert_eq!(decode(NONE), None);
        assert_eq!(decode(0), Some(("q", 0, 0)));
        assert_eq!(decode(2 << 62 | ((1 << 30) - 1) << 20 | 31), Some(("v", (1 << 30) - 1, 31)));
    }
}
