//! Attention of a single query: the decoding step. It is bound by memory, so it streams keys and values once, as they are
//! stored, for all query heads of a group.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and rows lie within their view.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::simd::{Simd, exp2};
use crate::inputs::AttentionInputs;
use crate::view::Elements;
use half::{bf16, f16};
use std::ops::Range;

/// Keys that one task streams: a fixed number, so that the result does not depend on the number of threads.
pub(crate) const PARTITION: usize = 2048;
/// Keys between two updates of the running maximum.
const STEP: usize = 64;
/// Rows of values that are added at once; divides [`STEP`].
const VALUE_ROWS: usize = 8;
/// Rows that are asked for ahead of their use: hardware does not foresee rows that lie apart, between those of other heads.
const ROWS_AHEAD: usize = 32;
/// Bytes of a cache line.
const CACHE_LINE: usize = 64;
/// Elements of the widest vector.
const MAX_LANES: usize = 16;

/// The decoding step of one layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodeWork<'a> {
    pub(crate) inputs: &'a AttentionInputs<'a>,
}

/// Softmax statistics and output of the query heads of one group, over a part of the keys.
#[derive(Debug, Clone)]
pub(crate) struct PartialOutput {
    /// `[group]`, exponents of two
    pub(crate) maxima: Vec<f32>,
    /// `[group]`
    pub(crate) sums: Vec<f32>,
    /// `[group][head_dim]`, not yet divided by the sums
    pub(crate) output: Vec<f32>,
    /// Whether every score was finite.
    pub(crate) finite: bool,
}

impl PartialOutput {
    /// Joins the parts of two disjoint sets of keys.
    pub(crate) fn merge(&mut self, other: &Self) {
        let head_dim = self.output.len() / self.sums.len();
        for head in 0..self.sums.len() {
            let maximum = self.maxima[head].max(other.maxima[head]);
            let (own, others) = ((self.maxima[head] - maximum).exp2(), (other.maxima[head] - maximum).exp2());
            self.maxima[head] = maximum;
            self.sums[head] = self.sums[head] * own + other.sums[head] * others;
            let range = head * head_dim..(head + 1) * head_dim;
            for (x, y) in self.output[range.clone()].iter_mut().zip(&other.output[range]) {
                *x = *x * own + *y * others;
            }
        }
        self.finite &= other.finite;
    }
}

/// Element types as the kernel loads them.
trait Stored: Copy + Default {
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float;
}
impl Stored for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float {
        unsafe { S::load(from) }
    }
}
impl Stored for f16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float {
        unsafe { S::load_f16(from.cast()) }
    }
}
impl Stored for bf16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::Float {
        unsafe { S::load_bf16(from.cast()) }
    }
}

/// A vector of which only the first `count` elements exist.
#[inline(always)]
unsafe fn load_some<S: Simd, T: Stored>(from: *const T, count: usize) -> S::Float {
    if count >= S::LANES {
        return unsafe { T::load::<S>(from) };
    }
    let mut padded = [T::default(); MAX_LANES];
    for (i, x) in padded.iter_mut().enumerate().take(count) {
        *x = unsafe { from.add(i).read() };
    }
    unsafe { T::load::<S>(padded.as_ptr()) }
}

/// Attends the query heads of `kv_head` to the keys `keys`.
///
/// # Safety
/// The machine has the instruction set; there is one query, and the keys are within the inputs.
#[inline(always)]
pub(crate) unsafe fn decode_partition<S: Simd>(
    work: &DecodeWork<'_>,
    kv_head: usize,
    keys: Range<usize>,
) -> PartialOutput {
    let (k, v) = (work.inputs.k(), work.inputs.v());
    unsafe {
        match (k.head_rows(kv_head), v.head_rows(kv_head)) {
            ((Elements::F32(k), k_stride), (Elements::F32(v), v_stride)) => {
                decode::<S, f32>(work.inputs, kv_head, (k, k_stride), (v, v_stride), keys)
            }
            ((Elements::F16(k), k_stride), (Elements::F16(v), v_stride)) => {
                decode::<S, f16>(work.inputs, kv_head, (k, k_stride), (v, v_stride), keys)
            }
            ((Elements::Bf16(k), k_stride), (Elements::Bf16(v), v_stride)) => {
                decode::<S, bf16>(work.inputs, kv_head, (k, k_stride), (v, v_stride), keys)
            }
            _ => unreachable!("K and V have one element type: AttentionInputs checked it"),
        }
    }
}

#[inline(always)]
unsafe fn decode<S: Simd, T: Stored>(
    inputs: &AttentionInputs<'_>,
    kv_head: usize,
    (k, k_stride): (&[T], usize),
    (v, v_stride): (&[T], usize),
    keys: Range<usize>,
) -> PartialOutput {
    let (head_dim, group) = (inputs.head_dim(), inputs.group_size());
    let padded_dim = head_dim.next_multiple_of(S::LANES);
    let mut queries = vec![0.0f32; group * padded_dim];
    for (i, query) in queries.chunks_exact_mut(padded_dim).enumerate() {
        inputs.q().read_row(0, kv_head * group + i, &mut query[..head_dim]);
        query.iter_mut().for_each(|x| *x *= inputs.factor());
    }
    let mut group_state = Group {
        head_dim,
        padded_dim,
        queries,
        maxima: vec![f32::NEG_INFINITY; group],
        sums: vec![0.0; group],
        output: vec![0.0; group * padded_dim],
        scores: vec![0.0; group * STEP],
        products: vec![0.0; group * S::LANES * S::LANES],
        rows: vec![0.0; VALUE_ROWS * padded_dim],
        finite: true,
    };
    for start in keys.clone().step_by(STEP) {
        let count = STEP.min(keys.end - start);
        unsafe {
            group_state.score_keys::<S, T>(k.as_ptr().add(start * k_stride), k_stride, count);
            group_state.softmax::<S>(count);
            group_state.add_values::<S, T>(v.as_ptr().add(start * v_stride), v_stride, count);
        }
    }
    let Group { maxima, sums, output, finite, .. } = group_state;
    let output = output.chunks_exact(padded_dim).flat_map(|row| &row[..head_dim]).copied().collect();
    PartialOutput { maxima, sums, output, finite }
}

/// The query heads of one group while keys pass by. Rows are padded with zeros to whole vectors.
struct Group {
    head_dim: usize,
    padded_dim: usize,
    /// `[group][padded_dim]`
    queries: Vec<f32>,
    /// `[group]`
    maxima: Vec<f32>,
    /// `[group]`
    sums: Vec<f32>,
    /// `[group][padded_dim]`
    output: Vec<f32>,
    /// Scores, then probabilities: `[group][STEP]`
    scores: Vec<f32>,
    /// Products not yet summed across lanes: `[group][LANES keys][LANES]`
    products: Vec<f32>,
    /// Rows of keys or values as `f32`: `[VALUE_ROWS][padded_dim]`
    rows: Vec<f32>,
    finite: bool,
}

impl Group {
    /// Widens one stored row to `self.rows[slot]`.
    #[inline(always)]
    unsafe fn load_row<S: Simd, T: Stored>(&mut self, from: *const T, stride: usize, slot: usize) {
        let ahead = from.wrapping_add(ROWS_AHEAD.wrapping_mul(stride));
        for line in (0..self.head_dim).step_by(CACHE_LINE / size_of::<T>()) {
            // SAFETY: a prefetch needs no valid address.
            unsafe { S::prefetch(ahead.wrapping_add(line).cast()) };
        }
        let row = &mut self.rows[slot * self.padded_dim..][..self.padded_dim];
        for d in (0..self.padded_dim).step_by(S::LANES) {
            unsafe { S::store(row.as_mut_ptr().add(d), load_some::<S, T>(from.add(d), self.head_dim - d)) };
        }
    }

    /// Scores of `count` keys. Products are summed across lanes for as many keys at once as there are lanes, in a tree.
    #[inline(always)]
    unsafe fn score_keys<S: Simd, T: Stored>(&mut self, keys: *const T, stride: usize, count: usize) {
        for first in (0..count).step_by(S::LANES) {
            let keys_here = S::LANES.min(count - first);
            for key in 0..keys_here {
                unsafe {
                    self.load_row::<S, T>(keys.add((first + key) * stride), stride, 0);
                    let group = self.sums.len();
                    let mut head = 0;
                    while head + 4 <= group {
                        self.multiply::<S, 4>(head, key);
                        head += 4;
                    }
                    // the rest together: their sums are chains that hide each other's latency
                    match group - head {
                        3 => self.multiply::<S, 3>(head, key),
                        2 => self.multiply::<S, 2>(head, key),
                        1 => self.multiply::<S, 1>(head, key),
                        _ => {}
                    }
                }
            }
            let size = S::LANES * S::LANES;
            for (products, scores) in self.products.chunks_exact(size).zip(self.scores.chunks_exact_mut(STEP))
            {
                unsafe { S::store(scores[first..][..S::LANES].as_mut_ptr(), S::sum_rows(products.as_ptr())) };
            }
        }
    }

    /// Products of the row in `self.rows[0]` with `H` queries.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const H: usize>(&mut self, head: usize, key: usize) {
        unsafe {
            let mut sums = [S::splat(0.0); H];
            let queries = self.queries.as_ptr().add(head * self.padded_dim);
            for d in (0..self.padded_dim).step_by(S::LANES) {
                let row = S::load(self.rows.as_ptr().add(d));
                for (h, sum) in sums.iter_mut().enumerate() {
                    *sum = S::mul_add(row, S::load(queries.add(h * self.padded_dim + d)), *sum);
                }
            }
            for (h, sum) in sums.into_iter().enumerate() {
                let at = ((head + h) * S::LANES + key) * S::LANES;
                S::store(self.products[at..][..S::LANES].as_mut_ptr(), sum);
            }
        }
    }

    /// Turns the scores of `count` keys into probabilities, rescaling what was summed under a lower maximum.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&mut self, count: usize) {
        for (head, scores) in self.scores.chunks_exact_mut(STEP).enumerate() {
            self.finite &= scores[..count].iter().map(|x| x.abs()).sum::<f32>().is_finite();
            let maximum = scores[..count].iter().fold(self.maxima[head], |a, &b| a.max(b));
            let factor = (self.maxima[head] - maximum).exp2();
            if factor != 1.0 {
                self.maxima[head] = maximum;
                self.sums[head] *= factor;
                let output = &mut self.output[head * self.padded_dim..][..self.padded_dim];
                output.iter_mut().for_each(|x| *x *= factor);
            }
            scores[count..].fill(f32::NEG_INFINITY);
            unsafe {
                let mut sum = S::splat(0.0);
                for scores in scores.chunks_exact_mut(S::LANES) {
                    let p = exp2::<S>(S::add(S::load(scores.as_ptr()), S::splat(-maximum)));
                    sum = S::add(sum, p);
                    S::store(scores.as_mut_ptr(), p);
                }
                self.sums[head] += S::sum_lanes(sum);
            }
        }
    }

    /// Adds the values of `count` keys, weighted by their probabilities.
    #[inline(always)]
    unsafe fn add_values<S: Simd, T: Stored>(&mut self, values: *const T, stride: usize, count: usize) {
        for first in (0..count).step_by(VALUE_ROWS) {
            let rows = VALUE_ROWS.min(count - first);
            for r in 0..rows {
                unsafe { self.load_row::<S, T>(values.add((first + r) * stride), stride, r) };
            }
            if rows < VALUE_ROWS {
                // their probabilities are next to nothing, but what they multiply must be finite
                self.rows[rows * self.padded_dim..].fill(0.0);
            }
            for d in (0..self.padded_dim).step_by(S::LANES) {
                unsafe {
                    let mut row = [S::splat(0.0); VALUE_ROWS];
                    for (r, row) in row.iter_mut().enumerate() {
                        *row = S::load(self.rows.as_ptr().add(r * self.padded_dim + d));
                    }
                    for (head, p) in self.scores.chunks_exact(STEP).enumerate() {
                        let at = self.output.as_mut_ptr().add(head * self.padded_dim + d);
                        let mut sum = S::load(at);
                        for (row, &p) in row.iter().zip(&p[first..first + VALUE_ROWS]) {
                            sum = S::mul_add(*row, S::splat(p), sum);
                        }
                        S::store(at, sum);
                    }
                }
            }
        }
    }
}
