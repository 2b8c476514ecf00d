//! Plain `f32`: a word is one number. Works with every instruction set.

use super::super::narrow_range::NarrowRange;
use super::super::simd::{Simd, exp2};
use super::{ScoreDot, ValueDot};

pub(crate) struct Float32;

impl<S: Simd> ScoreDot<S> for Float32 {
    const ELEMENTS_PER_WORD: usize = 1;
    const FACTOR_IN_QUERIES: bool = true;
    type Accumulator = S::Float;

    /// Sums start at minus the maximum, so that the product is the exponent with no further
    /// operation.
    #[inline(always)]
    unsafe fn start(negative_maxima: *const f32) -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { S::load(negative_maxima) }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: S::Float, key: S::Word, queries: S::Word) -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { S::mul_add(S::words_to_floats(key), S::words_to_floats(queries), sum) }
    }
    #[inline(always)]
    unsafe fn exponent(sum: S::Float, _: *const f32, _: *const f32, _: *const f32) -> S::Float {
        sum
    }
    #[inline(always)]
    unsafe fn pack_row(row: &[f32], words: &mut [u32]) -> f32 {
        for (word, x) in words.iter_mut().zip(row) {
            *word = x.to_bits();
        }
        1.0
    }
}

impl<S: Simd> ValueDot<S> for Float32 {
    const KEYS_PER_WORD: usize = 1;
    const RANGE: Option<NarrowRange> = None;
    const VALUE_LIMIT: Option<f32> = None;
    type Accumulator = S::Float;

    #[inline(always)]
    unsafe fn load(output: *const f32) -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { S::load(output) }
    }
    #[inline(always)]
    unsafe fn accumulate(sum: S::Float, value: S::Word, probabilities: S::Word) -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { S::mul_add(S::words_to_floats(value), S::words_to_floats(probabilities), sum) }
    }
    #[inline(always)]
    unsafe fn store(sum: S::Float, output: *mut f32) {
        // SAFETY: the caller's contract.
        unsafe { S::store(output, sum) }
    }
    #[inline(always)]
    unsafe fn exp2(x: S::Float) -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { exp2::<S>(x) }
    }
    #[inline(always)]
    unsafe fn pack_probabilities(even: S::Float, _: S::Float) -> S::Word {
        // SAFETY: the caller's contract.
        unsafe { S::floats_to_words(even) }
    }
    type Sums = S::Float;
    #[inline(always)]
    unsafe fn no_sums() -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { S::splat(0.0) }
    }
    #[inline(always)]
    unsafe fn widen_sums(sums: S::Float) -> S::Float {
        sums
    }
    #[inline(always)]
    unsafe fn add_to_sums(sums: S::Float, probabilities: S::Word) -> S::Float {
        // SAFETY: the caller's contract.
        unsafe { S::add(sums, S::words_to_floats(probabilities)) }
    }
    #[inline(always)]
    fn value(word: u32, _: usize) -> f32 {
        f32::from_bits(word)
    }
    #[inline(always)]
    unsafe fn pack_values(even: &[f32], _: &[f32], words: &mut [u32]) {
        for (word, x) in words.iter_mut().zip(even) {
            *word = x.to_bits();
        }
    }
}
