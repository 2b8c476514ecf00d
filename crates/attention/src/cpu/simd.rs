//! The vectors that kernels are written over, here and in `minference-model`.
//!
//! A kernel is generic over [`Simd`]; an instruction set is one small file that implements it. Two
//! things make that as fast as hand-written code: every method here is `#[inline(always)]`, and
//! each instance enters the generic code through one function that enables the target features (see
//! `cpu/instances.rs`), so that everything is compiled inside it.
//!
//! Lanes are 32 bits wide throughout. A lane holds one `f32`, or a [`Word`](Simd::Word): whatever
//! 32 bits an arithmetic puts there (one `f32`, two `bf16`, two `f16` or two `i16` in `cpu/dot`,
//! four bytes or their sum in the matrix products of `minference-model`).
//!
//! ```
//! use minference_attention::cpu::simd::{Portable, Simd};
//!
//! /// The sum of squares of a row of whole vectors.
//! unsafe fn sum_of_squares<S: Simd>(row: &[f32]) -> f32 {
//!     // SAFETY: the caller's contract is that of `Simd`; parts of a row are whole vectors.
//!     unsafe {
//!         let mut sum = S::splat(0.0);
//!         for part in row.chunks_exact(S::LANES) {
//!             sum = S::mul_add(S::load_slice(part), S::load_slice(part), sum);
//!         }
//!         S::sum_lanes(sum)
//!     }
//! }
//!
//! // SAFETY: every machine has the instructions of plain arrays.
//! assert_eq!(unsafe { sum_of_squares::<Portable<4>>(&[1.0, 2.0, 3.0, 4.0]) }, 30.0);
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod exp2;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub(crate) use exp2::exp2;
#[cfg(target_arch = "x86_64")]
pub(crate) use exp2::exp2_rough;
pub use portable::{Portable, widen_f16};

/// Lanes of the widest vector.
pub const MAX_LANES: usize = 16;

/// A vector instruction set with lanes of 32 bits.
///
/// # Safety
///
/// Every method must only be called on a machine that has the instruction set, from code that is
/// inlined into a function with the matching `#[target_feature]`. Pointers must be valid for
/// [`LANES`](Simd::LANES) lanes (`load_f16` and `load_bf16`: that many 16-bit elements; `load_u8`,
/// `load_i8` and `load_u4`: that many bytes; `splat_word`: one word); no alignment is required.
/// Slices must be as long.
#[allow(clippy::missing_safety_doc)] // One contract for all methods, above.
pub trait Simd: Copy + 'static {
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
    /// `LANES` numbers.
    unsafe fn load(from: *const f32) -> Self::Float;
    /// Stores `LANES` numbers.
    unsafe fn store(to: *mut f32, value: Self::Float);
    /// The first `LANES` numbers of a slice.
    #[inline(always)]
    unsafe fn load_slice(from: &[f32]) -> Self::Float {
        debug_assert!(from.len() >= Self::LANES);
        // SAFETY: the slice is as long.
        unsafe { Self::load(from.as_ptr()) }
    }
    /// Stores to the first `LANES` numbers of a slice.
    #[inline(always)]
    unsafe fn store_slice(to: &mut [f32], value: Self::Float) {
        debug_assert!(to.len() >= Self::LANES);
        // SAFETY: the slice is as long.
        unsafe { Self::store(to.as_mut_ptr(), value) }
    }
    /// `LANES` words.
    unsafe fn load_words(from: *const u32) -> Self::Word;
    /// Stores `LANES` words.
    unsafe fn store_words(to: *mut u32, value: Self::Word);
    /// `LANES` half-precision elements, widened.
    unsafe fn load_f16(from: *const u16) -> Self::Float;
    /// `LANES` bfloat16 elements, widened.
    unsafe fn load_bf16(from: *const u16) -> Self::Float;
    /// `LANES` bytes as numbers from 0 to 255.
    unsafe fn load_u8(from: *const u8) -> Self::Float;
    /// `LANES` bytes as numbers from -128 to 127.
    unsafe fn load_i8(from: *const u8) -> Self::Float;
    /// `LANES` bytes of two numbers each: the low halves, the high halves.
    unsafe fn load_u4(from: *const u8) -> (Self::Float, Self::Float);

    /// A number in every lane.
    unsafe fn splat(value: f32) -> Self::Float;
    /// An integer in every lane.
    unsafe fn splat_int(value: i32) -> Self::Word;
    /// The word at `from` in every lane: a broadcast from memory, which costs no shuffle.
    unsafe fn splat_word(from: *const u32) -> Self::Word;
    /// The same bits as numbers.
    unsafe fn words_to_floats(words: Self::Word) -> Self::Float;
    /// The same bits as words.
    unsafe fn floats_to_words(floats: Self::Float) -> Self::Word;
    /// Signed integers, converted to numbers.
    unsafe fn ints_to_floats(ints: Self::Word) -> Self::Float;
    /// One half-precision number, widened.
    unsafe fn widen_f16(bits: u16) -> f32;

    /// `a + b`
    unsafe fn add(a: Self::Float, b: Self::Float) -> Self::Float;
    /// `a * b`
    unsafe fn mul(a: Self::Float, b: Self::Float) -> Self::Float;
    /// `a * b + c`
    unsafe fn mul_add(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// The larger lanes; `b` where a lane of `a` is NaN.
    unsafe fn max(a: Self::Float, b: Self::Float) -> Self::Float;
    /// The smaller lanes; `b` where a lane of `a` is NaN.
    unsafe fn min(a: Self::Float, b: Self::Float) -> Self::Float;
    /// The sum of all lanes, always in the same order.
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

    /// Bytes that are 16 where a bit is set, and 0 elsewhere: bit 0 is the first byte's.
    unsafe fn spread_bits(bits: u32) -> [u8; 32];
    /// Bytes of a table, at places from 0 to 15.
    unsafe fn look_up(table: &[u8; 16], places: &[u8; 16]) -> [u8; 16];
    /// Writes the columns of 8 rows of 8 numbers as rows, or adds them to what is there. Rows begin
    /// a stride apart, on both sides, and are valid.
    unsafe fn transpose<const ADD: bool>(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    );
}
