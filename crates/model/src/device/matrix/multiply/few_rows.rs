//! Decoding: few rows, one parallel region for all matrices.

use super::{Product, Store, grow};
use crate::device::kernels::Kernels;
use rayon::prelude::*;

/// Bytes of a matrix that one task reads: large against the cost of a task, small against a matrix.
const TASK_BYTES: usize = 32 << 10;

/// How the products of several rows are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// In the order that is fastest for so many rows, at most
    /// [`MOST_INPUTS`](crate::device::kernels::MOST_INPUTS).
    Together,
    /// Each as if its row were alone.
    Apart,
}

/// Products of a few rows.
pub(super) fn multiply(
    kernels: &Kernels,
    sums: Sums,
    inputs: &[f32],
    count: usize,
    products: &mut [Product<'_>],
    scratch: &mut Vec<f32>,
) {
    let rows: usize = products.iter().map(|product| product.matrix.rows()).sum();
    grow(scratch, rows * count);
    let mut tasks = Vec::new();
    let mut rest = &mut scratch[..rows * count];
    for product in products.iter() {
        let matrix = product.matrix;
        let step = (TASK_BYTES / (matrix.byte_len() / matrix.rows())).max(1);
        for start in (0..matrix.rows()).step_by(step) {
            let rows = start..(start + step).min(matrix.rows());
            let (out, others) = rest.split_at_mut(rows.len() * count);
            rest = others;
            tasks.push((matrix, rows, out));
        }
    }
    tasks.into_par_iter().for_each(|(matrix, rows, out)| {
        let (format, bytes, columns) = (matrix.format(), matrix.row_bytes(rows), matrix.columns());
        match sums {
            Sums::Together => kernels.products(format, bytes, inputs, columns, out),
            Sums::Apart => kernels.batch_products(format, bytes, inputs, columns, out),
        }
    });
    let mut start = 0;
    for product in products {
        let outputs = product.matrix.rows();
        let found = &scratch[start..start + outputs * count];
        start += found.len();
        for (input, out) in product.out.chunks_exact_mut(outputs).enumerate() {
            for (out, x) in out.iter_mut().zip(found[input..].iter().step_by(count)) {
                match product.store {
                    Store::Overwrite => *out = *x,
                    Store::Add => *out += *x,
                }
            }
        }
    }
}
