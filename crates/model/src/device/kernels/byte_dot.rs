//! [`ByteDot`]: products of four bytes in each lane, one implementation per instruction set.

// SAFETY: the trait's contract: the machine has the instruction set.
#![allow(clippy::undocumented_unsafe_blocks)]

#[cfg(target_arch = "x86_64")]
use minference_attention::cpu::simd::{Avx2, Avx512};
use minference_attention::cpu::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Sums of products of bytes, 32 bits for each lane of an instruction set.
///
/// # Safety
/// As for [`Simd`].
pub(super) trait ByteDot<S: Simd> {
    /// Adds to each lane of `sum` the products of its four unsigned bytes with the four signed ones
    /// that `four` is made of. No two neighbouring products may be beyond 16 bits together.
    unsafe fn accumulate(sum: S::Word, bytes: S::Word, four: i32) -> S::Word;
}

/// The instructions that the vectors themselves come with.
pub(super) struct Baseline;

impl<const N: usize> ByteDot<Portable<N>> for Baseline {
    #[inline(always)]
    unsafe fn accumulate(sum: [u32; N], bytes: [u32; N], four: i32) -> [u32; N] {
        let four = four.to_ne_bytes().map(|byte| i32::from(byte.cast_signed()));
        std::array::from_fn(|i| {
            let [a, b, c, d] = bytes[i].to_ne_bytes().map(i32::from);
            let products = a * four[0] + b * four[1] + c * four[2] + d * four[3];
            sum[i].wrapping_add_signed(products)
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl ByteDot<Avx2> for Baseline {
    #[inline(always)]
    unsafe fn accumulate(sum: __m256i, bytes: __m256i, four: i32) -> __m256i {
        unsafe {
            let pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi32(four));
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl ByteDot<Avx512> for Baseline {
    #[inline(always)]
    unsafe fn accumulate(sum: __m512i, bytes: __m512i, four: i32) -> __m512i {
        unsafe {
            let pairs = _mm512_maddubs_epi16(bytes, _mm512_set1_epi32(four));
            _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        }
    }
}

/// One instruction for four products and their sum: `VPDPBUSD`.
#[cfg(target_arch = "x86_64")]
pub(super) struct Vnni;

#[cfg(target_arch = "x86_64")]
impl ByteDot<Avx512> for Vnni {
    #[inline(always)]
    unsafe fn accumulate(sum: __m512i, bytes: __m512i, four: i32) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sum, bytes, _mm512_set1_epi32(four)) }
    }
}
