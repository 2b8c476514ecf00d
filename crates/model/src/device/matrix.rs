//! [`Matrix`]: a weight matrix `[outputs, inputs]`, kept as its file stores it.
//!
//! Rows are contiguous and made of whole blocks of the format, so that a range of rows is a range
//! of bytes.

mod multiply;
mod shared_rows;
mod weight_bytes;

pub use multiply::ProductScratch;
pub(crate) use multiply::{Product, Store, multiply, multiply_apart};
pub use weight_bytes::WeightBytes;

use crate::device::compute::Compute;
use crate::device::kernels::Kernels;
use crate::device::weight_format::WeightFormat;
use crate::error::{Error, Result};
use std::ops::Range;

/// A weight matrix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    format: WeightFormat,
    bytes: WeightBytes,
}

impl Matrix {
    /// `rows` outputs of `columns` inputs each, stored row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] for an empty matrix, rows that are not whole blocks of the format, or
    /// another number of bytes.
    pub fn new(rows: usize, columns: usize, format: WeightFormat, bytes: WeightBytes) -> Result<Self> {
        let row_bytes = format.row_bytes(columns).filter(|_| rows > 0 && columns > 0).ok_or_else(|| {
            let expected = format!("rows of whole blocks of {} elements ({format})", format.block_len());
            Error::shape("matrix", expected, format!("[{rows}, {columns}]"))
        })?;
        let (needed, found) = (rows.checked_mul(row_bytes), bytes.as_slice().len());
        if needed != Some(found) {
            let expected =
                format!("{} bytes for [{rows}, {columns}] in {format}", needed.unwrap_or(usize::MAX));
            return Err(Error::shape("matrix", expected, found));
        }
        Ok(Self { rows, columns, format, bytes })
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// How elements are stored.
    pub fn format(&self) -> WeightFormat {
        self.format
    }
    /// Bytes in memory or in the file.
    pub fn byte_len(&self) -> usize {
        self.bytes.as_slice().len()
    }

    /// Reads a byte of every page, so that a matrix in a mapped file is in memory, as far as it
    /// fits, before the first product needs it.
    pub fn preload(&self) {
        /// No system has smaller ones.
        const PAGE: usize = 4096;
        let bytes = self.bytes.as_slice();
        let sum =
            bytes.iter().step_by(PAGE).chain(bytes.last()).fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        std::hint::black_box(sum);
    }

    /// Products with rows of `f32`: `[rows, columns]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// [`Error::Shape`] where the inputs are no whole number of rows.
    ///
    /// ```
    /// use minference_model::device::matrix::{Matrix, WeightBytes};
    /// use minference_model::device::weight_format::WeightFormat;
    /// use minference_model::{Compute, ComputeOptions};
    ///
    /// let bytes = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    /// let matrix = Matrix::new(2, 2, WeightFormat::F32, WeightBytes::owned(bytes))?;
    /// let compute = Compute::new(ComputeOptions::default())?;
    /// assert_eq!(matrix.multiply(&compute, &[1.0, 10.0])?, [21.0, 43.0]);
    /// # Ok::<(), minference_model::Error>(())
    /// ```
    pub fn multiply(&self, compute: &Compute, inputs: &[f32]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; inputs.len() / self.columns * self.rows];
        self.multiply_into(compute, inputs, &mut out, &mut ProductScratch::default())?;
        Ok(out)
    }

    /// The same, into `[rows, outputs]`, with buffers that serve again.
    ///
    /// # Errors
    /// [`Error::Shape`] where inputs or outputs are not the same whole number of rows.
    pub fn multiply_into(
        &self,
        compute: &Compute,
        inputs: &[f32],
        out: &mut [f32],
        scratch: &mut ProductScratch,
    ) -> Result<()> {
        let count = inputs.len() / self.columns;
        if inputs.len() != count * self.columns {
            let expected = format!("rows of {} elements", self.columns);
            return Err(Error::shape("inputs of a matrix", expected, inputs.len()));
        }
        if out.len() != count * self.rows {
            let expected = format!("{count} rows of {} elements", self.rows);
            return Err(Error::shape("outputs of a matrix", expected, out.len()));
        }
        compute.install(|| {
            let product = Product { matrix: self, out, store: Store::Overwrite };
            multiply(compute.kernels(), compute.matmul(), inputs, &mut [product], scratch);
        });
        Ok(())
    }

    /// Widens one row to `f32`, into `out` of `columns` elements.
    pub(crate) fn widen_row(&self, kernels: &Kernels, row: usize, out: &mut [f32]) {
        kernels.widen(self.format, self.row_bytes(row..row + 1), self.columns, out);
    }

    /// Widens some columns of some rows to `f32`, into the first of `out`'s rows,
    /// `[rows][columns]`. Columns start and end at whole blocks, or at the end of the row.
    fn widen_part(&self, kernels: &Kernels, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
        let out = &mut out[..rows.len() * columns.len()];
        if columns.len() == self.columns {
            return kernels.widen(self.format, self.row_bytes(rows), self.columns, out);
        }
        let bytes = |columns: usize| columns / self.format.block_len() * self.format.block_bytes();
        let part = bytes(columns.start)..bytes(columns.end);
        for (row, out) in rows.zip(out.chunks_exact_mut(columns.len())) {
            let bytes = &self.row_bytes(row..row + 1)[part.clone()];
            kernels.widen(self.format, bytes, columns.len(), out);
        }
    }

    fn row_bytes(&self, rows: Range<usize>) -> &[u8] {
        let bytes = self.bytes.as_slice();
        let row_bytes = bytes.len() / self.rows;
        &bytes[rows.start * row_bytes..rows.end * row_bytes]
    }

    /// Some of the rows, sharing the bytes: a part of a fused projection.
    ///
    /// # Errors
    /// [`Error::Shape`] for an empty range, or rows that are not there.
    pub fn row_range(&self, rows: Range<usize>) -> Result<Self> {
        if rows.is_empty() || rows.end > self.rows {
            let expected = format!("a range of rows within 0..{}", self.rows);
            return Err(Error::shape("rows of a matrix", expected, format!("{rows:?}")));
        }
        let row_bytes = self.byte_len() / self.rows;
        let bytes = self.bytes.part(rows.start * row_bytes..rows.end * row_bytes);
        Ok(Self { rows: rows.len(), bytes, ..*self })
    }
}
