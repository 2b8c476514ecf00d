//! How far off a backend may be: at most twice as far as a plain implementation.

use super::failure::FailedCase;
use crate::element::ElementType;

/// Sums of squared relative errors, of a backend and of a plain implementation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accuracy {
    pub(super) error: f64,
    pub(super) plain: f64,
    pub(super) rows: u32,
}

impl Accuracy {
    /// The backend's error: root of the mean over rows of squared relative errors.
    pub fn error(&self) -> f64 {
        (self.error / f64::from(self.rows)).sqrt()
    }
    /// The plain implementation's.
    pub fn plain(&self) -> f64 {
        (self.plain / f64::from(self.rows)).sqrt()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.error += other.error;
        self.plain += other.plain;
        self.rows += other.rows;
    }

    /// The failure that this accuracy is, if it is one.
    pub(super) fn judge(&self, case: &str, precision: ElementType, allowance: f64) -> Option<FailedCase> {
        // Written so that NaN fails.
        if self.error() <= 2.0 * self.plain() + 8.0 * f64::from(f32::EPSILON) + allowance {
            return None;
        }
        Some(FailedCase::Inaccurate {
            case: case.into(),
            error: self.error(),
            plain: self.plain(),
            precision,
        })
    }
}

/// Square of the relative error of a row.
pub fn relative_square(row: &[f32], expected: &[f64]) -> f64 {
    let difference: f64 = row.iter().zip(expected).map(|(&x, y)| (f64::from(x) - y).powi(2)).sum();
    let norm: f64 = expected.iter().map(|y| y * y).sum();
    difference / norm.max(1e-30)
}
