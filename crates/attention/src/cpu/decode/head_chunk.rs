//! The decoding kernel: some query heads of one group while keys and values pass by.
//!
//! ```text
//! for each step of 32 keys:
//!     for as many keys as share a vector with all heads:
//!         products[key, head] += key's vector . query's vector, along head_dim
//!         scores[key, head]    = sums of the lanes of products (one tree of shuffles)
//!     maximum[head] = max(maximum, scores); where it rose, rescale sums and output
//!     scores = 2^(scores - maximum); sums += scores
//!     for each V vectors of head_dim, for each key: output[head] += scores[key, head] . value's vectors
//! ```
//!
//! Query heads and keys share the lanes of a vector: lane `key * width + head`, where `width` is
//! the number of heads rounded up to a power of two. One vector holds the scores of `LANES / width`
//! keys, so that softmax needs no sums across lanes, and the products of as many keys with all
//! heads fill [`Simd::LANES`] registers, which one tree of shuffles sums. A row is loaded and
//! widened once for all heads, and never stored.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and rows
// lie within their view.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::streamed_rows::{STEP, StreamedRows};
use crate::cpu::simd::{MAX_LANES, Simd, exp2};
use crate::cpu::stored::{Stored, load_some};

/// Most query heads that share a pass over the keys.
const MAX_HEADS: usize = 8;
/// Query heads that share a pass over the keys, with an instruction set.
pub(super) fn most_heads<S: Simd>() -> usize {
    MAX_HEADS.min(S::LANES)
}

/// The state of at most [`most_heads`] query heads of one group.
pub(super) struct HeadChunk {
    head_dim: usize,
    /// `head_dim` in whole vectors
    padded_dim: usize,
    heads: usize,
    /// `[heads][padded_dim]`, scaled, padded with zeros
    queries: Vec<f32>,
    /// `[STEP][width]`: scores, then probabilities
    scores: [f32; STEP * MAX_HEADS],
    /// `[heads]`
    pub(super) maxima: [f32; MAX_HEADS],
    /// By lane; those of a head are added up in the end.
    lane_sums: [f32; MAX_LANES],
    /// By lane: zero, or NaN as soon as a score was not finite.
    lane_faults: [f32; MAX_LANES],
    /// `[heads][padded_dim]`
    output: Vec<f32>,
}

impl HeadChunk {
    /// `queries` is `[heads][head_dim]`, scaled.
    pub(super) fn new<S: Simd>(queries: &[f32], head_dim: usize) -> Self {
        let heads = queries.len() / head_dim;
        assert!(heads <= most_heads::<S>());
        let padded_dim = head_dim.next_multiple_of(S::LANES);
        let mut padded = vec![0.0; heads * padded_dim];
        for (to, from) in padded.chunks_exact_mut(padded_dim).zip(queries.chunks_exact(head_dim)) {
            to[..head_dim].copy_from_slice(from);
        }
        Self {
            head_dim,
            padded_dim,
            heads,
            queries: padded,
            scores: [0.0; STEP * MAX_HEADS],
            maxima: [f32::NEG_INFINITY; MAX_HEADS],
            lane_sums: [0.0; MAX_LANES],
            lane_faults: [0.0; MAX_LANES],
            output: vec![0.0; heads * padded_dim],
        }
    }

    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    pub(super) fn sum(&self, head: usize) -> f32 {
        self.lane_sums.iter().skip(head).step_by(self.heads.next_power_of_two()).sum()
    }

    pub(super) fn output(&self, head: usize) -> &[f32] {
        &self.output[head * self.padded_dim..][..self.head_dim]
    }

    /// Whether every score was finite.
    pub(super) fn finite(&self) -> bool {
        self.lane_faults.iter().all(|&fault| fault == 0.0)
    }

    /// Attends to at most [`STEP`] keys. `V` is the number of vectors of a value row that are added
    /// up at once.
    #[inline(always)]
    pub(super) unsafe fn attend<S: Simd, T: Stored, const V: usize>(
        &mut self,
        keys: StreamedRows<T>,
        values: StreamedRows<T>,
    ) {
        unsafe {
            match self.heads {
                1 => self.attend_heads::<S, T, V, 1>(keys, values),
                2 => self.attend_heads::<S, T, V, 2>(keys, values),
                3 => self.attend_heads::<S, T, V, 3>(keys, values),
                4 => self.attend_heads::<S, T, V, 4>(keys, values),
                5 => self.attend_heads::<S, T, V, 5>(keys, values),
                6 => self.attend_heads::<S, T, V, 6>(keys, values),
                7 => self.attend_heads::<S, T, V, 7>(keys, values),
                _ => self.attend_heads::<S, T, V, MAX_HEADS>(keys, values),
            }
        }
    }

    #[inline(always)]
    unsafe fn attend_heads<S: Simd, T: Stored, const V: usize, const H: usize>(
        &mut self,
        keys: StreamedRows<T>,
        values: StreamedRows<T>,
    ) {
        unsafe {
            if self.head_dim.is_multiple_of(S::LANES) {
                self.score_keys::<S, T, H, false>(keys, values);
            } else {
                self.score_keys::<S, T, H, true>(keys, values);
            }
            self.softmax::<S, H>(keys.count);
            let (lanes, mut d) = (S::LANES, 0);
            while d + V * lanes <= self.head_dim {
                self.add_values::<S, T, V, H, false>(values, d);
                d += V * lanes;
            }
            while d + lanes <= self.head_dim {
                self.add_values::<S, T, 1, H, false>(values, d);
                d += lanes;
            }
            if d < self.head_dim {
                self.add_values::<S, T, 1, H, true>(values, d);
            }
        }
    }

    /// Scores of the keys. `PART`: of the last vector of a row only a part exists.
    #[inline(always)]
    unsafe fn score_keys<S: Simd, T: Stored, const H: usize, const PART: bool>(
        &mut self,
        keys: StreamedRows<T>,
        values: StreamedRows<T>,
    ) {
        let (width, whole) = (H.next_power_of_two(), self.head_dim / S::LANES * S::LANES);
        let keys_at_once = S::LANES / width;
        unsafe {
            let mut faults = S::load(self.lane_faults.as_ptr());
            for first in (0..keys.count).step_by(keys_at_once) {
                let mut products = [S::splat(0.0); MAX_LANES];
                let mut rows = [keys.first; MAX_LANES];
                for (i, row) in rows.iter_mut().enumerate().take(keys_at_once) {
                    // The last key again where there are no more: its scores are masked below.
                    *row = keys.row((first + i).min(keys.count - 1));
                    keys.prefetch::<S>(first + i);
                    values.prefetch::<S>(first + i);
                }
                for d in (0..whole).step_by(S::LANES) {
                    for (i, row) in rows.iter().enumerate().take(keys_at_once) {
                        let row = T::load::<S>(row.add(d));
                        self.multiply::<S, H>(d, row, &mut products, i * width);
                    }
                }
                if PART {
                    for (i, row) in rows.iter().enumerate().take(keys_at_once) {
                        let row = load_some::<S, T>(row.add(whole), self.head_dim - whole);
                        self.multiply::<S, H>(whole, row, &mut products, i * width);
                    }
                }
                let scores = S::sum_rows(&products);
                faults = S::mul_add(scores, S::splat(0.0), faults);
                S::store(self.scores[first * width..][..S::LANES].as_mut_ptr(), scores);
            }
            S::store(self.lane_faults.as_mut_ptr(), faults);
        }
        // What softmax reads beyond the last key.
        let used = (keys.count * width).next_multiple_of(S::LANES);
        self.scores[keys.count * width..used].fill(f32::NEG_INFINITY);
    }

    /// Adds the products of a vector of a key, from element `d`, with the queries of all heads.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const H: usize>(
        &self,
        d: usize,
        row: S::Float,
        products: &mut [S::Float; MAX_LANES],
        first: usize,
    ) {
        for h in 0..H {
            unsafe {
                let query = S::load(self.queries.as_ptr().add(h * self.padded_dim + d));
                products[first + h] = S::mul_add(row, query, products[first + h]);
            }
        }
    }

    /// Turns the scores of `count` keys into probabilities, rescaling what was summed under a lower
    /// maximum.
    #[inline(always)]
    unsafe fn softmax<S: Simd, const H: usize>(&mut self, count: usize) {
        let width = H.next_power_of_two();
        let used = (count * width).next_multiple_of(S::LANES);
        let mut maxima = [f32::NEG_INFINITY; MAX_LANES];
        unsafe {
            let mut maximum = S::load(maxima.as_ptr());
            for scores in self.scores[..used].chunks_exact(S::LANES) {
                maximum = S::max(S::load(scores.as_ptr()), maximum);
            }
            S::store(maxima.as_mut_ptr(), maximum);
        }
        for h in 0..H {
            let maximum = maxima.iter().skip(h).step_by(width).fold(self.maxima[h], |a, &b| a.max(b));
            if maximum > self.maxima[h] {
                let factor = (self.maxima[h] - maximum).exp2();
                self.maxima[h] = maximum;
                self.lane_sums.iter_mut().skip(h).step_by(width).for_each(|x| *x *= factor);
                self.output[h * self.padded_dim..][..self.padded_dim].iter_mut().for_each(|x| *x *= factor);
            }
        }
        // Lanes without a head have scores of zero, and get probabilities that are not read.
        for (lane, maximum) in maxima.iter_mut().enumerate() {
            *maximum = if lane % width < H { -self.maxima[lane % width] } else { 0.0 };
        }
        unsafe {
            let (minus_maximum, mut sums) = (S::load(maxima.as_ptr()), S::load(self.lane_sums.as_ptr()));
            for scores in self.scores[..used].chunks_exact_mut(S::LANES) {
                let p = exp2::<S>(S::add(S::load(scores.as_ptr()), minus_maximum));
                sums = S::add(sums, p);
                S::store(scores.as_mut_ptr(), p);
            }
            S::store(self.lane_sums.as_mut_ptr(), sums);
        }
    }

    /// Adds `V` vectors of each value from element `d`, weighted by their probabilities. `PART`: of
    /// the last one only a part exists.
    #[inline(always)]
    unsafe fn add_values<S: Simd, T: Stored, const V: usize, const H: usize, const PART: bool>(
        &mut self,
        values: StreamedRows<T>,
        d: usize,
    ) {
        let width = H.next_power_of_two();
        unsafe {
            let output = self.output.as_mut_ptr().add(d);
            let mut sums = [[S::splat(0.0); V]; H];
            for (h, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(output.add(h * self.padded_dim + v * S::LANES));
                }
            }
            for key in 0..values.count {
                let row = values.row(key).add(d);
                let mut vectors = [S::splat(0.0); V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    let from = row.add(v * S::LANES);
                    *vector =
                        if PART { load_some::<S, T>(from, self.head_dim - d) } else { T::load::<S>(from) };
                }
                let probabilities = self.scores.as_ptr().add(key * width);
                for (h, sums) in sums.iter_mut().enumerate() {
                    let p = S::splat(probabilities.add(h).read());
                    for (sum, vector) in sums.iter_mut().zip(vectors) {
                        *sum = S::mul_add(vector, p, *sum);
                    }
                }
            }
            for (h, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    S::store(output.add(h * self.padded_dim + v * S::LANES), sum);
                }
            }
        }
    }
}
