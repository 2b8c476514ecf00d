//! Products of many rows with stored matrix rows: prefill's kernel.
//!
//! ```text
//! pack:           tokens[token][column] -> packed[column][lane], for 2 vectors of tokens
//! multiply_block: for each 128 columns, for each R matrix rows (widened):
//!                     sums[R][2] = out[R][2 vectors of tokens]
//!                     for each column: for each of R rows:
//!                         sums[row] += widened[row][column] (broadcast) . packed[column]
//!                     out = sums
//! unpack:         out[row][lane] -> products[token][row], stored or added
//! ```
//!
//! Tokens lie in the lanes, as in the attention kernel: inputs are packed once into blocks of
//! [`Simd::LANES`] x 2 tokens, column by column, so that a widened matrix row is a list of numbers
//! to broadcast; only inputs and results are transposed, in registers. A register tile is `R`
//! matrix rows by two vectors of tokens; a block of [`BLOCK_ROWS`] matrix rows is widened once for
//! many tokens, and stays in the second-level cache with them.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set.
// Lengths are checked.
#![allow(clippy::undocumented_unsafe_blocks)]

use minference_attention::cpu::simd::Simd;
use std::marker::PhantomData;

/// Matrix rows that are widened at once; a multiple of every tile's rows.
pub(crate) const BLOCK_ROWS: usize = 96;
/// Columns that are multiplied at once: a multiple of every format's block, so few that a block of
/// tokens and a tile's rows stay in the first-level cache.
pub(crate) const BLOCK_COLUMNS: usize = 256;
/// Rows and columns that are transposed in registers at once.
const SQUARE: usize = 8;

/// Packs rows, `[tokens][columns]`, at most `2 S::LANES` of them, into `[columns][2 S::LANES]`;
/// tokens that are missing become 0.
#[inline(always)]
pub(super) unsafe fn pack<S: Simd>(rows: &[f32], columns: usize, packed: &mut [f32]) {
    let lanes = 2 * S::LANES;
    assert_eq!(packed.len(), lanes * columns);
    assert!(rows.len() <= packed.len() && rows.len().is_multiple_of(columns));
    if rows.len() < packed.len() {
        packed.fill(0.0);
    }
    let tokens = rows.len() / columns;
    let (whole_tokens, whole_columns) = (tokens / SQUARE * SQUARE, columns / SQUARE * SQUARE);
    for column in (0..whole_columns).step_by(SQUARE) {
        for token in (0..whole_tokens).step_by(SQUARE) {
            // Within both: whole squares of `tokens` x `columns`.
            unsafe {
                let (from, to) = (rows.as_ptr().add(token * columns + column), packed.as_mut_ptr());
                S::transpose::<false>(from, columns, to.add(column * lanes + token), lanes);
            }
        }
    }
    for (token, row) in rows.chunks_exact(columns).enumerate() {
        let done = if token < whole_tokens { whole_columns } else { 0 };
        for (column, x) in row.iter().enumerate().skip(done) {
            packed[column * lanes + token] = *x;
        }
    }
}

/// Where products of a block go: some elements of some rows, which it alone may write.
pub(crate) struct OutBlock<'a> {
    data: *mut f32,
    stride: usize,
    tokens: usize,
    rows: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

impl OutBlock<'_> {
    /// `tokens` rows of `rows` elements each, one for each matrix row; they begin `stride` elements
    /// apart, the first one at `data`.
    ///
    /// # Safety
    /// All of it may be read and written, by this block alone, as long as it lives.
    pub(crate) unsafe fn new(data: *mut f32, stride: usize, tokens: usize, rows: usize) -> Self {
        Self { data, stride, tokens, rows, borrow: PhantomData }
    }
}

/// Stores products, or adds them to what is there; `products` is `[at least out.rows][2 S::LANES]`.
#[inline(always)]
pub(super) unsafe fn unpack<S: Simd, const ADD: bool>(products: &[f32], out: &mut OutBlock<'_>) {
    let lanes = 2 * S::LANES;
    assert!(products.len() >= out.rows * lanes && out.tokens <= lanes);
    let (whole_rows, whole_tokens) = (out.rows / SQUARE * SQUARE, out.tokens / SQUARE * SQUARE);
    for token in (0..whole_tokens).step_by(SQUARE) {
        for row in (0..whole_rows).step_by(SQUARE) {
            // Within both: whole squares of `rows` x `tokens`.
            unsafe {
                let from = products.as_ptr().add(row * lanes + token);
                S::transpose::<ADD>(from, lanes, out.data.add(token * out.stride + row), out.stride);
            }
        }
    }
    for token in 0..out.tokens {
        let done = if token < whole_tokens { whole_rows } else { 0 };
        for row in done..out.rows {
            // Within the block.
            let place = unsafe { &mut *out.data.add(token * out.stride + row) };
            let product = products[row * lanes + token];
            *place = if ADD { *place + product } else { product };
        }
    }
}

/// Columns that a tile multiplies at once: so few that their tokens stay in the first-level cache
/// from tile to tile, even where another thread shares it.
const TILE_COLUMNS: usize = 128;

/// Adds products of widened matrix rows, `[rows][columns]`, a multiple of `R` of them, with a block
/// of packed tokens, of which `packed` holds these columns, to `out`, `[rows][2 S::LANES]`.
#[inline(always)]
pub(super) unsafe fn multiply_block<S: Simd, const R: usize>(
    widened: &[f32],
    columns: usize,
    packed: &[f32],
    out: &mut [f32],
) {
    assert_eq!(packed.len(), 2 * S::LANES * columns);
    assert_eq!(widened.len() / columns * 2 * S::LANES, out.len());
    for (part, packed) in packed.chunks(TILE_COLUMNS * 2 * S::LANES).enumerate() {
        for (rows, out) in widened.chunks_exact(R * columns).zip(out.chunks_exact_mut(R * 2 * S::LANES)) {
            unsafe { tile::<S, R>(&rows[part * TILE_COLUMNS..], columns, packed, out) };
        }
    }
}

/// One register tile: the first columns of some rows, which begin `stride` apart.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize>(rows: &[f32], stride: usize, packed: &[f32], out: &mut [f32]) {
    unsafe {
        let mut sums = [[S::splat(0.0); 2]; R];
        for ([a, b], out) in sums.iter_mut().zip(out.chunks_exact(2 * S::LANES)) {
            (*a, *b) = (S::load_slice(out), S::load_slice(&out[S::LANES..]));
        }
        let rows = rows.as_ptr();
        for (column, tokens) in packed.chunks_exact(2 * S::LANES).enumerate() {
            let (first, second) = (S::load_slice(tokens), S::load_slice(&tokens[S::LANES..]));
            for (row, [a, b]) in sums.iter_mut().enumerate() {
                // Within `rows`: as many columns of `R` rows as `packed` has.
                let x = S::splat(*rows.add(row * stride + column));
                *a = S::mul_add(x, first, *a);
                *b = S::mul_add(x, second, *b);
            }
        }
        for ([a, b], out) in sums.into_iter().zip(out.chunks_exact_mut(2 * S::LANES)) {
            S::store_slice(out, a);
            S::store_slice(&mut out[S::LANES..], b);
        }
    }
}
