//! Rows that have a minimum and a scale each.

use super::code_range::{CodeRange, extent};
use super::codes::pack;
use super::layout::CodeLayout;
use super::tensor::reserve;
use crate::error::Result;
use half::f16;
use rayon::prelude::*;

/// Tokens that one task quantises.
const RUN: usize = 32;

#[derive(Debug)]
pub(super) struct PerToken {
    pub(super) layout: CodeLayout,
    /// `[tokens, heads, row_bytes]`
    pub(super) codes: Vec<u8>,
    /// `[tokens, heads]`
    pub(super) ranges: Vec<CodeRange>,
}

impl PerToken {
    pub(super) fn with_capacity(what: &'static str, capacity: usize, layout: CodeLayout) -> Result<Self> {
        let codes = reserve(what, capacity, layout.token_bytes())?;
        Ok(Self { layout, codes, ranges: reserve(what, capacity, layout.heads)? })
    }

    pub(super) fn tokens(&self) -> usize {
        self.ranges.len() / self.layout.heads
    }

    pub(super) fn append(&mut self, rows: &[f32]) {
        let CodeLayout { heads, head_dim, bits } = self.layout;
        let tokens = rows.len() / self.layout.token_len();
        let (bytes, ranges) = (self.codes.len(), self.ranges.len());
        self.codes.resize(bytes + tokens * self.layout.token_bytes(), 0);
        self.ranges.resize(ranges + tokens * heads, CodeRange { minimum: f16::ZERO, scale: f16::ZERO });
        let codes = self.codes[bytes..].par_chunks_mut(RUN * self.layout.token_bytes());
        let ranges = self.ranges[ranges..].par_chunks_mut(RUN * heads);
        let rows = rows.par_chunks(RUN * self.layout.token_len());
        codes.zip(ranges).zip(rows).for_each(|((codes, ranges), rows)| {
            let mut levels = vec![0.0f32; head_dim];
            let codes = codes.chunks_exact_mut(bits.row_bytes(head_dim));
            for ((codes, range), row) in codes.zip(ranges).zip(rows.chunks_exact(head_dim)) {
                *range = CodeRange::new(extent(row), bits);
                let (minimum, factor) = range.to_levels();
                levels.iter_mut().zip(row).for_each(|(level, x)| *level = (x - minimum) * factor);
                pack(&levels, bits, codes);
            }
        });
    }

    pub(super) fn copy(&self, what: &'static str, capacity: usize, tokens: usize) -> Result<Self> {
        let mut copy = Self::with_capacity(what, capacity, self.layout)?;
        let tokens = tokens.min(self.tokens());
        copy.codes.extend_from_slice(&self.codes[..tokens * self.layout.token_bytes()]);
        copy.ranges.extend_from_slice(&self.ranges[..tokens * self.layout.heads]);
        Ok(copy)
    }

    pub(super) fn bytes(&self) -> usize {
        self.codes.len() + size_of_val(self.ranges.as_slice())
    }

    pub(super) fn truncate(&mut self, tokens: usize) {
        self.codes.truncate(tokens.saturating_mul(self.layout.token_bytes()));
        self.ranges.truncate(tokens.saturating_mul(self.layout.heads));
    }
}
