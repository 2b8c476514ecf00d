//! Products of `f32` rows with stored matrices.
//!
//! - Few rows (decoding) are bound by memory: every row of the matrix is read once, as it is stored, and widened in registers.
//! - Many rows (prefill) are bound by arithmetic: the matrix is widened to `f32`, a part at a time, and multiplied by `gemm`.
//!   Widening costs as much as a few rows of products do, so that a thousand rows at once hide it.

use super::Matrix;
use crate::kernels::{Kernels, MOST_INPUTS};
use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// Elements of a matrix that are `f32` at the same time.
const WIDENED: usize = 8 << 20;
/// Bytes of a matrix that one task of a product with few rows reads: large against the cost of a task, small against a matrix.
const TASK_BYTES: usize = 32 << 10;

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

/// `out[i][o] = sum over c of inputs[i][c] * matrix[o][c]`, for several matrices that share their inputs, `[inputs, columns]`.
/// Runs on the current thread pool; results do not depend on its size. `scratch` is kept for the next call.
pub(crate) fn multiply(
    kernels: &Kernels,
    inputs: &[f32],
    products: &mut [Product<'_>],
    scratch: &mut Vec<f32>,
) {
    let Some(columns) = products.first().map(|product| product.matrix.columns()) else { return };
    let count = inputs.len() / columns;
    for product in products.iter() {
        assert_eq!(product.matrix.columns(), columns, "columns of matrices that share their inputs");
        assert_eq!(product.out.len(), count * product.matrix.rows(), "outputs of a product");
    }
    if count <= MOST_INPUTS {
        multiply_few(kernels, inputs, count, products, scratch);
    } else {
        for product in products {
            multiply_many(kernels, inputs, count, product, scratch);
        }
    }
}

/// Decoding: one parallel region for all matrices.
fn multiply_few(
    kernels: &Kernels,
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
        kernels.products(matrix.format(), matrix.row_bytes(rows), inputs, matrix.columns(), out);
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

/// Prefill: a part of the matrix at a time is widened by all threads, then multiplied by all threads.
fn multiply_many(
    kernels: &Kernels,
    inputs: &[f32],
    count: usize,
    product: &mut Product<'_>,
    scratch: &mut Vec<f32>,
) {
    let matrix = product.matrix;
    let (outputs, columns) = (matrix.rows(), matrix.columns());
    let step = (WIDENED / columns).max(1).min(outputs);
    grow(scratch, step * columns);
    for start in (0..outputs).step_by(step) {
        let part = start..(start + step).min(outputs);
        let widened = &mut scratch[..part.len() * columns];
        // rows per task, so that a task is some tens of microseconds
        const RUN: usize = 16;
        widened.par_chunks_mut(RUN * columns).enumerate().for_each(|(run, out)| {
            let first = part.start + run * RUN;
            let rows = first..first + out.len() / columns;
            kernels.widen(matrix.format(), matrix.row_bytes(rows), columns, out);
        });
        assert!(product.out.len() >= count * outputs && inputs.len() >= count * columns);
        // SAFETY: destination `[count, part]` within `[count, outputs]`, left side `[count, columns]`, right side
        // `[columns, part]` as the transpose of `widened`: all within their slices, by the assertion above and the sizes just
        // computed; the destination is borrowed exclusively.
        unsafe {
            gemm(
                count,
                part.len(),
                columns,
                product.out.as_mut_ptr().add(part.start),
                1,
                outputs as isize,
                product.store == Store::Add,
                inputs.as_ptr(),
                1,
                columns as isize,
                widened.as_ptr(),
                columns as isize,
                1,
                1.0f32,
                1.0f32,
                false,
                false,
                false,
                Parallelism::Rayon(rayon::current_num_threads()),
            );
        }
    }
}

/// Makes room without giving any back.
fn grow(scratch: &mut Vec<f32>, len: usize) {
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{WeightBytes, WeightFormat};
    use minference_attention::synthetic::normal;

    fn matrix(rows: usize, columns: usize) -> (Matrix, Vec<f32>) {
        let values = normal(rows * columns, 5);
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        (Matrix::new(rows, columns, WeightFormat::F32, WeightBytes::owned(bytes)).unwrap(), values)
    }

    #[test]
    fn few_and_many_rows_agree_with_f64_on_any_number_of_threads() {
        let (columns, outputs) = (96, [40, 7]);
        let kernels = Kernels::for_instruction_set(minference_attention::InstructionSet::best());
        let matrices = outputs.map(|outputs| matrix(outputs, columns));
        for count in [1, 2, 7, 8, 9, 64, 130] {
            let inputs = normal(count * columns, 6);
            let mut results = Vec::new();
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut outs = outputs.map(|outputs| vec![0.25f32; count * outputs]);
                let [first, second] = &mut outs;
                let mut products = [
                    Product { matrix: &matrices[0].0, out: first, store: Store::Overwrite },
                    Product { matrix: &matrices[1].0, out: second, store: Store::Add },
                ];
                pool.install(|| multiply(&kernels, &inputs, &mut products, &mut Vec::new()));
                results.push(outs);
            }
            assert!(results.iter().all(|outs| *outs == results[0]), "{count} rows: depends on the threads");
            for (m, (_, values)) in matrices.iter().enumerate() {
                for (i, input) in inputs.chunks(columns).enumerate() {
                    for (o, row) in values.chunks(columns).enumerate() {
                        let exact: f64 =
                            row.iter().zip(input).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                        let exact = exact + [0.0, 0.25][m];
                        let error = (f64::from(results[0][m][i * outputs[m] + o]) - exact).abs();
                        assert!(error < 1e-4, "{count} rows, output {o} of {i}: off by {error}");
                    }
                }
            }
        }
    }
}
