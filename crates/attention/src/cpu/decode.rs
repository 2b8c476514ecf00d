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
/// Rows of values that are summed in registers.
const VALUE_ROWS: usize = 4;
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
    let mut maxima = vec![f32::NEG_INFINITY; group];
    let mut sums = vec![0.0f32; group];
    let mut output = vec![0.0f32; group * padded_dim];
    let mut probabilities = vec![0.0f32; group * STEP];
    let mut finite = true;
    for start in keys.clone().step_by(STEP) {
        let count = STEP.min(keys.end - start);
        for key in 0..count {
            unsafe {
                let row = k.as_ptr().add((start + key) * k_stride);
                for (head, query) in queries.chunks_exact(padded_dim).enumerate() {
                    let mut sum = S::splat(0.0);
                    for d in (0..head_dim).step_by(S::LANES) {
                        let key = load_some::<S, T>(row.add(d), head_dim - d);
                        sum = S::mul_add(key, S::load(query.as_ptr().add(d)), sum);
                    }
                    probabilities[head * STEP + key] = S::sum_lanes(sum);
                }
            }
        }
        for head in 0..group {
            let scores = &mut probabilities[head * STEP..][..STEP];
            finite &= scores[..count].iter().map(|x| x.abs()).sum::<f32>().is_finite();
            let maximum = scores[..count].iter().fold(maxima[head], |a, &b| a.max(b));
            let factor = (maxima[head] - maximum).exp2();
            maxima[head] = maximum;
            sums[head] *= factor;
            let output = &mut output[head * padded_dim..][..padded_dim];
            if factor != 1.0 {
                output.iter_mut().for_each(|x| *x *= factor);
            }
            scores[count..].fill(f32::NEG_INFINITY);
            unsafe {
                let mut sum = S::splat(0.0);
                for scores in scores.chunks_exact_mut(S::LANES) {
                    let x = S::add(S::load(scores.as_ptr()), S::splat(-maximum));
                    let p = exp2::<S>(x);
                    sum = S::add(sum, p);
                    S::store(scores.as_mut_ptr(), p);
                }
                sums[head] += S::sum_lanes(sum);
                for first in (0..count).step_by(VALUE_ROWS) {
                    let rows = VALUE_ROWS.min(count - first);
                    let values = v.as_ptr().add((start + first) * v_stride);
                    for d in (0..head_dim).step_by(S::LANES) {
                        let at = output.as_mut_ptr().add(d);
                        let mut sum = S::load(at);
                        for r in 0..rows {
                            let value = load_some::<S, T>(values.add(r * v_stride + d), head_dim - d);
                            sum = S::mul_add(value, S::splat(scores[first + r]), sum);
                        }
                        S::store(at, sum);
                    }
                }
            }
        }
    }
    let output = output.chunks_exact(padded_dim).flat_map(|row| &row[..head_dim]).copied().collect();
    PartialOutput { maxima, sums, output, finite }
}
