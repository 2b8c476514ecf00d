//! Channels that have a minimum and a scale for some tokens, and recent tokens in `f16`.

use super::code_range::CodeRange;
use super::codes::pack;
use super::layout::CodeLayout;
use super::tensor::reserve;
use super::view::QuantizedView;
use super::{RECENT_TOKENS, TOKENS_PER_GROUP};
use crate::error::Result;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Tokens that wait in `f16` at once beyond those that stay.
const RUN: usize = 1024;
/// Elements that one task rounds.
const ROUNDED: usize = 16_384;

#[derive(Debug)]
pub(super) struct PerChannel {
    pub(super) layout: CodeLayout,
    /// `[tokens, heads, row_bytes]`, whole groups
    pub(super) codes: Vec<u8>,
    /// `[groups, heads, 2, head_dim]`: minima, scales
    pub(super) ranges: Vec<f16>,
    /// The tokens after them, `[tokens, heads, head_dim]`
    pub(super) recent: Vec<f16>,
}

impl PerChannel {
    pub(super) fn with_capacity(what: &'static str, capacity: usize, layout: CodeLayout) -> Result<Self> {
        let recent = capacity.min(RECENT_TOKENS + TOKENS_PER_GROUP + RUN);
        Ok(Self {
            layout,
            codes: reserve(what, capacity, layout.token_bytes())?,
            ranges: reserve(what, capacity / TOKENS_PER_GROUP, 2 * layout.token_len())?,
            recent: reserve(what, recent, layout.token_len())?,
        })
    }

    /// Tokens that are quantised.
    fn grouped(&self) -> usize {
        self.codes.len() / self.layout.token_bytes()
    }

    pub(super) fn tokens(&self) -> usize {
        self.grouped() + self.recent.len() / self.layout.token_len()
    }

    pub(super) fn append(&mut self, rows: &[f32]) {
        // All pass through `f16`, so that it does not matter in how many pieces they come.
        for rows in rows.chunks(RUN * self.layout.token_len()) {
            let start = self.recent.len();
            self.recent.resize(start + rows.len(), f16::ZERO);
            let rounded = self.recent[start..].par_chunks_mut(ROUNDED);
            rounded.zip(rows.par_chunks(ROUNDED)).for_each(|(out, rows)| out.convert_from_f32_slice(rows));
            self.quantize_groups();
        }
    }

    /// Quantises what is no longer recent, in whole groups.
    fn quantize_groups(&mut self) {
        let layout = self.layout;
        let group_len = TOKENS_PER_GROUP * layout.token_len();
        let old = self.recent.len().saturating_sub(RECENT_TOKENS * layout.token_len());
        // NaN in one token would spoil a channel of all: such a group stays as it is, for attention
        // to refuse.
        let finite = |group: &[f16]| group.iter().all(|x| x.is_finite());
        let groups = self.recent[..old].chunks_exact(group_len).take_while(|group| finite(group)).count();
        let (bytes, ranges) = (self.codes.len(), self.ranges.len());
        let (group_bytes, group_ranges) = (TOKENS_PER_GROUP * layout.token_bytes(), 2 * layout.token_len());
        self.codes.resize(bytes + groups * group_bytes, 0);
        self.ranges.resize(ranges + groups * group_ranges, f16::ZERO);
        let codes = self.codes[bytes..].par_chunks_mut(group_bytes);
        let ranges = self.ranges[ranges..].par_chunks_mut(group_ranges);
        let rows = self.recent[..groups * group_len].par_chunks(group_len);
        codes
            .zip(ranges)
            .zip(rows)
            .for_each(|((codes, ranges), rows)| quantize_group(layout, rows, codes, ranges));
        self.recent.drain(..groups * group_len);
    }

    pub(super) fn copy(&self, what: &'static str, capacity: usize, tokens: usize) -> Result<Self> {
        let mut copy = Self::with_capacity(what, capacity, self.layout)?;
        let grouped = tokens.next_multiple_of(TOKENS_PER_GROUP).min(self.grouped());
        copy.codes.extend_from_slice(&self.codes[..grouped * self.layout.token_bytes()]);
        let ranges = grouped / TOKENS_PER_GROUP * 2 * self.layout.token_len();
        copy.ranges.extend_from_slice(&self.ranges[..ranges]);
        if tokens > self.grouped() {
            copy.recent.extend_from_slice(&self.recent);
        }
        copy.truncate(tokens);
        Ok(copy)
    }

    pub(super) fn bytes(&self) -> usize {
        self.codes.len() + size_of_val(self.ranges.as_slice()) + size_of_val(self.recent.as_slice())
    }

    /// Forgets all tokens from `tokens` on. What is left of a group is `f16` again, with the
    /// numbers that its codes meant.
    pub(super) fn truncate(&mut self, tokens: usize) {
        let (grouped, token_len) = (self.grouped(), self.layout.token_len());
        if tokens >= grouped {
            self.recent.truncate((tokens - grouped).saturating_mul(token_len));
            return;
        }
        let whole = tokens / TOKENS_PER_GROUP * TOKENS_PER_GROUP;
        let mut rows = vec![0.0f32; (tokens - whole) * token_len];
        for (i, row) in rows.chunks_exact_mut(self.layout.head_dim).enumerate() {
            let (token, head) = (whole + i / self.layout.heads, i % self.layout.heads);
            self.view().row(token, head).read(row);
        }
        self.recent.clear();
        self.recent.resize(rows.len(), f16::ZERO);
        self.recent.convert_from_f32_slice(&rows);
        self.codes.truncate(whole * self.layout.token_bytes());
        self.ranges.truncate(whole / TOKENS_PER_GROUP * 2 * token_len);
    }

    pub(super) fn view(&self) -> QuantizedView<'_> {
        QuantizedView::per_channel(self.layout, self.tokens(), &self.codes, &self.ranges, &self.recent)
    }
}

/// One group.
///
/// - `rows`: `[tokens, heads, head_dim]`, finite
/// - `codes`: `[tokens, heads, row_bytes]`
/// - `ranges`: `[heads, 2, head_dim]`
fn quantize_group(layout: CodeLayout, rows: &[f16], codes: &mut [u8], ranges: &mut [f16]) {
    let CodeLayout { head_dim, bits, .. } = layout;
    let token_len = layout.token_len();
    let mut row = vec![0.0f32; token_len];
    let (mut smallest, mut largest) = (vec![f32::INFINITY; token_len], vec![f32::NEG_INFINITY; token_len]);
    for token in rows.chunks_exact(token_len) {
        token.convert_to_f32_slice(&mut row);
        smallest.iter_mut().zip(&row).for_each(|(smallest, x)| *smallest = smallest.min(*x));
        largest.iter_mut().zip(&row).for_each(|(largest, x)| *largest = largest.max(*x));
    }
    let (mut minima, mut factors) = (smallest, largest);
    for (head, ranges) in ranges.chunks_exact_mut(2 * head_dim).enumerate() {
        for channel in 0..head_dim {
            let i = head * head_dim + channel;
            let range = CodeRange::new([minima[i], factors[i]], bits);
            (ranges[channel], ranges[head_dim + channel]) = (range.minimum, range.scale);
            (minima[i], factors[i]) = range.to_levels();
        }
    }
    for (token, codes) in rows.chunks_exact(token_len).zip(codes.chunks_exact_mut(layout.token_bytes())) {
        token.convert_to_f32_slice(&mut row);
        for ((x, minimum), factor) in row.iter_mut().zip(&minima).zip(&factors) {
            *x = (*x - minimum) * factor;
        }
        let codes = codes.chunks_exact_mut(layout.row_bytes());
        codes.zip(row.chunks_exact(head_dim)).for_each(|(codes, levels)| pack(levels, bits, codes));
    }
}
