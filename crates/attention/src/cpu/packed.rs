//! Keys and values of one key-value head in the words of an arithmetic, packed once per call and shared by all its queries.

use super::buffer::Buffer;
use super::dot::{ScoreDot, ValueDot};
use super::instances::Instance;
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

/// The largest inputs that are computed: beyond them `f32` sums could overflow. Far beyond what any model produces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedLimits {
    /// Magnitude of an element of V.
    pub(crate) value: f32,
    /// Magnitude that a score without the softmax factor can reach.
    pub(crate) product: f64,
}

impl Default for PackedLimits {
    fn default() -> Self {
        Self { value: 1e26, product: 1e26 }
    }
}

/// The largest score (times log2 e) that is computed. A maximum and an exponent are summed in different orders; beyond this
/// their `head_dim` roundings each could differ by more than the exponents of `f32` hold, and a row would come out empty.
pub(crate) fn largest_score(head_dim: usize) -> f64 {
    f64::from(1u32 << 29) / head_dim as f64
}

/// Euclidean length of a row whose length is a multiple of 8: no score exceeds the product of two lengths, nor does any
/// part of its sum.
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
    pub(crate) fn parts_mut(&mut self, keys: usize) -> impl Iterator<Item = PackedPart<'_>> {
        let shape = self.shape;
        let key_parts = self.keys.chunks_mut(keys * shape.key_words);
        let scale_parts = self.key_scales.chunks_mut(keys);
        let value_parts = self.values.chunks_mut(keys / shape.keys_per_word * shape.head_dim);
        let factor = 1.0 / self.value_scale;
        key_parts.zip(scale_parts).zip(value_parts).enumerate().map(
            move |(part, ((key_words, key_scales), value_words))| PackedPart {
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
pub(crate) struct PackedPart<'a> {
    first_key: usize,
    shape: PackedShape,
    key_words: &'a mut [u32],
    key_scales: &'a mut [f32],
    value_words: &'a mut [u32],
    value_factor: f32,
}

impl PackedPart<'_> {
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
        limits: PackedLimits,
    ) -> Result<f64> {
        let keys = self.key_scales.len().min(inputs.geometry().keys() - self.first_key);
        let head_dim = self.shape.head_dim;
        let not_finite =
            |tensor, key| Error::NotFinite { tensor, token: self.first_key + key, head: kv_head };
        let mut rows = vec![0.0f32; 2 * head_dim];
        let (row, odd_row) = rows.split_at_mut(head_dim);
        let mut longest_key = 0.0f64;
        for (key, words) in self.key_words.chunks_mut(self.shape.key_words).take(keys).enumerate() {
            inputs.k().read_row(self.first_key + key, kv_head, row);
            if largest_magnitude(row).is_infinite() {
                return Err(not_finite("k", key));
            }
            longest_key = longest_key.max(length(row));
            self.key_scales[key] = I::Score::pack_row(row, words);
        }
        let read = |key: usize, row: &mut [f32]| -> Result<()> {
            if key >= keys {
                row.fill(0.0);
                return Ok(());
            }
            inputs.v().read_row(self.first_key + key, kv_head, row);
            let largest = largest_magnitude(row);
            if largest.is_infinite() {
                return Err(not_finite("v", key));
            }
            if largest > limits.value {
                let (found, limit) = (f64::from(largest), f64::from(limits.value));
                return Err(Error::TooLarge { what: "value", found, limit });
            }
            if self.value_factor != 1.0 {
                row.iter_mut().for_each(|x| *x *= self.value_factor);
            }
            Ok(())
        };
        let keys_per_word = self.shape.keys_per_word;
        let word_rows = keys.div_ceil(keys_per_word);
        for (pair, words) in self.value_words.chunks_mut(head_dim).take(word_rows).enumerate() {
            read(pair * keys_per_word, row)?;
            if keys_per_word == 2 {
                read(pair * 2 + 1, odd_row)?;
            }
            // SAFETY: the caller's contract; the rows are equally long.
            unsafe { I::Value::pack_values(row, odd_row, words) };
        }
        Ok(longest_key)
    }
}
