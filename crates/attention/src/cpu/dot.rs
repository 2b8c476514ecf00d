//! The arithmetic of the two matrix products, `Q K^T` and `P V`, over words of 32 bits.
//!
//! Queries lie in the lanes, so the inner step of both products is the same: one word of a key (or
//! of a value row) is broadcast to all lanes and combined with a vector that holds the same word of
//! 16 queries (or of their probabilities). What a word holds is the only difference between the
//! arithmetics:
//!
//! | module       | a word holds                      | one step                                      |
//! |--------------|-----------------------------------|-----------------------------------------------|
//! | [`float32`]  | one `f32`                         | FMA                                           |
//! | [`bfloat16`] | two `bf16`                        | `VDPBF16PS`: exact products, `f32` sums       |
//! | [`int16`]    | two `i16`, rows scaled by a norm  | `VPDPWSSD`: exact products, `i32` sums        |
//! | [`float16`]  | two `f16`                         | `VFMADDPH`: two `f16` sums per lane           |
//!
//! For `Q K^T` the elements of a word are neighbours along head_dim; for `P V` they belong to
//! neighbouring keys.

#[cfg(target_arch = "x86_64")]
pub(crate) mod bfloat16;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) mod emulated_float16;
#[cfg(target_arch = "x86_64")]
pub(crate) mod float16;
pub(crate) mod float32;
#[cfg(target_arch = "x86_64")]
pub(crate) mod int16;

use super::narrow_range::NarrowRange;
use super::simd::Simd;

/// Arithmetic of `Q K^T`.
///
/// # Safety
/// As for [`Simd`]; pointers are valid for one vector (`row_scales`, `negative_maxima`) or one
/// element (`key_scale`).
pub(crate) trait ScoreDot<S: Simd> {
    /// Elements of head_dim in a word.
    const ELEMENTS_PER_WORD: usize;
    /// Whether queries are multiplied by the softmax factor when they are packed. Where that would
    /// cost a rounding, the factor goes into the row scale instead.
    const FACTOR_IN_QUERIES: bool;
    type Accumulator: Copy;

    unsafe fn start(negative_maxima: *const f32) -> Self::Accumulator;
    unsafe fn accumulate(sum: Self::Accumulator, key: S::Word, queries: S::Word) -> Self::Accumulator;
    /// The exponent `score * log2(e) - maximum` of every lane.
    unsafe fn exponent(
        sum: Self::Accumulator,
        row_scales: *const f32,
        key_scale: *const f32,
        negative_maxima: *const f32,
    ) -> S::Float;

    /// Packs one row (of a query or a key) and returns its scale: `row = scale * packed`.
    unsafe fn pack_row(row: &[f32], words: &mut [u32]) -> f32;
}

/// Arithmetic of `P V`.
///
/// # Safety
/// As for [`Simd`]; `output` is valid for one vector.
pub(crate) trait ValueDot<S: Simd> {
    /// Keys in a word.
    const KEYS_PER_WORD: usize;
    /// The range of probabilities, where it is narrower than that of `f32`.
    const RANGE: Option<NarrowRange>;
    /// Values are scaled by a power of two so that the largest of a head is below this; `None`
    /// leaves them as they are.
    const VALUE_LIMIT: Option<f32>;
    type Accumulator: Copy;

    unsafe fn load(output: *const f32) -> Self::Accumulator;
    unsafe fn accumulate(sum: Self::Accumulator, value: S::Word, probabilities: S::Word)
    -> Self::Accumulator;
    unsafe fn store(sum: Self::Accumulator, output: *mut f32);

    /// `2^x`, as precisely as the packed probabilities can tell.
    unsafe fn exp2(x: S::Float) -> S::Float;
    /// Packs the probabilities of one key, or of two neighbouring ones.
    unsafe fn pack_probabilities(even: S::Float, odd: S::Float) -> S::Word;
    /// Sums of the probabilities of a chunk.
    type Sums: Copy;
    unsafe fn no_sums() -> Self::Sums;
    /// Adds the probabilities of a word, as they were rounded: what a row is divided by then fits
    /// what was multiplied with the values, and a row that one key dominates gets that key's value
    /// exactly.
    unsafe fn add_to_sums(sums: Self::Sums, probabilities: S::Word) -> Self::Sums;
    /// The sums of a chunk in `f32`.
    unsafe fn widen_sums(sums: Self::Sums) -> S::Float;
    /// The value of the even (0) or the odd (1) key in a word.
    fn value(word: u32, half: usize) -> f32;
    /// Packs the value rows of one key (then `odd` is unused), or of two neighbouring ones. The
    /// three slices are equally long, a multiple of 8.
    unsafe fn pack_values(even: &[f32], odd: &[f32], words: &mut [u32]);
}

/// Two 16-bit halves in a word, the even element in the low half.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn pair(even: u16, odd: u16) -> u32 {
    u32::from(even) | u32::from(odd) << 16
}
