//! [`PlainView`]: elements, not codes, with a shape and strides.

use super::elements::Elements;

/// Elements with a shape and strides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainView<'a> {
    pub(super) data: Elements<'a>,
    pub(super) shape: [usize; 3],
    pub(super) strides: [usize; 2],
}

impl<'a> PlainView<'a> {
    /// `[tokens, heads, head_dim]`
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    pub(super) fn row(&self, token: usize, head: usize) -> Elements<'a> {
        let [tokens, heads, head_dim] = self.shape;
        assert!(token < tokens && head < heads, "row ({token}, {head}) of {:?}", self.shape);
        let start = token * self.strides[0] + head * self.strides[1];
        match self.data {
            Elements::F32(data) => Elements::F32(&data[start..start + head_dim]),
            Elements::F16(data) => Elements::F16(&data[start..start + head_dim]),
            Elements::Bf16(data) => Elements::Bf16(&data[start..start + head_dim]),
        }
    }

    /// The data from the first row of a head on, and the elements from one of its rows to the next.
    pub(crate) fn head_rows(&self, head: usize) -> (Elements<'a>, usize) {
        (self.data.skip(head * self.strides[1]), self.strides[0])
    }

    /// Its tokens `start..end`, which exist.
    pub(super) fn token_range(self, start: usize, end: usize) -> Self {
        let skipped = start.saturating_mul(self.strides[0]).min(self.data.len());
        let [_, heads, head_dim] = self.shape;
        Self { data: self.data.skip(skipped), shape: [end - start, heads, head_dim], ..self }
    }
}
