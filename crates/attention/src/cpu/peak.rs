//! The rate that nothing can exceed: independent multiply-adds in registers, without memory.

// SAFETY: one contract for the unsafe functions here: the machine has the instance's instructions.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::dot::ValueDot;
use super::instances::Instance;
use super::simd::{MAX_LANES, Simd};
use std::hint::black_box;

/// Independent sums: enough to cover the latency of two multiply-adds per cycle.
const SUMS: usize = 12;
/// Runs `rounds` rounds of multiply-adds in the instance's arithmetic and returns how many
/// floating-point operations that was.
///
/// # Safety
/// The machine has the instance's instructions.
#[inline(always)]
pub(crate) unsafe fn multiply_adds<I: Instance>(rounds: u64) -> u64 {
    unsafe {
        // Zeros stay zeros, so sums neither overflow nor become denormal; `black_box` hides that
        // from the compiler.
        let zeros = black_box([[0.0f32; MAX_LANES]; SUMS]);
        let a = I::Simd::load_words(black_box(zeros.as_ptr().cast()));
        let b = I::Simd::load_words(black_box(zeros.as_ptr().cast()));
        let mut sums = [I::Value::load(zeros[0].as_ptr()); SUMS];
        for (sum, zeros) in sums.iter_mut().zip(&zeros) {
            // Each its own, or the compiler would find that they are all the same.
            *sum = I::Value::load(black_box(zeros.as_ptr()));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = I::Value::accumulate(*sum, a, b);
            }
        }
        let mut out = zeros;
        for (sum, out) in sums.into_iter().zip(&mut out) {
            I::Value::store(sum, out.as_mut_ptr());
        }
        black_box(out);
    }
    2 * rounds * (SUMS * I::Simd::LANES * <I::Value as ValueDot<I::Simd>>::KEYS_PER_WORD) as u64
}
