//! Products of `f32` rows with stored matrices.
//!
//! - Few rows (decoding) are bound by memory: every row of the matrix is read once, as it is stored, and widened in registers.
//! - Many rows (prefill) are bound by arithmetic: a block of matrix rows is widened to `f32` and multiplied with hundreds of rows,
//!   which hides the widening.
//!
//! Work is cut into pieces of fixed size, so that results do not depend on the number of threads.

use super::Matrix;
use super::shared_rows::SharedRows;
use crate::kernels::{BLOCK_COLUMNS, BLOCK_ROWS, Kernels, MOST_INPUTS};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes of a matrix that one task of a product with few rows reads: large against the cost of a task, small against a matrix.
const TASK_BYTES: usize = 32 << 10;
/// Rows that one task multiplies with a block of the matrix: so many that widening is cheap, so few that there are tasks for all
/// threads.
const TASK_TOKENS: usize = 512;

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
pub(crate) struct Scratch {
    /// Results for few rows, or packed inputs.
    shared: Vec<f32>,
    /// One for each task at work: widened rows and their products.
    tasks: Mutex<Vec<Vec<f32>>>,
}

/// `out[i][o] = sum over c of inputs[i][c] * matrix[o][c]`, for several matrices that share their inputs, `[inputs, columns]`.
/// Runs on the current thread pool.
pub(crate) fn multiply(
    kernels: &Kernels,
    inputs: &[f32],
    products: &mut [Product<'_>],
    scratch: &mut Scratch,
) {
    let Some(columns) = products.first().map(|product| product.matrix.columns()) else { return };
    let count = inputs.len() / columns;
    for product in products.iter() {
        assert_eq!(product.matrix.columns(), columns, "columns of matrices that share their inputs");
        assert_eq!(product.out.len(), count * product.matrix.rows(), "outputs of a product");
    }
    if count <= MOST_INPUTS {
        multiply_few(kernels, inputs, count, products, &mut scratch.shared);
    } else {
        multiply_many(kernels, inputs, count, products, scratch);
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

/// A block of matrix rows for a run of tokens.
struct Task<'a> {
    matrix: &'a Matrix,
    rows: Range<usize>,
    tokens: Range<usize>,
    store: Store,
    out: &'a SharedRows<'a>,
}

/// Prefill: inputs are packed once; each task widens a block of a matrix and multiplies it with a run of tokens.
fn multiply_many(
    kernels: &Kernels,
    inputs: &[f32],
    count: usize,
    products: &mut [Product<'_>],
    scratch: &mut Scratch,
) {
    let columns = inputs.len() / count;
    let lanes = kernels.token_lanes();
    grow(&mut scratch.shared, count.div_ceil(lanes) * lanes * columns);
    let packed = &mut scratch.shared[..count.div_ceil(lanes) * lanes * columns];
    packed.par_chunks_mut(lanes * columns).zip(inputs.par_chunks(lanes * columns)).for_each(
        |(packed, rows)| {
            kernels.pack(rows, columns, packed);
        },
    );
    let packed = &*packed;
    let outs: Vec<(&Matrix, Store, SharedRows<'_>)> = products
        .iter_mut()
        .map(|product| (product.matrix, product.store, SharedRows::new(product.out, product.matrix.rows())))
        .collect();
    let mut tasks = Vec::new();
    for (matrix, store, out) in &outs {
        for row in (0..matrix.rows()).step_by(BLOCK_ROWS) {
            for token in (0..count).step_by(TASK_TOKENS) {
                let rows = row..matrix.rows().min(row + BLOCK_ROWS);
                let tokens = token..count.min(token + TASK_TOKENS);
                tasks.push(Task { matrix, rows, tokens, store: *store, out });
            }
        }
    }
    let buffers = &scratch.tasks;
    tasks.par_iter().for_each(|task| {
        let lock = || buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = lock().pop().unwrap_or_default();
        run_task(kernels, task, packed, lanes, &mut buffer);
        lock().push(buffer);
    });
}

fn run_task(kernels: &Kernels, task: &Task<'_>, packed: &[f32], lanes: usize, buffer: &mut Vec<f32>) {
    let columns = task.matrix.columns();
    let step = columns.min(BLOCK_COLUMNS);
    // Sums of all columns so far, for each block of tokens as the kernel wants them: `[rows][lanes]`.
    let blocks = task.tokens.len().div_ceil(lanes);
    let sums = blocks * BLOCK_ROWS * lanes;
    grow(buffer, BLOCK_ROWS * step + sums);
    let (widened, sums) = buffer[..BLOCK_ROWS * step + sums].split_at_mut(BLOCK_ROWS * step);
    sums.fill(0.0);
    for start in (0..columns).step_by(BLOCK_COLUMNS) {
        let part = start..columns.min(start + BLOCK_COLUMNS);
        let widened = &mut widened[..BLOCK_ROWS * part.len()];
        task.matrix.widen_part(kernels, task.rows.clone(), part.clone(), widened);
        // What is multiplied for nothing must be a number.
        widened[task.rows.len() * part.len()..].fill(0.0);
        for (block, sums) in sums.chunks_exact_mut(BLOCK_ROWS * lanes).enumerate() {
            let start = (task.tokens.start + block * lanes) * columns;
            let tokens = &packed[start + part.start * lanes..start + part.end * lanes];
            kernels.multiply_block(widened, part.len(), tokens, sums);
        }
    }
    for (i, token) in task.tokens.clone().enumerate() {
        // SAFETY: tasks differ in their matrix, their rows or their tokens, so that their parts don't overlap.
        let out = unsafe { task.out.part(token, task.rows.start, task.rows.len()) };
        let sums = &sums[i / lanes * BLOCK_ROWS * lanes + i % lanes..];
        let found = sums.iter().step_by(lanes);
        match task.store {
            Store::Overwrite => out.iter_mut().zip(found).for_each(|(out, x)| *out = *x),
            Store::Add => out.iter_mut().zip(found).for_each(|(out, x)| *out += x),
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

    /// Products of several shapes with some rows, on 1, 2 and 3 threads and every instruction set, against f64.
    fn check(columns: usize, outputs: [usize; 2], counts: &[usize]) {
        let matrices = outputs.map(|outputs| matrix(outputs, columns));
        for (count, (set, kernels)) in
            counts.iter().flat_map(|count| Kernels::available().into_iter().map(move |k| (*count, k)))
        {
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
                pool.install(|| multiply(&kernels, &inputs, &mut products, &mut Scratch::default()));
                results.push(outs);
            }
            assert!(
                results.iter().all(|outs| *outs == results[0]),
                "{set}, {count} rows: depends on threads"
            );
            for (m, (_, values)) in matrices.iter().enumerate() {
                for (i, input) in inputs.chunks(columns).enumerate() {
                    for (o, row) in values.chunks(columns).enumerate() {
                        let products = row.iter().zip(input).map(|(x, y)| f64::from(*x) * f64::from(*y));
                        let exact = products.clone().sum::<f64>() + [0.0, 0.25][m];
                        let size = products.map(f64::abs).sum::<f64>() + 1.0;
                        let error = (f64::from(results[0][m][i * outputs[m] + o]) - exact).abs();
                        assert!(
                            error < 2e-6 * size,
                            "{set}, {count} rows, output {o} of {i}: off by {error}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn few_and_many_rows_agree_with_f64_on_any_number_of_threads() {
        check(96, [49, 7], &[1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 130]);
    }

    #[test]
    fn columns_and_tokens_beyond_one_block_agree_with_f64() {
        check(BLOCK_COLUMNS + 72, [BLOCK_ROWS, BLOCK_ROWS + 1], &[1, 12]);
        check(8, [2, 3], &[TASK_TOKENS - 1, TASK_TOKENS + 17]);
    }
}
