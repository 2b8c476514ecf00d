//! [`CodeRange`]: the minimum and the scale of some numbers.

use super::CodeBits;
use bytemuck::{Pod, Zeroable};
use half::f16;

/// What codes mean: `minimum + scale * code`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct CodeRange {
    pub(crate) minimum: f16,
    pub(crate) scale: f16,
}

impl CodeRange {
    /// Of numbers from `smallest` to `largest`, all of which it covers. Where these are NaN or
    /// infinite, or the minimum or the scale is beyond `f16`, so are the numbers that come back.
    pub(crate) fn new([smallest, largest]: [f32; 2], bits: CodeBits) -> Self {
        let minimum = round_down(smallest);
        let scale = round_up((largest - minimum.to_f32()) / bits.largest_code());
        Self { minimum, scale }
    }

    /// The minimum, and codes for one: `level = (x - minimum) * factor`, before rounding.
    pub(crate) fn to_levels(self) -> (f32, f32) {
        let scale = self.scale.to_f32();
        // All are equal to the minimum.
        let factor = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        (self.minimum.to_f32(), factor)
    }
}

/// The smallest and the largest number of a row whose length is a multiple of 8; both NaN where one
/// of them is NaN or infinite.
pub(crate) fn extent(row: &[f32]) -> [f32; 2] {
    // Eight of each, so that compilers use vectors.
    let (mut smallest, mut largest, mut faults) = ([f32::INFINITY; 8], [f32::NEG_INFINITY; 8], [0.0f32; 8]);
    for chunk in row.as_chunks::<8>().0 {
        for (i, &x) in chunk.iter().enumerate() {
            smallest[i] = smallest[i].min(x);
            largest[i] = largest[i].max(x);
            faults[i] += x * 0.0;
        }
    }
    // Zero, or NaN.
    let fault: f32 = faults.iter().sum();
    let (smallest, largest) = (
        smallest.into_iter().fold(f32::INFINITY, f32::min),
        largest.into_iter().fold(f32::NEG_INFINITY, f32::max),
    );
    [smallest + fault, largest + fault]
}

/// The largest `f16` that is not above `x`.
fn round_down(x: f32) -> f16 {
    -round_up(-x)
}

/// The smallest `f16` that is not below `x`.
fn round_up(x: f32) -> f16 {
    let nearest = f16::from_f32(x);
    if nearest.to_f32() >= x || x.is_nan() {
        return nearest;
    }
    // The next one towards infinity: magnitudes are counted by the bits without the sign. (What
    // rounds to zero from below is not below it, so that no zero is left here but that of a
    // positive number.)
    let bits = nearest.to_bits();
    f16::from_bits(if nearest.is_sign_negative() { bits - 1 } else { bits + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_enclose_a_number_and_are_neighbours() {
        for x in [0.0, -0.0, 1.0, 0.1, -0.1, 1e-9, -1e-9, 6e-8, 3e-5, 2047.3, -2047.3, 65503.0, -65503.0] {
            let (below, above) = (round_down(x), round_up(x));
            assert!(below.to_f32() <= x && x <= above.to_f32(), "{below} {x} {above}");
            let exact = f16::from_f32(x).to_f32() == x;
            assert_eq!(below.to_f32() == above.to_f32(), exact, "{below} {x} {above}");
            let next = |x: f16| x.to_f32() + x.to_f32().abs() * 2f32.powi(-10) + 2f32.powi(-24);
            assert!(exact || above.to_f32() <= next(below), "{below} {x} {above}");
        }
        assert_eq!(round_down(1e5), f16::MAX);
        assert_eq!(round_up(1e5), f16::INFINITY);
        assert_eq!(round_down(-1e5), f16::NEG_INFINITY);
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut row = [1.0f32; 16];
            row[11] = wrong;
            let range = CodeRange::new(extent(&row), CodeBits::Eight);
            assert!(range.minimum.is_nan() && range.scale.is_nan());
        }
        assert!(!CodeRange::new([-1e5, 1.0], CodeBits::Eight).minimum.is_finite());
        assert!(!CodeRange::new([1.0, 1e20], CodeBits::Four).scale.is_finite());
        assert_eq!(extent(&[3.0, -1.0, 2.0, 0.0, 1.0, 2.5, -0.5, 1.5]), [-1.0, 3.0]);
    }

    #[test]
    fn equal_numbers_need_no_scale() {
        let range = CodeRange::new([-0.75, -0.75], CodeBits::Four);
        assert_eq!((range.minimum.to_f32(), range.scale.to_f32()), (-0.75, 0.0));
        assert_eq!(range.to_levels(), (-0.75, 0.0));
    }
}
