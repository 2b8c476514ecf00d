//! Powers of two, as polynomials.

use super::Simd;

/// Coefficients of the minimax polynomial of degree 5 for `2^f`, `0 <= f < 1`, among those that are
/// exact at 0 (the largest probability of a row is then exactly 1): relative error 8.2e-8.
const EXP2_DEGREE_5: [f32; 6] =
    [1.0, 0.693_151_3, 0.240_164_44, 0.055_799_916, 0.009_017_027, 0.001_867_131_7];
/// The same of degree 3, for arithmetics that only x86-64 has: relative error 8.6e-5, a fortieth of
/// what rounding to `bf16` costs.
#[cfg(target_arch = "x86_64")]
const EXP2_DEGREE_3: [f32; 4] = [1.0, 0.695_116_8, 0.227_644_85, 0.077_067_174];

#[inline(always)]
unsafe fn exp2_polynomial<S: Simd, const TERMS: usize>(x: S::Float, coefficients: &[f32; TERMS]) -> S::Float {
    // SAFETY: the caller's contract is that of `Simd`.
    unsafe {
        let (fraction, exponent) = S::exp2_split(x);
        let mut sum = S::splat(coefficients[TERMS - 1]);
        for i in (0..TERMS - 1).rev() {
            sum = S::mul_add(sum, fraction, S::splat(coefficients[i]));
        }
        S::exp2_scale(sum, exponent)
    }
}

/// `2^x` to the precision of `f32`.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp2<S: Simd>(x: S::Float) -> S::Float {
    // SAFETY: the caller's contract is that of `Simd`.
    unsafe { exp2_polynomial::<S, 6>(x, &EXP2_DEGREE_5) }
}

/// `2^x` to 1e-4, for probabilities that are rounded to 16 bits next.
///
/// # Safety
/// As for [`Simd`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn exp2_rough<S: Simd>(x: S::Float) -> S::Float {
    // SAFETY: the caller's contract is that of `Simd`.
    unsafe { exp2_polynomial::<S, 4>(x, &EXP2_DEGREE_3) }
}
