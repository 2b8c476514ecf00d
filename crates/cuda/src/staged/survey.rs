//! [`Survey`]: what has to be known of a tensor before it is copied.

use crate::error::{Error, Result};
use crate::view::DeviceType;
use minference_attention::{AttentionInputs, ElementType, TensorView};
use rayon::prelude::*;
use std::ops::Range;

/// Largest magnitude of an element of V, and of a score without its scale: beyond it `f32` sums
/// could overflow. Far beyond what any model produces.
const LARGEST_VALUE: f64 = 1e26;
/// The largest score (times log2 e) that is computed, times head_dim: beyond it the roundings of a
/// score could move its exponent out of the range of `f32`.
const LARGEST_SCORE: f64 = (1u32 << 29) as f64;
/// The largest power of two in `f16`'s range, and one less for the sums of roundings.
const LARGEST_POWER_OF_F16: i32 = 14;

/// A tensor whose elements are all finite, with their magnitudes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey<'a> {
    view: TensorView<'a>,
    first_token: usize,
    tokens: usize,
    first_head: usize,
    heads: usize,
    /// Largest magnitude of an element.
    largest: f32,
    /// Length of the longest row.
    longest: f64,
}

impl<'a> Survey<'a> {
    /// Reads the tensor once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first row that is not.
    pub(super) fn new(tensor: &'static str, view: TensorView<'a>) -> Result<Self> {
        Self::of(tensor, view, 0..view.tokens(), 0..view.heads())
    }

    /// Reads a part of the tensor once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first row that is not.
    pub(super) fn of(
        tensor: &'static str,
        view: TensorView<'a>,
        tokens: Range<usize>,
        heads: Range<usize>,
    ) -> Result<Self> {
        let of_token = |row: &mut Vec<f32>, token: usize| {
            row.resize(view.head_dim(), 0.0);
            let mut found = (0.0f32, 0.0f64);
            for head in heads.clone() {
                view.read_row(token, head, row);
                let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                // Squares of finite f32 do not overflow f64.
                if !square.is_finite() {
                    return Err(Error::NotFinite { tensor, token, head });
                }
                let largest = row.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                found = (found.0.max(largest), found.1.max(square));
            }
            Ok(found)
        };
        // The first token that fails, whichever thread finds it.
        let found: Vec<Result<(f32, f64)>> =
            tokens.clone().into_par_iter().with_min_len(64).map_init(Vec::new, of_token).collect();
        let (mut largest, mut longest) = (0.0f32, 0.0f64);
        for of_token in found {
            let (element, square) = of_token?;
            (largest, longest) = (largest.max(element), longest.max(square));
        }
        Ok(Self {
            view,
            first_token: tokens.start,
            tokens: tokens.len(),
            first_head: heads.start,
            heads: heads.len(),
            largest,
            longest: longest.sqrt(),
        })
    }

    /// Rows of the part, tokens times heads.
    pub(super) fn rows(&self) -> usize {
        self.tokens * self.heads
    }

    /// One of the rows, head after head and token after token.
    pub(super) fn read_row(&self, row: usize, out: &mut Vec<f32>) {
        out.resize(self.view.head_dim(), 0.0);
        let (token, head) = (self.first_token + row / self.heads, self.first_head + row % self.heads);
        self.view.read_row(token, head, out);
    }

    pub(super) fn element_type(&self) -> ElementType {
        self.view.element_type()
    }

    /// The power of two that the elements are multiplied by on their way to a type.
    pub(super) fn power_for(&self, element_type: DeviceType) -> i32 {
        let fits = self.largest <= f32::from(half::f16::MAX);
        let is_exact = self.element_type() == ElementType::F16 && fits;
        if element_type != DeviceType::F16 || is_exact || self.largest == 0.0 {
            return 0;
        }
        LARGEST_POWER_OF_F16 - f64::from(self.largest).log2().floor() as i32
    }
}

/// What the device multiplies tensors in: `bf16` if all are, or else `f16`.
pub(super) fn common_type(surveys: &[Survey<'_>]) -> DeviceType {
    match surveys.iter().all(|survey| survey.element_type() == ElementType::Bf16) {
        true => DeviceType::Bf16,
        false => DeviceType::F16,
    }
}

/// Refuses inputs whose scores or sums could leave the range of `f32`.
pub(super) fn check_range([q, k, v]: &[Survey<'_>; 3], inputs: &AttentionInputs<'_>) -> Result<()> {
    // Written so that NaN fails.
    let within = |what, found: f64, limit: f64| match found <= limit {
        true => Ok(()),
        false => Err(Error::OutOfRange { what, found, limit }),
    };
    let product = q.longest * k.longest;
    let score = product * f64::from(inputs.scale()) * std::f64::consts::LOG2_E;
    within("score", product, LARGEST_VALUE)?;
    within("score", score, LARGEST_SCORE / inputs.head_dim() as f64)?;
    within("value", f64::from(v.largest), LARGEST_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use minference_attention::synthetic::normal;

    #[test]
    fn the_first_row_that_is_not_finite_is_named() {
        let mut data = normal(300 * 2 * 8, 1);
        for (token, head) in [(299, 1), (70, 1), (70, 0), (3, 1)] {
            data[(token * 2 + head) * 8 + 5] = [f32::NAN, f32::INFINITY][token % 2];
            let view = TensorView::new(&data, [300, 2, 8]).unwrap();
            match Survey::new("k", view) {
                Err(Error::NotFinite { tensor: "k", token: found, head: of }) => {
                    assert_eq!((found, of), (token, head));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn powers_bring_any_range_into_that_of_f16_and_leave_f16_alone() {
        for magnitude in [1e-30f32, 1e-3, 1.0, 2.0, 65_504.0, 1e6, 1e25] {
            let data = [magnitude, -magnitude / 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
            let survey = Survey::new("q", TensorView::new(&data, [1, 1, 8]).unwrap()).unwrap();
            let scaled = f64::from(magnitude) * f64::from(survey.power_for(DeviceType::F16)).exp2();
            assert!((16_384.0..32_768.0).contains(&scaled), "{magnitude}: {scaled}");
        }
        let halves = [f16::from_f32(0.001); 8];
        let survey = Survey::new("q", TensorView::new(&halves, [1, 1, 8]).unwrap()).unwrap();
        assert_eq!(survey.power_for(DeviceType::F16), 0);
        let brains = [bf16::from_f32(1e20); 8];
        let survey = Survey::new("q", TensorView::new(&brains, [1, 1, 8]).unwrap()).unwrap();
        assert_eq!(survey.power_for(DeviceType::Bf16), 0);
    }
}
