//! Blocks of stored elements, widened to vectors of `f32`. Quantised layouts are GGUF's
//! (`ggml-quants` in the llama.cpp repository); the tests compare every format with candle's
//! decoder, or that of the `gguf` package.
//!
//! Bits are unpacked in arrays of fixed length, which compilers keep in vector registers; what
//! leaves a block are vectors.

// SAFETY: one contract for the unsafe functions here: the machine has the vectors' instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::vector::Vector;
use super::widen_half;

/// Takes the vectors of a block. (A trait rather than a closure, since only methods can be told to
/// be inlined.)
pub(super) trait Sink<V> {
    /// A vector that starts at element `at` of the block.
    ///
    /// # Safety
    /// The machine has the vectors' instruction set.
    unsafe fn take(&mut self, at: usize, elements: V);
}

/// How one block of a format is widened.
pub(super) trait Block {
    /// Elements of a block.
    const LEN: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Widens one block of `BYTES` bytes: gives `sink` each vector.
    ///
    /// # Safety
    /// The machine has the vectors' instruction set.
    unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>);
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

        impl Block for $name {
            const LEN: usize = 32;
            const BYTES: usize = 32 * $bytes;
            #[inline(always)]
            unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>) {
                let bytes = array::<{ 32 * $bytes }>(bytes, 0);
                for i in (0..32).step_by(V::LEN) {
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

plain_block!(F32, "32-bit floating point.", 4, load_bytes, f32::from_le_bytes);
plain_block!(F16, "Half precision.", 2, V::from_half, |bytes| widen_half(u16::from_le_bytes(bytes)));
plain_block!(Bf16, "bfloat16.", 2, V::from_bfloat16, |bytes: [u8; 2]| {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
});

/// `LEN` little-endian `f32`, at any address.
#[inline(always)]
unsafe fn load_bytes<V: Vector>(bytes: &[u8]) -> V {
    let mut elements = [0.0f32; 16];
    for (x, bytes) in elements[..V::LEN].iter_mut().zip(bytes.as_chunks::<4>().0) {
        *x = f32::from_le_bytes(*bytes);
    }
    unsafe { V::load(&elements) }
}

#[inline(always)]
pub(super) unsafe fn half_at<V: Vector>(bytes: &[u8], at: usize) -> f32 {
    unsafe { V::widen_half(u16::from_le_bytes([bytes[at], bytes[at + 1]])) }
}

/// `N` bytes at a place, as an array whose length the compiler knows.
#[inline(always)]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..at + N].first_chunk().unwrap_or(&[0; N])
}

/// Elements `quants * scale + offset`, from element `at` of the block on.
#[inline(always)]
pub(super) unsafe fn scaled<V: Vector, const N: usize>(
    quants: &[u8; N],
    scale: f32,
    offset: f32,
    at: usize,
    sink: &mut impl Sink<V>,
) {
    unsafe {
        let (scale, offset) = (V::splat(scale), V::splat(offset));
        for i in (0..N).step_by(V::LEN) {
            sink.take(at + i, V::from_u8(&quants[i..]).mul_add(scale, offset));
        }
    }
}

/// 32 quants of 5 bits: nibbles as in the formats of 4 bits, and a fifth bit of each.
#[inline(always)]
unsafe fn five_bits<V: Vector>(nibbles: &[u8; 16], fifths: [u8; 4]) -> [u8; 32] {
    let mut quants = unsafe { V::spread_bits(u32::from_le_bytes(fifths)) };
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

impl Block for Q4_0 {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    #[inline(always)]
    unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>) {
        let scale = unsafe { half_at::<V>(bytes, 0) };
        let quants = array::<16>(bytes, 2);
        unsafe {
            scaled(&low_nibbles(quants), scale, -8.0 * scale, 0, sink);
            scaled(&high_nibbles(quants), scale, -8.0 * scale, 16, sink);
        }
    }
}

impl Block for Q4_1 {
    const LEN: usize = 32;
    const BYTES: usize = 20;
    #[inline(always)]
    unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>) {
        let (scale, minimum) = unsafe { (half_at::<V>(bytes, 0), half_at::<V>(bytes, 2)) };
        let quants = array::<16>(bytes, 4);
        unsafe {
            scaled(&low_nibbles(quants), scale, minimum, 0, sink);
            scaled(&high_nibbles(quants), scale, minimum, 16, sink);
        }
    }
}

impl Block for Q5_0 {
    const LEN: usize = 32;
    const BYTES: usize = 22;
    #[inline(always)]
    unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>) {
        let scale = unsafe { half_at::<V>(bytes, 0) };
        unsafe {
            let quants = five_bits::<V>(array::<16>(bytes, 6), *array::<4>(bytes, 2));
            scaled(&quants, scale, -16.0 * scale, 0, sink);
        }
    }
}

impl Block for Q5_1 {
    const LEN: usize = 32;
    const BYTES: usize = 24;
    #[inline(always)]
    unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>) {
        let (scale, minimum) = unsafe { (half_at::<V>(bytes, 0), half_at::<V>(bytes, 2)) };
        unsafe {
            let quants = five_bits::<V>(array::<16>(bytes, 8), *array::<4>(bytes, 4));
            scaled(&quants, scale, minimum, 0, sink);
        }
    }
}

impl Block for Q8_0 {
    const LEN: usize = 32;
    const BYTES: usize = 34;
    #[inline(always)]
    unsafe fn widen<V: Vector>(bytes: &[u8], sink: &mut impl Sink<V>) {
        let quants = array::<32>(bytes, 2);
        unsafe {
            let scale = V::splat(half_at::<V>(bytes, 0));
            for i in (0..32).step_by(V::LEN) {
                sink.take(i, V::from_i8(&quants[i..]).mul(scale));
            }
        }
    }
}
