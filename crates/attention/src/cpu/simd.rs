//! The vectors that the kernels are written over.
//!
//! A kernel is generic over [`Simd`]; an instruction set is one small file that implements it. Two
//! things make that as fast as hand-written code: every method here is `#[inline(always)]`, and
//! each instance enters the generic code through one function that enables the target features (see
//! `cpu/instances.rs`), so that everything is compiled inside it.
//!
//! Lanes are 32 bits wide throughout. A lane holds one `f32`, or a [`Word`](Simd::Word): whatever
//! 32 bits the arithmetic of `cpu/dot` puts there (one `f32`, two `bf16`, two `f16` or two `i16`).

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod portable;

/// Lanes of the widest vector.
pub(crate) const MAX_LANES: usize = 16;

/// A vector instruction set with lanes of 32 bits.
///
/// # Safety
///
/// Every method must only be called on a machine that has the instruction set, from code that is
/// inlined into a function with the matching `#[target_feature]`. Pointers must be valid for
/// [`LANES`](Simd::LANES) lanes (`load_f16` and `load_bf16`: that many 16-bit elements; `load_u8`
/// and `load_u4`: that many bytes; `splat_word`: one word); no alignment is required.
pub(crate) trait Simd: Copy + 'static {
    /// Lanes of 32 bits in a vector.
    const LANES: usize;
    /// A vector of `f32`.
    type Float: Copy;
    /// A vector of 32-bit words.
    type Word: Copy;
    /// What [`exp2_split`](Simd::exp2_split) keeps for [`exp2_scale`](Simd::exp2_scale).
    type Exponent: Copy;
    /// One truth value for each lane.
    type Mask: Copy;

    /// Asks for the cache line at `from`, which need not be valid, in the second-level cache.
    unsafe fn prefetch(from: *const u8);
    unsafe fn load(from: *const f32) -> Self::Float;
    unsafe fn store(to: *mut f32, value: Self::Float);
    unsafe fn load_words(from: *const u32) -> Self::Word;
    unsafe fn store_words(to: *mut u32, value: Self::Word);
    /// `LANES` half-precision elements, widened.
    unsafe fn load_f16(from: *const u16) -> Self::Float;
    /// `LANES` bfloat16 elements, widened.
    unsafe fn load_bf16(from: *const u16) -> Self::Float;
    /// `LANES` bytes as numbers.
    unsafe fn load_u8(from: *const u8) -> Self::Float;
    /// `LANES` bytes of two numbers each: the low halves, the high halves.
    unsafe fn load_u4(from: *const u8) -> (Self::Float, Self::Float);

    unsafe fn splat(value: f32) -> Self::Float;
    /// The word at `from` in every lane: a broadcast from memory, which costs no shuffle.
    unsafe fn splat_word(from: *const u32) -> Self::Word;
    unsafe fn words_to_floats(words: Self::Word) -> Self::Float;
    unsafe fn floats_to_words(floats: Self::Float) -> Self::Word;

    unsafe fn add(a: Self::Float, b: Self::Float) -> Self::Float;
    /// `a * b + c`
    unsafe fn mul_add(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// The larger lanes; `b` where a lane of `a` is NaN.
    unsafe fn max(a: Self::Float, b: Self::Float) -> Self::Float;
    /// The smaller lanes; `b` where a lane of `a` is NaN.
    unsafe fn min(a: Self::Float, b: Self::Float) -> Self::Float;
    unsafe fn sum_lanes(a: Self::Float) -> f32;
    /// Lane `r` of the result is the sum of row `r`, of which the first `LANES` count.
    unsafe fn sum_rows(rows: &[Self::Float; MAX_LANES]) -> Self::Float;
    /// Whether `a < limit` in every lane; NaN is not less.
    unsafe fn all_less(a: Self::Float, limit: f32) -> bool;
    /// Whether `a >= limit` in every lane; NaN is not.
    unsafe fn all_at_least(a: Self::Float, limit: f32) -> bool;

    /// Splits `x` into a fraction in `[0, 1)` and what scales `2^fraction` to `2^x`.
    unsafe fn exp2_split(x: Self::Float) -> (Self::Float, Self::Exponent);
    /// `mantissa * 2^floor(x)`: zero or next to it far below the range, more than `1e38` above it.
    unsafe fn exp2_scale(mantissa: Self::Float, exponent: Self::Exponent) -> Self::Float;

    /// Lanes `first, first + 1, ...` as integers.
    unsafe fn count_from(first: i32) -> Self::Word;
    /// Which queries, by position, see the key at `key`: `0 <= query - key < window`.
    unsafe fn visible(queries: Self::Word, key: i32, window: i32) -> Self::Mask;
    /// `value` where the mask is set, `otherwise` elsewhere.
    unsafe fn select(mask: Self::Mask, value: Self::Float, otherwise: Self::Float) -> Self::Float;
}

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
