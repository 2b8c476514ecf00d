//! Products of many rows with stored matrix rows: prefill's kernel.
//!
//! Tokens lie in the lanes, as in the attention kernel: inputs are packed once into blocks of [`Vector::LEN`] x 2 tokens, column by
//! column, so that a widened matrix row is a list of numbers to broadcast, and nothing is transposed but the result. A register
//! tile is `R` matrix rows by two vectors of tokens; a block of [`BLOCK_ROWS`] matrix rows is widened once for many tokens, and stays in
//! the second-level cache with them.

// SAFETY: one contract for the unsafe functions here: the machine has the vectors' instruction set. Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::vector::Vector;

/// Matrix rows that are widened at once; a multiple of every tile's rows.
pub(crate) const BLOCK_ROWS: usize = 96;
/// Columns that are multiplied at once: a multiple of every format's block, so few that widened rows stay in the cache.
pub(crate) const BLOCK_COLUMNS: usize = 512;

/// Packs rows, `[tokens][columns]`, at most `2 V::LEN` of them, into `[columns][2 V::LEN]`; tokens that are missing become 0.
#[inline(always)]
pub(super) unsafe fn pack<V: Vector>(rows: &[f32], columns: usize, packed: &mut [f32]) {
    let lanes = 2 * V::LEN;
    assert_eq!(packed.len(), lanes * columns);
    if rows.len() < lanes * columns {
        packed.fill(0.0);
    }
    // A few columns at a time, so that both sides stay in the nearest cache.
    const RUN: usize = 64;
    for start in (0..columns).step_by(RUN) {
        let end = columns.min(start + RUN);
        for (token, row) in rows.chunks_exact(columns).enumerate() {
            for (column, x) in row[start..end].iter().enumerate() {
                packed[(start + column) * lanes + token] = *x;
            }
        }
    }
}

/// Adds products of widened matrix rows, `[rows][columns]`, a multiple of `R` of them, with a block of packed tokens, of which
/// `packed` holds these columns, to `out`, `[rows][2 V::LEN]`.
#[inline(always)]
pub(super) unsafe fn multiply_block<V: Vector, const R: usize>(
    widened: &[f32],
    columns: usize,
    packed: &[f32],
    out: &mut [f32],
) {
    assert_eq!(packed.len(), 2 * V::LEN * columns);
    assert_eq!(widened.len() / columns * 2 * V::LEN, out.len());
    for (rows, out) in widened.chunks_exact(R * columns).zip(out.chunks_exact_mut(R * 2 * V::LEN)) {
        unsafe { tile::<V, R>(rows, columns, packed, out) };
    }
}

/// One register tile.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize>(rows: &[f32], columns: usize, packed: &[f32], out: &mut [f32]) {
    unsafe {
        let mut sums = [[V::splat(0.0); 2]; R];
        for ([a, b], out) in sums.iter_mut().zip(out.chunks_exact(2 * V::LEN)) {
            (*a, *b) = (V::load(out), V::load(&out[V::LEN..]));
        }
        let rows = rows.as_ptr();
        for (column, tokens) in packed.chunks_exact(2 * V::LEN).enumerate() {
            let (first, second) = (V::load(tokens), V::load(&tokens[V::LEN..]));
            for (row, [a, b]) in sums.iter_mut().enumerate() {
                // within `rows`: `R` rows of `columns` elements, as many as `packed` has
                let x = V::splat(*rows.add(row * columns + column));
                *a = x.mul_add(first, *a);
                *b = x.mul_add(second, *b);
            }
        }
        for ([a, b], out) in sums.into_iter().zip(out.chunks_exact_mut(2 * V::LEN)) {
            a.store(out);
            b.store(&mut out[V::LEN..]);
        }
    }
}
