//! The "IQ4" formats: 4 bits that say which of sixteen values is meant, closer to each other near
//! 0.

// SAFETY: as in `blocks`.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::blocks::{BlockFormat, VectorSink, array, half_at, high_nibbles, low_nibbles};
use minference_attention::cpu::simd::Simd;

/// 4 bits and a scale.
pub(super) struct Iq4Nl;
/// 4 bits; 8 runs of 32 elements with scales of 6 bits.
pub(super) struct Iq4Xs;

/// What the sixteen quants mean.
const VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The same, as bytes of a table.
const TABLE: [u8; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        table[i] = VALUES[i].cast_unsigned();
        i += 1;
    }
    table
};

/// 32 elements with one scale, from element `at` of the block on: low nibbles first, then high
/// ones.
#[inline(always)]
unsafe fn looked_up<S: Simd>(quants: &[u8; 16], scale: f32, at: usize, sink: &mut impl VectorSink<S>) {
    unsafe {
        let scale = S::splat(scale);
        for (half, places) in [low_nibbles(quants), high_nibbles(quants)].iter().enumerate() {
            let values = S::look_up(&TABLE, places);
            for i in (0..16).step_by(S::LANES) {
                sink.take(at + 16 * half + i, S::mul(S::load_i8(values[i..].as_ptr()), scale));
            }
        }
    }
}

impl BlockFormat for Iq4Nl {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        unsafe { looked_up(array::<16>(bytes, 2), half_at::<S>(bytes, 0), 0, sink) }
    }
}

impl BlockFormat for Iq4Xs {
    const LEN: usize = 256;
    const BYTES: usize = 136;
    #[inline(always)]
    unsafe fn widen<S: Simd>(bytes: &[u8], sink: &mut impl VectorSink<S>) {
        let all = unsafe { half_at::<S>(bytes, 0) };
        // Of each run's scale, two high bits in one word, and four low ones in a nibble.
        let (high, low) = (u16::from_le_bytes(*array::<2>(bytes, 2)), array::<4>(bytes, 4));
        for run in 0..8 {
            let nibble = (low[run / 2] >> (4 * (run % 2))) & 15;
            let pair = (high >> (2 * run)) as u8 & 3;
            let scale = all * (f32::from(nibble | pair << 4) - 32.0);
            unsafe { looked_up(array::<16>(bytes, 8 + 16 * run), scale, 32 * run, sink) }
        }
    }
}
