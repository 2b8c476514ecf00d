//! Blocks of stored elements, widened to vectors of `f32`. Quantised layouts are GGUF's
//! (`ggml-quants` in the llama.cpp repository); the tests compare every format with candle's
//! decoder, or that of the `gguf` package.
//!
//! Bits are unpacked in arrays of fixed length, which compilers keep in vector registers; what
//! leaves a block are vectors.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use minference_attention::cpu::simd::{MAX_LANES, Simd, widen_f16};

/// Takes the vectors of a block. (A trait rather than a closure, since only methods can be told to
/// be inlined.)
pub(super) trait VectorSink<S: Simd> {
    /// A vector that starts at element `at` of the block.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn take(&mut self, at: usize, elements: S::Float);
}

/// How one block of a format is widened.
pub(super) trait BlockFormat {
    /// Elements of a block.
    const LEN: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Widens one block of `BYTES` bytes: gives `sink` each vector.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>);
    /// Widens what is left of a row after its last block; quantised rows are whole blocks, and
    /// nothing is left.
    #[inline(always)]
    fn widen_rest(_bytes: &[u8], _out: &mut [f32]) {}
}

/// Elements that are not quantised, 32 at a time.
macro_rules! plain_block {
    ($name:ident, $doc:literal, $bytes:literal, $vector:expr, $scalar:expr) => {
        #[doc = $doc]
        pub(super) struct $name;

        impl BlockFormat for $name {
            const LEN: usize = 32;
            const BYTES: usize = 32 * $bytes;
            #[inline(always)]
            unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
                let bytes = array::<{ 32 * $bytes }>(bytes, 0);
                for i in (0..32).step_by(S::LANES) {
                    unsafe { sink.take(i, $vector(&bytes[i * $bytes..])) };
                }
            }
            #[inline(always)]
            fn widen_rest(bytes: &[u8], out: &mut [f32]) {
                for (x, bytes) in out.iter_mut().zip(bytes.as_chunks::<$bytes>().0) {
                    *x = $scalar(*bytes);
                }
            }
        }
    };
}

plain_block!(F32, "32-bit floating point.", 4, load_f32::<S>, f32::from_le_bytes);
plain_block!(F16, "Half precision.", 2, load_f16::<S>, |bytes| widen_f16(u16::from_le_bytes(bytes)));
plain_block!(Bf16, "bfloat16.", 2, load_bf16::<S>, |bytes: [u8; 2]| {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
});

/// A vector of little-endian `f32`, at any address.
#[inline(always)]
unsafe fn load_f32<S: Simd>(bytes: &[u8]) -> S::Float {
    let mut elements = [0.0f32; MAX_LANES];
    for (x, bytes) in elements[..S::LANES].iter_mut().zip(bytes.as_chunks::<4>().0) {
        *x = f32::from_le_bytes(*bytes);
    }
    unsafe { S::load(elements.as_ptr()) }
}

/// Little-endian words of 16 bits, at any address, in the machine's order.
#[inline(always)]
fn words<S: Simd>(bytes: &[u8]) -> [u16; MAX_LANES] {
    let mut words = [0; MAX_LANES];
    for (word, bytes) in words[..S::LANES].iter_mut().zip(bytes.as_chunks::<2>().0) {
        *word = u16::from_le_bytes(*bytes);
    }
    words
}

/// A vector of little-endian half-precision numbers.
#[inline(always)]
unsafe fn load_f16<S: Simd>(bytes: &[u8]) -> S::Float {
    unsafe { S::load_f16(words::<S>(bytes).as_ptr()) }
}

/// A vector of little-endian bfloat16 numbers.
#[inline(always)]
unsafe fn load_bf16<S: Simd>(bytes: &[u8]) -> S::Float {
    unsafe { S::load_bf16(words::<S>(bytes).as_ptr()) }
}

#[inline(always)]
pub(super) unsafe fn half_at<S: Simd>(bytes: &[u8], at: usize) -> f32 {
    unsafe { S::widen_f16(u16::from_le_bytes([bytes[at], bytes[at + 1]])) }
}

/// `N` bytes at a place, as an array whose length the compiler knows.
#[inline(always)]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..at + N].first_chunk().unwrap_or(&[0; N])
}

/// Elements `quants * scale + offset`, from element `at` of the block on.
#[inline(always)]
pub(super) unsafe fn scaled<S: Simd, const N: usize>(
    quants: &[u8; N],
    scale: f32,
    offset: f32,
    at: usize,
    sink: &mut impl VectorSink<S>,
) {
    unsafe {
        let (scale, offset) = (S::splat(scale), S::splat(offset));
        for i in (0..N).step_by(S::LANES) {
            sink.take(at + i, S::mul_add(S::load_u8(quants[i..].as_ptr()), scale, offset));
        }
    }
}

/// 32 quants of 5 bits: nibbles as in the formats of 4 bits, and a fifth bit of each.
#[inline(always)]
unsafe fn five_bits<S: Simd>(nibbles: &[u8; 16], fifths: [u8; 4]) -> [u8; 32] {
    let mut quants = unsafe { S::spread_bits(u32::from_le_bytes(fifths)) };
    for (i, byte) in nibbles.iter().enumerate() {
        quants[i] |= byte & 15;
        quants[i + 16] |= byte >> 4;
    }
    quants
}

#[inline(always)]
pub(super) fn low_nibbles<const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| byte & 15)
}

#[inline(always)]
pub(super) fn high_nibbles<const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| byte >> 4)
}

/// Two bits of each byte, shifted down.
#[inline(always)]
pub(super) fn bit_pairs<const SHIFT: u32, const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| (byte >> SHIFT) & 3)
}

/// One bit of each byte, moved to the place of bit `TO`.
#[inline(always)]
pub(super) fn bits<const FROM: u32, const TO: u32, const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| ((byte >> FROM) & 1) << TO)
}

#[inline(always)]
pub(super) fn join<const N: usize>(low: &[u8; N], high: &[u8; N]) -> [u8; N] {
    std::array::from_fn(|i| low[i] | high[i])
}

/// 4 bits and a scale.
pub(super) struct Q4_0;
/// 4 bits, a scale and a minimum.
pub(super) struct Q4_1;
/// 5 bits and a scale.
pub(super) struct Q5_0;
/// 5 bits, a scale and a minimum.
pub(super) struct Q5_1;
/// 8 bits and a scale.
pub(super) struct Q8_0;

impl BlockFormat for Q4_0 {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let scale = unsafe { half_at::<S>(bytes, 0) };
        let quants = array::<16>(bytes, 2);
        unsafe {
            scaled(&low_nibbles(quants), scale, -8.0 * scale, 0, sink);
            scaled(&high_nibbles(quants), scale, -8.0 * scale, 16, sink);
        }
    }
}

impl BlockFormat for Q4_1 {
    const LEN: usize = 32;
    const BYTES: usize = 20;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let (scale, minimum) = unsafe { (half_at::<S>(bytes, 0), half_at::<S>(bytes, 2)) };
        let quants = array::<16>(bytes, 4);
        unsafe {
            scaled(&low_nibbles(quants), scale, minimum, 0, sink);
            scaled(&high_nibbles(quants), scale, minimum, 16, sink);
        }
    }
}

impl BlockFormat for Q5_0 {
    const LEN: usize = 32;
    const BYTES: usize = 22;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let scale = unsafe { half_at::<S>(bytes, 0) };
        unsafe {
            let quants = five_bits::<S>(array::<16>(bytes, 6), *array::<4>(bytes, 2));
            scaled(&quants, scale, -16.0 * scale, 0, sink);
        }
    }
}

impl BlockFormat for Q5_1 {
    const LEN: usize = 32;
    const BYTES: usize = 24;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let (scale, minimum) = unsafe { (half_at::<S>(bytes, 0), half_at::<S>(bytes, 2)) };
        unsafe {
            let quants = five_bits::<S>(array::<16>(bytes, 8), *array::<4>(bytes, 4));
            scaled(&quants, scale, minimum, 0, sink);
        }
    }
}

impl BlockFormat for Q8_0 {
    const LEN: usize = 32;
    const BYTES: usize = 34;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let quants = array::<32>(bytes, 2);
        unsafe {
            let scale = S::splat(half_at::<S>(bytes, 0));
            for i in (0..32).step_by(S::LANES) {
                sink.take(i, S::mul(S::load_i8(quants[i..].as_ptr()), scale));
            }
        }
    }
}
