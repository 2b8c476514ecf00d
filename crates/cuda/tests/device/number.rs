//! [`Number`]: the element types that cases run with.

use half::{bf16, f16};
use minference_cuda::DeviceElement;

/// An element of a tensor on the device.
pub(crate) trait Number: DeviceElement + Send + Sync {
    /// The largest relative error of rounding to this type.
    const ROUNDOFF: f64;
    fn of(x: f32) -> Self;
    fn get(self) -> f32;
}

impl Number for f16 {
    const ROUNDOFF: f64 = 1.0 / 2048.0;
    fn of(x: f32) -> Self {
        Self::from_f32(x)
    }
    fn get(self) -> f32 {
        self.to_f32()
    }
}

impl Number for bf16 {
    const ROUNDOFF: f64 = 1.0 / 256.0;
    fn of(x: f32) -> Self {
        Self::from_f32(x)
    }
    fn get(self) -> f32 {
        self.to_f32()
    }
}

impl Number for f32 {
    const ROUNDOFF: f64 = 0.0;
    fn of(x: f32) -> Self {
        x
    }
    fn get(self) -> f32 {
        self
    }
}
