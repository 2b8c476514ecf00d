//! Keys and values of one key-value head in the words of an arithmetic, packed once per call and
//! shared by all its queries.

use super::buffer::Buffer;
use super::dot::{ScoreDot, ValueDot};
use super::instances::Instance;
use super::simd::Simd;
use super::stored::read_row;
use crate::error::{Error, Result};
use crate::inputs::AttentionInputs;
use crate::layout::SPAN_ALIGNMENT;

/// Sizes of the packed form, as the arithmetic of an instance has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedShape {
    /// Keys, padded to a multiple of 16.
    pub(crate) keys: usize,
    pub(crate) head_dim: usize,
    /// Words of a key (or query) row.
    pub(crate) key_words: usize,
    /// Keys in a word of values; a row of value words has `head_dim` of them.
    pub(crate) keys_per_word: usize,
}

impl PackedShape {
    pub(crate) fn new(keys: usize, head_dim: usize, elements_per_word: usize, keys_per_word: usize) -> Self {
        let keys = keys.next_multiple_of(SPAN_ALIGNMENT);
        Self { keys, head_dim, key_words: head_dim / elements_per_word, keys_per_word }
    }

    /// Bytes of one packed head.
    pub(crate) fn bytes(&self) -> usize {
        4 * self.keys * (self.key_words + self.head_dim / self.keys_per_word + 1)
    }
}

/// Largest magnitude of an element of V that is computed: beyond it `f32` sums could overflow. Far
/// beyond what any model produces.
const LARGEST_VALUE: f32 = 1e26;
/// Largest magnitude that a score without the softmax factor may reach, for the same reason.
pub(crate) const LARGEST_PRODUCT: f64 = 1e26;

/// The largest score (times log2 e) that is computed. A maximum and an exponent are summed in
/// different orders; beyond this their `head_dim` roundings each could differ by more than the
/// exponents of `f32` hold, and a row would come out empty.
pub(crate) fn largest_score(head_dim: usize) -> f64 {
    f64::from(1u32 << 29) / head_dim as f64
}

/// Euclidean length of a row whose length is a multiple of 8: no score exceeds the product of two
/// lengths, nor does any part of its sum.
#[inline(always)]
pub(crate) fn length(row: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    for chunk in row.as_chunks::<8>().0 {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}

/// The largest magnitude in a row; infinity where it holds NaN or infinity.
#[inline(always)]
pub(crate) fn largest_magnitude(row: &[f32]) -> f32 {
    // As integers, so that NaN counts, and so that compilers use vectors.
    let bits = row.iter().fold(0, |largest: u32, x| largest.max(x.to_bits() & 0x7fff_ffff));
    f32::from_bits(bits.min(f32::INFINITY.to_bits()))
}

/// One packed head. Keys beyond the prompt, up to the next multiple of 16, are zero.
#[derive(Debug)]
pub(crate) struct PackedHead {
    pub(crate) shape: PackedShape,
    /// `[keys][key_words]`
    pub(crate) keys: Buffer<u32>,
    /// `[keys]`
    pub(crate) key_scales: Buffer<f32>,
    /// `[keys / keys_per_word][head_dim]`
    pub(crate) values: Buffer<u32>,
    /// What the packed values were divided by.
    pub(crate) value_scale: f32,
    /// Length of the longest row of K.
    pub(crate) longest_key: f64,
}

impl PackedHead {
    pub(crate) fn new(shape: PackedShape) -> Result<Self> {
        Ok(Self {
            shape,
            keys: Buffer::zeroed("packed keys", shape.keys * shape.key_words)?,
            key_scales: Buffer::zeroed("scales of packed keys", shape.keys)?,
            values: Buffer::zeroed("packed values", shape.keys / shape.keys_per_word * shape.head_dim)?,
            value_scale: 1.0,
            longest_key: 0.0,
        })
    }

    /// Its parts of `keys` keys each (a multiple of 16), to be packed in parallel.
    pub(crate) fn parts_mut(&mut self, keys: usize) -> impl Iterator<Item = PackedKeyRange<'_>> {
        let shape = self.shape;
        let key_parts = self.keys.chunks_mut(keys * shape.key_words);
        let scale_parts = self.key_scales.chunks_mut(keys);
        let value_parts = self.values.chunks_mut(keys / shape.keys_per_word * shape.head_dim);
        let factor = 1.0 / self.value_scale;
        key_parts.zip(scale_parts).zip(value_parts).enumerate().map(
            move |(part, ((key_words, key_scales), value_words))| PackedKeyRange {
                first_key: part * keys,
                shape,
                key_words,
                key_scales,
                value_words,
                value_factor: factor,
            },
        )
    }
}

/// A range of a head's keys that one thread packs.
pub(crate) struct PackedKeyRange<'a> {
    first_key: usize,
    shape: PackedShape,
    key_words: &'a mut [u32],
    key_scales: &'a mut [f32],
    value_words: &'a mut [u32],
    value_factor: f32,
}

impl PackedKeyRange<'_> {
    /// Packs this part of key-value head `kv_head`; returns the length of its longest key.
    ///
    /// # Safety
    /// The machine has the instance's instructions.
    ///
    /// # Errors
    /// NaN, infinity, or values beyond the limits.
    #[inline(always)]
    pub(crate) unsafe fn pack<I: Instance>(
        self,
        inputs: &AttentionInputs<'_>,
        kv_head: usize,
    ) -> Result<f64> {
        let keys = self.key_scales.len().min(inputs.geometry().keys() - self.first_key);
        let head_dim = self.shape.head_dim;
        let mut rows = vec![0.0f32; 2 * head_dim];
        let (row, odd_row) = rows.split_at_mut(head_dim);
        let mut longest_key = 0.0f64;
        for (key, words) in self.key_words.chunks_mut(self.shape.key_words).take(keys).enumerate() {
            let token = self.first_key + key;
            // SAFETY: the caller's contract.
            unsafe { read_row::<I::Simd>(&inputs.k(), token, kv_head, row) };
            if largest_magnitude(row).is_infinite() {
                return Err(Error::NotFinite { tensor: "k", token, head: kv_head });
            }
            longest_key = longest_key.max(length(row));
            // SAFETY: the caller's contract.
            self.key_scales[key] = unsafe { I::Score::pack_row(row, words) };
        }
        let keys_per_word = self.shape.keys_per_word;
        let last = self.first_key + keys;
        for (word, words) in
            self.value_words.chunks_mut(head_dim).take(keys.div_ceil(keys_per_word)).enumerate()
        {
            let token = self.first_key + word * keys_per_word;
            // SAFETY: the caller's contract; the rows are equally long.
            unsafe {
                read_value::<I::Simd>(inputs, kv_head, token, self.value_factor, row)?;
                if keys_per_word == 2 && token + 1 < last {
                    read_value::<I::Simd>(inputs, kv_head, token + 1, self.value_factor, odd_row)?;
                } else {
                    odd_row.fill(0.0);
                }
                I::Value::pack_values(row, odd_row, words);
            }
        }
        Ok(longest_key)
    }
}

/// One row of V, checked and multiplied by `factor`.
///
/// # Safety
/// The machine has the instruction set.
#[inline(always)]
unsafe fn read_value<S: Simd>(
    inputs: &AttentionInputs<'_>,
    kv_head: usize,
    token: usize,
    factor: f32,
    row: &mut [f32],
) -> Result<()> {
    // SAFETY: the caller's contract.
    unsafe { read_row::<S>(&inputs.v(), token, kv_head, row) };
    let largest = largest_magnitude(row);
    if largest.is_infinite() {
        return Err(Error::NotFinite { tensor: "v", token, head: kv_head });
    }
    if largest > LARGEST_VALUE {
        let (found, limit) = (f64::from(largest), f64::from(LARGEST_VALUE));
        return Err(Error::TooLarge { what: "value", found, limit });
    }
    if factor != 1.0 {
        row.iter_mut().for_each(|x| *x *= factor);
    }
    Ok(())
}
