//! Attention of a single query: the decoding step. It is bound by memory, so it streams keys and
//! values once, as they are stored, for all query heads of a group; codes of 8 and 4 bits are
//! unpacked on the way.

// SAFETY: one contract for the unsafe functions here: the machine has the instruction set, and rows
// lie within their view.
#![allow(clippy::undocumented_unsafe_blocks)]

mod head_chunk;
mod step_rows;
mod streamed_rows;

use super::simd::Simd;
use crate::element::ElementType;
use crate::inputs::AttentionInputs;
use half::{bf16, f16};
use head_chunk::{HeadChunk, most_heads};
use std::ops::Range;
use step_rows::{InPlace, StepRows, Unpacked};
use streamed_rows::STEP;

/// Keys that one task streams: a fixed number, so that the result does not depend on the number of
/// threads.
pub(crate) const PARTITION: usize = 1024;

/// Softmax statistics and output of all query heads, over a part of the keys.
#[derive(Debug, Clone)]
pub(crate) struct PartialOutput {
    /// `[heads]`, exponents of two
    pub(crate) maxima: Vec<f32>,
    /// `[heads]`
    pub(crate) sums: Vec<f32>,
    /// `[heads][head_dim]`, not yet divided by the sums
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

/// Attends all query heads to the keys `keys`, `V` vectors of a value row at once.
///
/// # Safety
/// The machine has the instruction set; there is one query, and the keys are within the inputs.
#[inline(always)]
pub(crate) unsafe fn decode_partition<S: Simd, const V: usize>(
    inputs: &AttentionInputs<'_>,
    keys: Range<usize>,
) -> PartialOutput {
    let (k, v) = (inputs.k(), inputs.v());
    unsafe {
        match (k.plain(), v.plain()) {
            (Some(plain_k), Some(plain_v)) => match k.element_type() {
                ElementType::F32 => decode::<S, InPlace<'_, f32>, V>(
                    inputs,
                    keys,
                    InPlace::new(plain_k),
                    InPlace::new(plain_v),
                ),
                ElementType::F16 => decode::<S, InPlace<'_, f16>, V>(
                    inputs,
                    keys,
                    InPlace::new(plain_k),
                    InPlace::new(plain_v),
                ),
                ElementType::Bf16 => decode::<S, InPlace<'_, bf16>, V>(
                    inputs,
                    keys,
                    InPlace::new(plain_k),
                    InPlace::new(plain_v),
                ),
            },
            _ => decode::<S, Unpacked<'_>, V>(inputs, keys, Unpacked::new(k), Unpacked::new(v)),
        }
    }
}

#[inline(always)]
unsafe fn decode<S: Simd, R: StepRows, const V: usize>(
    inputs: &AttentionInputs<'_>,
    keys: Range<usize>,
    mut key_rows: R,
    mut value_rows: R,
) -> PartialOutput {
    let (head_dim, group) = (inputs.head_dim(), inputs.group_size());
    let mut chunks = Vec::new();
    for kv_head in 0..inputs.kv_heads() {
        let mut queries = vec![0.0f32; group * head_dim];
        for (i, query) in queries.chunks_exact_mut(head_dim).enumerate() {
            inputs.q().read_row(0, kv_head * group + i, query);
            query.iter_mut().for_each(|x| *x *= inputs.factor());
        }
        for queries in queries.chunks(most_heads::<S>() * head_dim) {
            chunks.push((kv_head, HeadChunk::new::<S>(queries, head_dim)));
        }
    }
    // The heads take turns every few keys, because their rows lie side by side in most caches.
    for start in keys.clone().step_by(STEP) {
        let range = start..keys.end.min(start + STEP);
        for (kv_head, chunk) in &mut chunks {
            unsafe {
                let keys = key_rows.rows::<S>(*kv_head, range.clone());
                let values = value_rows.rows::<S>(*kv_head, range.clone());
                chunk.attend::<S, R::Element, V>(keys, values);
            }
        }
    }
    let mut result = PartialOutput { maxima: vec![], sums: vec![], output: vec![], finite: true };
    for (_, chunk) in &chunks {
        result.finite &= chunk.finite();
        for head in 0..chunk.heads() {
            result.maxima.push(chunk.maxima[head]);
            result.sums.push(chunk.sum(head));
            result.output.extend_from_slice(chunk.output(head));
        }
    }
    result
}
