//! Products of many rows with stored matrix rows in 8 bits: prefill's kernel where some accuracy
//! may be given for speed.
//!
//! ```text
//! for each R matrix rows, for each group of 32 columns:
//!     sums[R][2] = what takes the inputs' 128 off (32-bit integers)
//!     for each four columns: for each of R rows:
//!         sums[row] += four bytes of the row (broadcast) . four bytes of each token
//!     out[R][2 vectors of tokens] += sums * the row's scale * the tokens' scales
//! ```
//!
//! The layout is that of [`super::tile`] with four columns in each lane. Inputs and matrix rows are
//! scaled in groups of [`GROUP`] columns. Inputs are unsigned, their 0 at 128, and take the range
//! of 8 bits; matrix rows are signed and take that of 7, so that two products always fit the 16
//! bits in which AVX2 adds them. What the inputs' 128 adds to a sum is known, and taken from its
//! start.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::byte_dot::ByteDot;
use super::rows::ROUND;
use minference_attention::cpu::simd::Simd;

/// Columns that share a scale.
pub(crate) const GROUP: usize = 32;
/// Columns in one lane.
const STEP: usize = 4;
/// The inputs' 0.
const ZERO: i32 = 128;
/// Largest magnitudes.
const MOST_INPUT: f32 = 127.0;
const MOST_WEIGHT: f32 = 63.0;

/// Numbers of one scale.
struct Quantised {
    quants: [i8; GROUP],
    scale: f32,
}

/// Rounds at most [`GROUP`] numbers, those that are missing being 0. What is not finite makes the
/// scale so.
#[inline(always)]
fn quantise(numbers: &[f32], most: f32) -> Quantised {
    let mut group = [0.0f32; GROUP];
    group[..numbers.len()].copy_from_slice(numbers);
    // Magnitudes of floating-point numbers are ordered as their bits are, NaN above all.
    let largest = group.iter().map(|x| x.to_bits() & 0x7fff_ffff).fold(0, u32::max);
    let largest = f32::from_bits(largest);
    // Subnormal magnitudes, whose inverse may be infinite, are 0 here.
    let inverse = if largest >= f32::MIN_POSITIVE * 1024.0 { most / largest } else { 0.0 };
    let quants = group.map(|x| ((x * inverse + ROUND).to_bits() as u8).cast_signed());
    Quantised { quants, scale: largest / most }
}

/// Matrix rows in 8 bits, `[rows][groups]`.
#[derive(Debug, Default)]
pub(crate) struct QuantisedRows {
    groups: usize,
    quants: Vec<[i8; GROUP]>,
    scales: Vec<f32>,
    /// Where sums start, so that the inputs' 128 doesn't count.
    starts: Vec<i32>,
}

/// A block of inputs in 8 bits: quants `[columns / 4][lanes][4]`, scales `[groups][lanes]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuantisedBlock<'a> {
    pub(crate) quants: &'a [u8],
    pub(crate) scales: &'a [f32],
}

/// Quantises `rows` matrix rows, `[rows][columns]`.
#[inline(always)]
pub(super) fn quantise_rows(widened: &[f32], columns: usize, out: &mut QuantisedRows) {
    out.groups = columns.div_ceil(GROUP);
    out.quants.clear();
    out.scales.clear();
    out.starts.clear();
    for row in widened.chunks_exact(columns) {
        for numbers in row.chunks(GROUP) {
            let Quantised { quants, scale } = quantise(numbers, MOST_WEIGHT);
            out.starts.push(-ZERO * quants.iter().map(|&x| i32::from(x)).sum::<i32>());
            out.quants.push(quants);
            out.scales.push(scale);
        }
    }
}

/// Quantises inputs, `[tokens][columns]`, at most `lanes` of them; tokens that are missing become
/// 0.
#[inline(always)]
pub(super) fn pack(rows: &[f32], columns: usize, lanes: usize, quants: &mut [u8], scales: &mut [f32]) {
    let groups = columns.div_ceil(GROUP);
    assert!(quants.len() == groups * GROUP * lanes && scales.len() == groups * lanes);
    assert!(rows.len() <= lanes * columns && rows.len().is_multiple_of(columns));
    if rows.len() < lanes * columns {
        scales.fill(0.0);
    }
    for (token, row) in rows.chunks_exact(columns).enumerate() {
        for (group, numbers) in row.chunks(GROUP).enumerate() {
            let rounded = quantise(numbers, MOST_INPUT);
            scales[group * lanes + token] = rounded.scale;
            let bytes = rounded.quants.map(|x| x.cast_unsigned().wrapping_add(ZERO as u8));
            let places = quants[group * GROUP * lanes..][..GROUP * lanes].chunks_exact_mut(STEP * lanes);
            for (place, four) in places.zip(bytes.as_chunks::<STEP>().0) {
                place[STEP * token..STEP * (token + 1)].copy_from_slice(four);
            }
        }
    }
}

/// The first bytes of a slice, four in each lane.
#[inline(always)]
unsafe fn load_bytes<S: Simd>(from: &[u8]) -> S::Word {
    debug_assert!(from.len() >= STEP * S::LANES);
    unsafe { S::load_words(from.as_ptr().cast()) }
}

/// Adds products of matrix rows, a multiple of `R` of them, with a block of inputs to `out`,
/// `[rows][2 S::LANES]`.
#[inline(always)]
pub(super) unsafe fn multiply_block<S: Simd, D: ByteDot<S>, const R: usize>(
    rows: &QuantisedRows,
    inputs: QuantisedBlock<'_>,
    out: &mut [f32],
) {
    let lanes = 2 * S::LANES;
    let groups = rows.groups;
    assert_eq!((inputs.quants.len(), inputs.scales.len()), (groups * GROUP * lanes, groups * lanes));
    assert_eq!(rows.quants.len() * lanes, out.len() * groups);
    let parts = rows
        .quants
        .chunks_exact(R * groups)
        .zip(rows.scales.chunks_exact(R * groups).zip(rows.starts.chunks_exact(R * groups)));
    for ((quants, (scales, starts)), out) in parts.zip(out.chunks_exact_mut(R * lanes)) {
        for (group, (tokens, token_scales)) in
            inputs.quants.chunks_exact(GROUP * lanes).zip(inputs.scales.chunks_exact(lanes)).enumerate()
        {
            let at = |row: usize| row * groups + group;
            unsafe {
                let mut sums = [[S::splat_int(0); 2]; R];
                for (row, sums) in sums.iter_mut().enumerate() {
                    *sums = [S::splat_int(starts[at(row)]); 2];
                }
                for (step, tokens) in tokens.chunks_exact(STEP * lanes).enumerate() {
                    let [first, second] =
                        [load_bytes::<S>(tokens), load_bytes::<S>(&tokens[STEP * lanes / 2..])];
                    for (row, [a, b]) in sums.iter_mut().enumerate() {
                        let four = quants[at(row)].as_ptr().add(STEP * step).cast::<i32>().read_unaligned();
                        *a = D::accumulate(*a, first, four);
                        *b = D::accumulate(*b, second, four);
                    }
                }
                let half = S::LANES;
                let (first, second) = (S::load_slice(token_scales), S::load_slice(&token_scales[half..]));
                for (row, ([a, b], out)) in sums.into_iter().zip(out.chunks_exact_mut(lanes)).enumerate() {
                    let scale = S::splat(scales[at(row)]);
                    let (low, high) = out.split_at_mut(half);
                    let sum = S::mul_add(S::ints_to_floats(a), S::mul(scale, first), S::load_slice(low));
                    S::store_slice(low, sum);
                    let sum = S::mul_add(S::ints_to_floats(b), S::mul(scale, second), S::load_slice(high));
                    S::store_slice(high, sum);
                }
            }
        }
    }
}
