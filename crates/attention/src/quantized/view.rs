//! Borrowed codes, and their rows.

use super::codes::unpack;
use super::layout::CodeLayout;
use super::{CodeBits, CodeRange, TOKENS_PER_GROUP};
use crate::view::{Elements, Row};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Codes of a [`QuantizedTensor`](super::QuantizedTensor), or of some of its tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuantizedView<'a> {
    layout: CodeLayout,
    /// Its first token in the tensor, and how many there are
    first: usize,
    tokens: usize,
    /// `[tokens, heads, row_bytes]`
    codes: &'a [u8],
    ranges: Ranges<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Ranges<'a> {
    /// `[tokens, heads]`
    PerToken(&'a [CodeRange]),
    /// `[groups, heads, 2, head_dim]`: minima, scales; and the tokens after them, `[tokens, heads,
    /// head_dim]`
    PerChannel(&'a [f16], &'a [f16]),
}

impl<'a> QuantizedView<'a> {
    pub(super) fn per_token(
        layout: CodeLayout,
        tokens: usize,
        codes: &'a [u8],
        ranges: &'a [CodeRange],
    ) -> Self {
        Self { layout, first: 0, tokens, codes, ranges: Ranges::PerToken(ranges) }
    }

    pub(super) fn per_channel(
        layout: CodeLayout,
        tokens: usize,
        codes: &'a [u8],
        ranges: &'a [f16],
        recent: &'a [f16],
    ) -> Self {
        Self { layout, first: 0, tokens, codes, ranges: Ranges::PerChannel(ranges, recent) }
    }

    /// `[tokens, heads, head_dim]`
    pub(crate) fn shape(&self) -> [usize; 3] {
        [self.tokens, self.layout.heads, self.layout.head_dim]
    }

    /// Its tokens `start..end`, which exist.
    pub(crate) fn token_range(self, start: usize, end: usize) -> Self {
        Self { first: self.first + start, tokens: end - start, ..self }
    }

    /// One row as it is stored.
    #[inline(always)]
    pub(crate) fn row(&self, token: usize, head: usize) -> Row<'a> {
        assert!(
            token < self.tokens && head < self.layout.heads,
            "row ({token}, {head}) of {:?}",
            self.shape()
        );
        let CodeLayout { heads, head_dim, bits } = self.layout;
        let row = (self.first + token) * heads + head;
        let (start, row_bytes) = (row * self.layout.row_bytes(), self.layout.row_bytes());
        let scaling = match self.ranges {
            Ranges::PerToken(ranges) => CodeScaling::Row(ranges[row]),
            Ranges::PerChannel(_, recent) if start >= self.codes.len() => {
                let start = row * head_dim - self.codes.len() / row_bytes * head_dim;
                return Row::Plain(Elements::F16(&recent[start..start + head_dim]));
            }
            Ranges::PerChannel(ranges, _) => {
                let group = (self.first + token) / TOKENS_PER_GROUP;
                let ranges = &ranges[(group * heads + head) * 2 * head_dim..][..2 * head_dim];
                let (minima, scales) = ranges.split_at(head_dim);
                CodeScaling::Channels { minima, scales }
            }
        };
        Row::Coded(CodedRow { codes: &self.codes[start..start + row_bytes], bits, scaling })
    }
}

/// The codes of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodedRow<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) bits: CodeBits,
    pub(crate) scaling: CodeScaling<'a>,
}

/// What the codes of a row mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CodeScaling<'a> {
    /// The same for all.
    Row(CodeRange),
    /// Each channel has its own, `[head_dim]` both.
    Channels { minima: &'a [f16], scales: &'a [f16] },
}

impl CodedRow<'_> {
    /// What the codes mean, `[head_dim]`. A scale times a code is exact in `f32`, so that it makes
    /// no difference whether the sum with the minimum is fused.
    pub(crate) fn read(&self, out: &mut [f32]) {
        /// Channels whose numbers are widened at once.
        const RUN: usize = 64;
        unpack(self.codes, self.bits, out);
        match self.scaling {
            CodeScaling::Row(range) => {
                let (minimum, scale) = (range.minimum.to_f32(), range.scale.to_f32());
                out.iter_mut().for_each(|x| *x = *x * scale + minimum);
            }
            CodeScaling::Channels { minima, scales } => {
                let (mut minimum, mut scale) = ([0.0f32; RUN], [0.0f32; RUN]);
                for ((out, minima), scales) in
                    out.chunks_mut(RUN).zip(minima.chunks(RUN)).zip(scales.chunks(RUN))
                {
                    minima.convert_to_f32_slice(&mut minimum[..minima.len()]);
                    scales.convert_to_f32_slice(&mut scale[..scales.len()]);
                    for ((x, minimum), scale) in out.iter_mut().zip(&minimum).zip(&scale) {
                        *x = *x * scale + minimum;
                    }
                }
            }
        }
    }
}
