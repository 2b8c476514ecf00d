//! Products of `f32` rows with stored matrices.
//!
//! - Few rows (decoding, module `few_rows`) are bound by memory: every row of the matrix is read
//!   once, as it is stored, and widened in registers.
//! - Many rows (prefill, module `many_rows`) are bound by arithmetic: a block of matrix rows is
//!   widened to `f32` and multiplied with hundreds of rows, which hides the widening.
//!
//! Work is cut into pieces of fixed size, so that results do not depend on the number of threads.

mod few_rows;
mod many_rows;

use super::Matrix;
use crate::device::compute::MatmulArithmetic;
use crate::device::kernels::{Kernels, MOST_INPUTS, QuantisedRows};
use few_rows::Sums;
use std::sync::Mutex;

/// What happens to a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// It replaces what is there.
    Overwrite,
    /// It is added to what is there: a bias, or the residual stream.
    Add,
}

/// One matrix to multiply with, and where the result goes.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    /// `[outputs, columns]`
    pub(crate) matrix: &'a Matrix,
    /// `[inputs, outputs]`
    pub(crate) out: &'a mut [f32],
    /// Replace or add.
    pub(crate) store: Store,
}

/// Buffers that serve one product after the other.
#[derive(Debug, Default)]
pub struct ProductScratch {
    /// Results for few rows, or packed inputs; or their scales, where they are packed in 8 bits.
    shared: Vec<f32>,
    /// Inputs packed in 8 bits.
    bytes: Vec<u8>,
    /// One for each task at work.
    tasks: Mutex<Vec<TaskScratch>>,
}

/// Buffers of one task: widened rows and their products, and the rows in 8 bits.
#[derive(Debug, Default)]
struct TaskScratch {
    floats: Vec<f32>,
    rows: QuantisedRows,
}

/// `out[i][o] = sum over c of inputs[i][c] * matrix[o][c]`, for several matrices that share their
/// inputs, `[inputs, columns]`. Runs on the current thread pool. `arithmetic` is that of many rows;
/// few are multiplied in `f32`.
pub(crate) fn multiply(
    kernels: &Kernels,
    arithmetic: MatmulArithmetic,
    inputs: &[f32],
    products: &mut [Product<'_>],
    scratch: &mut ProductScratch,
) {
    let Some(columns) = products.first().map(|product| product.matrix.columns()) else { return };
    let count = inputs.len() / columns;
    for product in products.iter() {
        assert_eq!(product.matrix.columns(), columns, "columns of matrices that share their inputs");
        assert_eq!(product.out.len(), count * product.matrix.rows(), "outputs of a product");
    }
    if count <= MOST_INPUTS {
        few_rows::multiply(kernels, Sums::Together, inputs, count, products, &mut scratch.shared);
    } else {
        many_rows::multiply(kernels, arithmetic, inputs, count, products, scratch);
    }
}

/// As [`multiply`] in `f32`, each input's products as they would be without the other inputs: these
/// are rows of sessions that have nothing to do with each other.
pub(crate) fn multiply_apart(
    kernels: &Kernels,
    inputs: &[f32],
    products: &mut [Product<'_>],
    scratch: &mut ProductScratch,
) {
    let Some(columns) = products.first().map(|product| product.matrix.columns()) else { return };
    let count = inputs.len() / columns;
    few_rows::multiply(kernels, Sums::Apart, inputs, count, products, &mut scratch.shared);
}

/// Makes room without giving any back.
fn grow<T: Copy + Default>(scratch: &mut Vec<T>, len: usize) {
    if scratch.len() < len {
        scratch.resize(len, T::default());
    }
}

#[cfg(test)]
mod tests;
