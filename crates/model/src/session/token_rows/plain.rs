//! [`PlainRows`]: elements of one type.

mod parts;

use crate::error::{Error, Result};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use minference_attention::{ElementType, TensorView, TensorViewMut};
use rayon::prelude::*;
use std::ops::Range;

/// Elements that one task converts.
const RUN: usize = 16_384;

/// Rows of one element type, `[tokens, heads, head_dim]`, appended within a reserved capacity.
#[derive(Debug)]
pub(crate) struct PlainRows {
    data: PlainData,
    heads: usize,
    head_dim: usize,
}

#[derive(Debug)]
enum PlainData {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl PlainRows {
    /// No rows, and room for `capacity` tokens.
    pub(crate) fn with_capacity(
        what: &'static str,
        capacity: usize,
        [heads, head_dim]: [usize; 2],
        element_type: ElementType,
    ) -> Result<Self> {
        fn reserve<T>(what: &'static str, elements: usize) -> Result<Vec<T>> {
            let mut data = Vec::new();
            data.try_reserve_exact(elements).map_err(|_| {
                let bytes = elements.saturating_mul(size_of::<T>());
                minference_attention::Error::OutOfMemory { what, bytes }
            })?;
            Ok(data)
        }
        let elements = capacity.saturating_mul(heads).saturating_mul(head_dim);
        let data = match element_type {
            ElementType::F32 => PlainData::F32(reserve(what, elements)?),
            ElementType::F16 => PlainData::F16(reserve(what, elements)?),
            ElementType::Bf16 => PlainData::Bf16(reserve(what, elements)?),
        };
        Ok(Self { data, heads, head_dim })
    }

    /// The first `tokens` tokens, or all, and room for `capacity`, at least as many.
    pub(super) fn copy(&self, what: &'static str, capacity: usize, tokens: usize) -> Result<Self> {
        let elements = tokens.min(self.tokens()) * self.row_len();
        let shape = [self.heads, self.head_dim];
        let mut copy = Self::with_capacity(what, capacity, shape, self.element_type())?;
        match (&mut copy.data, &self.data) {
            (PlainData::F32(to), PlainData::F32(from)) => to.extend_from_slice(&from[..elements]),
            (PlainData::F16(to), PlainData::F16(from)) => to.extend_from_slice(&from[..elements]),
            (PlainData::Bf16(to), PlainData::Bf16(from)) => to.extend_from_slice(&from[..elements]),
            _ => unreachable!("an empty copy is of the same type"),
        }
        Ok(copy)
    }

    /// Bytes of its rows.
    pub(crate) fn bytes(&self) -> usize {
        match &self.data {
            PlainData::F32(data) => size_of_val(data.as_slice()),
            PlainData::F16(data) => size_of_val(data.as_slice()),
            PlainData::Bf16(data) => size_of_val(data.as_slice()),
        }
    }

    fn element_type(&self) -> ElementType {
        match &self.data {
            PlainData::F32(_) => ElementType::F32,
            PlainData::F16(_) => ElementType::F16,
            PlainData::Bf16(_) => ElementType::Bf16,
        }
    }

    /// Tokens in it.
    pub(crate) fn tokens(&self) -> usize {
        let elements = match &self.data {
            PlainData::F32(data) => data.len(),
            PlainData::F16(data) => data.len(),
            PlainData::Bf16(data) => data.len(),
        };
        elements / self.row_len()
    }

    fn row_len(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Appends `[tokens, heads, head_dim]`, rounded to the element type.
    pub(crate) fn append(&mut self, rows: &[f32]) {
        match &mut self.data {
            PlainData::F32(data) => data.extend_from_slice(rows),
            PlainData::F16(data) => append_rounded(data, rows),
            PlainData::Bf16(data) => append_rounded(data, rows),
        }
    }

    /// Zeros for `tokens` tokens, and nothing else.
    pub(crate) fn fill_with_zeros(&mut self, tokens: usize) {
        let elements = tokens * self.row_len();
        match &mut self.data {
            PlainData::F32(data) => data.resize(elements, 0.0),
            PlainData::F16(data) => data.resize(elements, f16::ZERO),
            PlainData::Bf16(data) => data.resize(elements, bf16::ZERO),
        }
    }

    /// Forgets all tokens from `tokens` on.
    pub(crate) fn truncate(&mut self, tokens: usize) {
        let elements = tokens.saturating_mul(self.row_len());
        match &mut self.data {
            PlainData::F32(data) => data.truncate(elements),
            PlainData::F16(data) => data.truncate(elements),
            PlainData::Bf16(data) => data.truncate(elements),
        }
    }

    /// Some tokens, widened into `out`, `[tokens, heads, head_dim]`.
    pub(crate) fn widen(&self, tokens: Range<usize>, out: &mut [f32]) {
        let range = tokens.start * self.row_len()..tokens.end * self.row_len();
        match &self.data {
            PlainData::F32(data) => out.copy_from_slice(&data[range]),
            PlainData::F16(data) => widen_rows(&data[range], out),
            PlainData::Bf16(data) => widen_rows(&data[range], out),
        }
    }

    /// All of its tokens.
    pub(crate) fn view(&self) -> Result<TensorView<'_>> {
        let shape = [self.tokens(), self.heads, self.head_dim];
        let view = match &self.data {
            PlainData::F32(data) => TensorView::new(data.as_slice(), shape),
            PlainData::F16(data) => TensorView::new(data.as_slice(), shape),
            PlainData::Bf16(data) => TensorView::new(data.as_slice(), shape),
        };
        view.map_err(Error::from)
    }

    /// All of its tokens, to write.
    pub(crate) fn view_mut(&mut self) -> Result<TensorViewMut<'_>> {
        let shape = [self.tokens(), self.heads, self.head_dim];
        let view = match &mut self.data {
            PlainData::F32(data) => TensorViewMut::new(data.as_mut_slice(), shape),
            PlainData::F16(data) => TensorViewMut::new(data.as_mut_slice(), shape),
            PlainData::Bf16(data) => TensorViewMut::new(data.as_mut_slice(), shape),
        };
        view.map_err(Error::from)
    }
}

fn append_rounded<T: Copy + Default + Send>(data: &mut Vec<T>, rows: &[f32])
where
    [T]: HalfFloatSliceExt,
{
    let start = data.len();
    data.resize(start + rows.len(), T::default());
    data[start..].par_chunks_mut(RUN).zip(rows.par_chunks(RUN)).for_each(|(out, rows)| {
        out.convert_from_f32_slice(rows);
    });
}

fn widen_rows<T: Sync>(data: &[T], out: &mut [f32])
where
    [T]: HalfFloatSliceExt,
{
    data.par_chunks(RUN).zip(out.par_chunks_mut(RUN)).for_each(|(data, out)| {
        data.convert_to_f32_slice(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_rounded_to_their_type() {
        let values: Vec<f32> = (0..5 * 4 * 8).map(|i| i as f32 / 7.0).collect();
        for element_type in [ElementType::F32, ElementType::F16, ElementType::Bf16] {
            let mut rows = PlainRows::with_capacity("rows", 5, [4, 8], element_type).unwrap();
            rows.append(&values[..32]);
            rows.append(&values[32..]);
            assert_eq!(rows.tokens(), 5);
            let mut found = vec![0.0; 64];
            rows.widen(2..4, &mut found);
            let expected: Vec<f32> = values[64..128].iter().map(|x| element_type.round(*x)).collect();
            assert_eq!(found, expected);
            let mut row = vec![0.0; 8];
            rows.view().unwrap().read_row(3, 1, &mut row);
            assert_eq!(row, expected[40..48]);
            let mut copy = rows.copy("copy", 7, 5).unwrap();
            rows.truncate(1);
            assert_eq!(rows.tokens(), 1);
            copy.append(&values[..32]);
            assert_eq!((copy.tokens(), copy.bytes()), (6, 6 * 32 * element_type.bytes()));
            copy.widen(2..4, &mut found);
            assert_eq!(found, expected);
            rows.fill_with_zeros(3);
            assert_eq!(rows.view_mut().unwrap().shape(), [3, 4, 8]);
        }
    }

    #[test]
    fn a_capacity_that_no_machine_has_is_an_error() {
        assert!(PlainRows::with_capacity("rows", usize::MAX, [4, 8], ElementType::F16).is_err());
    }
}
