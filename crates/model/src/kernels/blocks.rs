//! Blocks of quantised elements, widened to `f32`. Layouts are GGUF's (`ggml-quants` in the llama.cpp repository); the tests
//! compare every format with candle's decoder.
//!
//! Loops run over arrays of fixed length, which the compiler turns into vector code of whatever instruction set the caller is
//! compiled for.

use super::{MulAdd, widen_half};

/// How one block of a format is widened.
pub(super) trait Block {
    /// Elements of a block.
    const LEN: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Widens one block: `bytes` is `BYTES` long, `out` is `LEN` long.
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]);
    /// Widens what is left of a row after its last block; quantised rows are whole blocks, and nothing is left.
    #[inline(always)]
    fn widen_rest(_bytes: &[u8], _out: &mut [f32]) {}
}

/// Elements that are not quantised, 32 at a time.
macro_rules! plain_block {
    ($name:ident, $doc:literal, $bytes:literal, $widen:expr) => {
        #[doc = $doc]
        pub(super) struct $name;

        impl Block for $name {
            const LEN: usize = 32;
            const BYTES: usize = 32 * $bytes;
            #[inline(always)]
            fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
                Self::widen_rest(array::<{ 32 * $bytes }>(bytes, 0), &mut out[..32]);
            }
            #[inline(always)]
            fn widen_rest(bytes: &[u8], out: &mut [f32]) {
                for (x, bytes) in out.iter_mut().zip(bytes.as_chunks::<$bytes>().0) {
                    *x = $widen(*bytes);
                }
            }
        }
    };
}

plain_block!(F32, "32-bit floating point.", 4, f32::from_le_bytes);
plain_block!(F16, "Half precision.", 2, |bytes| widen_half(u16::from_le_bytes(bytes)));
plain_block!(Bf16, "bfloat16.", 2, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16));

#[inline(always)]
fn half_at(bytes: &[u8], at: usize) -> f32 {
    widen_half(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// `N` bytes at a place, as an array whose length the compiler knows.
#[inline(always)]
fn array<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..at + N].first_chunk().unwrap_or(&[0; N])
}

/// `out = quants * scale + offset`
#[inline(always)]
fn scale_into<M: MulAdd, const N: usize>(quants: &[u8; N], scale: f32, offset: f32, out: &mut [f32]) {
    for (x, &q) in out[..N].iter_mut().zip(quants) {
        *x = M::mul_add(f32::from(q), scale, offset);
    }
}

#[inline(always)]
fn low_nibbles<const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| byte & 15)
}

#[inline(always)]
fn high_nibbles<const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| byte >> 4)
}

/// Sixteen bits of `bits` from `first` on, each as 16 or 0: the fifth bits of a run of elements.
#[inline(always)]
fn fifth_bits(bits: u32, first: u32) -> [u8; 16] {
    std::array::from_fn(|i| ((bits >> (first + i as u32)) as u8 & 1) << 4)
}

#[inline(always)]
fn join<const N: usize>(low: &[u8; N], high: &[u8; N]) -> [u8; N] {
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
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let scale = half_at(bytes, 0);
        let quants = array::<16>(bytes, 2);
        scale_into::<M, 16>(&low_nibbles(quants), scale, -8.0 * scale, out);
        scale_into::<M, 16>(&high_nibbles(quants), scale, -8.0 * scale, &mut out[16..]);
    }
}

impl Block for Q4_1 {
    const LEN: usize = 32;
    const BYTES: usize = 20;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let (scale, minimum) = (half_at(bytes, 0), half_at(bytes, 2));
        let quants = array::<16>(bytes, 4);
        scale_into::<M, 16>(&low_nibbles(quants), scale, minimum, out);
        scale_into::<M, 16>(&high_nibbles(quants), scale, minimum, &mut out[16..]);
    }
}

impl Block for Q5_0 {
    const LEN: usize = 32;
    const BYTES: usize = 22;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let scale = half_at(bytes, 0);
        let (fifth, quants) = (u32::from_le_bytes(*array::<4>(bytes, 2)), array::<16>(bytes, 6));
        let low = join(&low_nibbles(quants), &fifth_bits(fifth, 0));
        let high = join(&high_nibbles(quants), &fifth_bits(fifth, 16));
        scale_into::<M, 16>(&low, scale, -16.0 * scale, out);
        scale_into::<M, 16>(&high, scale, -16.0 * scale, &mut out[16..]);
    }
}

impl Block for Q5_1 {
    const LEN: usize = 32;
    const BYTES: usize = 24;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let (scale, minimum) = (half_at(bytes, 0), half_at(bytes, 2));
        let (fifth, quants) = (u32::from_le_bytes(*array::<4>(bytes, 4)), array::<16>(bytes, 8));
        let low = join(&low_nibbles(quants), &fifth_bits(fifth, 0));
        let high = join(&high_nibbles(quants), &fifth_bits(fifth, 16));
        scale_into::<M, 16>(&low, scale, minimum, out);
        scale_into::<M, 16>(&high, scale, minimum, &mut out[16..]);
    }
}

impl Block for Q8_0 {
    const LEN: usize = 32;
    const BYTES: usize = 34;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let scale = half_at(bytes, 0);
        for (x, &q) in out[..32].iter_mut().zip(array::<32>(bytes, 2)) {
            *x = f32::from(q as i8) * scale;
        }
    }
}

/// 2 bits; 16 runs of 16 elements with scales and minima of 4 bits.
pub(super) struct Q2K;
/// 3 bits; 16 runs of 16 elements with scales of 6 bits.
pub(super) struct Q3K;
/// 4 bits; 8 runs of 32 elements with scales and minima of 6 bits.
pub(super) struct Q4K;
/// 5 bits; 8 runs of 32 elements with scales and minima of 6 bits.
pub(super) struct Q5K;
/// 6 bits; 16 runs of 16 elements with scales of 8 bits.
pub(super) struct Q6K;

impl Block for Q2K {
    const LEN: usize = 256;
    const BYTES: usize = 84;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let scales = array::<16>(bytes, 0);
        let (scale, minimum) = (half_at(bytes, 80), half_at(bytes, 82));
        for (run, out) in out.chunks_exact_mut(16).take(16).enumerate() {
            // Each half of 128 elements lies in 32 bytes, two bits of a byte for each quarter of the half.
            let (half, quarter, part) = (run / 8, run % 8 / 2, run % 2);
            let quants =
                array::<16>(bytes, 16 + 32 * half + 16 * part).map(|byte| (byte >> (2 * quarter)) & 3);
            let (a, b) = (f32::from(scales[run] & 15), f32::from(scales[run] >> 4));
            scale_into::<M, 16>(&quants, scale * a, -minimum * b, out);
        }
    }
}

impl Block for Q3K {
    const LEN: usize = 256;
    const BYTES: usize = 110;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let packed = array::<12>(bytes, 96);
        let all = half_at(bytes, 108);
        for (run, out) in out.chunks_exact_mut(16).take(16).enumerate() {
            let low = if run < 8 { packed[run] & 15 } else { packed[run - 8] >> 4 };
            let high = (packed[8 + run % 4] >> (2 * (run / 4))) & 3;
            let scale = all * (f32::from(low | (high << 4)) - 32.0);
            let (half, quarter, part) = (run / 8, run % 8 / 2, run % 2);
            let low = array::<16>(bytes, 32 + 32 * half + 16 * part).map(|byte| (byte >> (2 * quarter)) & 3);
            let third = array::<16>(bytes, 16 * part).map(|byte| ((byte >> (4 * half + quarter)) & 1) << 2);
            scale_into::<M, 16>(&join(&low, &third), scale, -4.0 * scale, out);
        }
    }
}

/// Scale and minimum of run `i` of 8, from the 12 bytes that hold them in 6 bits each.
#[inline(always)]
fn six_bit_pair(packed: &[u8; 12], i: usize) -> (f32, f32) {
    let (scale, minimum) = if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        ((packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4), (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4))
    };
    (f32::from(scale), f32::from(minimum))
}

impl Block for Q4K {
    const LEN: usize = 256;
    const BYTES: usize = 144;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let (scale, minimum) = (half_at(bytes, 0), half_at(bytes, 2));
        let packed = array::<12>(bytes, 4);
        for (pair, out) in out.chunks_exact_mut(64).take(4).enumerate() {
            let quants = array::<32>(bytes, 16 + 32 * pair);
            let (a, b) = six_bit_pair(packed, 2 * pair);
            scale_into::<M, 32>(&low_nibbles(quants), scale * a, -minimum * b, out);
            let (a, b) = six_bit_pair(packed, 2 * pair + 1);
            scale_into::<M, 32>(&high_nibbles(quants), scale * a, -minimum * b, &mut out[32..]);
        }
    }
}

impl Block for Q5K {
    const LEN: usize = 256;
    const BYTES: usize = 176;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let (scale, minimum) = (half_at(bytes, 0), half_at(bytes, 2));
        let (packed, fifths) = (array::<12>(bytes, 4), array::<32>(bytes, 16));
        for (pair, out) in out.chunks_exact_mut(64).take(4).enumerate() {
            let quants = array::<32>(bytes, 48 + 32 * pair);
            let fifth = fifths.map(|byte| ((byte >> (2 * pair)) & 1) << 4);
            let (a, b) = six_bit_pair(packed, 2 * pair);
            scale_into::<M, 32>(&join(&low_nibbles(quants), &fifth), scale * a, -minimum * b, out);
            let fifth = fifths.map(|byte| ((byte >> (2 * pair + 1)) & 1) << 4);
            let (a, b) = six_bit_pair(packed, 2 * pair + 1);
            let quants = join(&high_nibbles(quants), &fifth);
            scale_into::<M, 32>(&quants, scale * a, -minimum * b, &mut out[32..]);
        }
    }
}

impl Block for Q6K {
    const LEN: usize = 256;
    const BYTES: usize = 210;
    #[inline(always)]
    fn widen<M: MulAdd>(bytes: &[u8], out: &mut [f32]) {
        let scales = array::<16>(bytes, 192);
        let all = half_at(bytes, 208);
        for (run, out) in out.chunks_exact_mut(16).take(16).enumerate() {
            // Each half of 128 elements is four quarters: nibbles of 64 bytes, and two bits of a byte of 32.
            let (half, quarter, part) = (run / 8, run % 8 / 2, run % 2);
            let low = array::<16>(bytes, 64 * half + 32 * (quarter % 2) + 16 * part);
            let low = if quarter < 2 { low_nibbles(low) } else { high_nibbles(low) };
            let high =
                array::<16>(bytes, 128 + 32 * half + 16 * part).map(|x| ((x >> (2 * quarter)) & 3) << 4);
            let scale = all * f32::from(scales[run] as i8);
            scale_into::<M, 16>(&join(&low, &high), scale, -32.0 * scale, out);
        }
    }
}
