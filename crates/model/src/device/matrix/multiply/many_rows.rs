//! Prefill: many rows. Inputs are packed once; each task widens a block of a matrix and multiplies
//! it with a run of tokens.

use super::super::shared_rows::SharedRows;
use super::{Product, ProductScratch, Store, TaskScratch, grow};
use crate::device::compute::MatmulArithmetic;
use crate::device::kernels::{BLOCK_COLUMNS, BLOCK_ROWS, GROUP, Kernels, QuantisedBlock};
use crate::device::matrix::Matrix;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::PoisonError;

/// Rows that one task multiplies with a block of the matrix: so many that widening is cheap, so few
/// that there are tasks for all threads.
pub(super) const TASK_TOKENS: usize = 512;

/// A block of matrix rows for a run of tokens.
struct BlockTask<'a> {
    matrix: &'a Matrix,
    rows: Range<usize>,
    tokens: Range<usize>,
    store: Store,
    out: &'a SharedRows<'a>,
}

/// All inputs, as the kernels want them: blocks of [`Kernels::token_lanes`] tokens.
#[derive(Clone, Copy)]
enum PackedInputs<'a> {
    /// `[blocks][columns][lanes]`
    F32(&'a [f32]),
    /// As [`QuantisedBlock`], `[blocks]`
    Int8(QuantisedBlock<'a>),
}

pub(super) fn multiply(
    kernels: &Kernels,
    arithmetic: MatmulArithmetic,
    inputs: &[f32],
    count: usize,
    products: &mut [Product<'_>],
    scratch: &mut ProductScratch,
) {
    let columns = inputs.len() / count;
    let packed = pack(kernels, arithmetic, inputs, columns, &mut scratch.shared, &mut scratch.bytes);
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
                tasks.push(BlockTask { matrix, rows, tokens, store: *store, out });
            }
        }
    }
    let buffers = &scratch.tasks;
    tasks.par_iter().for_each(|task| {
        let lock = || buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = lock().pop().unwrap_or_default();
        run_task(kernels, task, packed, &mut buffer);
        lock().push(buffer);
    });
}

fn pack<'a>(
    kernels: &Kernels,
    arithmetic: MatmulArithmetic,
    inputs: &[f32],
    columns: usize,
    floats: &'a mut Vec<f32>,
    bytes: &'a mut Vec<u8>,
) -> PackedInputs<'a> {
    let lanes = kernels.token_lanes();
    let blocks = inputs.par_chunks(lanes * columns);
    match arithmetic {
        MatmulArithmetic::F32 => {
            let len = lanes * columns;
            grow(floats, blocks.len() * len);
            let packed = &mut floats[..blocks.len() * len];
            packed
                .par_chunks_mut(len)
                .zip(blocks)
                .for_each(|(packed, rows)| kernels.pack(rows, columns, packed));
            PackedInputs::F32(packed)
        }
        MatmulArithmetic::Int8 => {
            let groups = columns.div_ceil(GROUP);
            let (quants_len, scales_len) = (groups * GROUP * lanes, groups * lanes);
            grow(bytes, blocks.len() * quants_len);
            grow(floats, blocks.len() * scales_len);
            let quants = &mut bytes[..blocks.len() * quants_len];
            let scales = &mut floats[..blocks.len() * scales_len];
            quants.par_chunks_mut(quants_len).zip(scales.par_chunks_mut(scales_len)).zip(blocks).for_each(
                |((quants, scales), rows)| {
                    kernels.pack_int8(rows, columns, quants, scales);
                },
            );
            PackedInputs::Int8(QuantisedBlock { quants, scales })
        }
    }
}

fn run_task(kernels: &Kernels, task: &BlockTask<'_>, packed: PackedInputs<'_>, buffer: &mut TaskScratch) {
    let (columns, lanes) = (task.matrix.columns(), kernels.token_lanes());
    let step = columns.min(BLOCK_COLUMNS);
    // Sums of all columns so far, for each block of tokens as the kernel wants them:
    // `[rows][lanes]`.
    let first_block = task.tokens.start / lanes;
    let sums = task.tokens.len().div_ceil(lanes) * BLOCK_ROWS * lanes;
    let TaskScratch { floats, rows } = buffer;
    grow(floats, BLOCK_ROWS * step + sums);
    let (widened, sums) = floats[..BLOCK_ROWS * step + sums].split_at_mut(BLOCK_ROWS * step);
    sums.fill(0.0);
    for start in (0..columns).step_by(BLOCK_COLUMNS) {
        let part = start..columns.min(start + BLOCK_COLUMNS);
        let widened = &mut widened[..BLOCK_ROWS * part.len()];
        task.matrix.widen_part(kernels, task.rows.clone(), part.clone(), widened);
        // What is multiplied for nothing must be a number.
        widened[task.rows.len() * part.len()..].fill(0.0);
        let blocks = sums.chunks_exact_mut(BLOCK_ROWS * lanes).enumerate();
        match packed {
            PackedInputs::F32(packed) => {
                for (block, sums) in blocks {
                    let start = (first_block + block) * lanes * columns;
                    let tokens = &packed[start + part.start * lanes..start + part.end * lanes];
                    kernels.multiply_block(widened, part.len(), tokens, sums);
                }
            }
            PackedInputs::Int8(packed) => {
                kernels.quantise_rows(widened, part.len(), rows);
                let groups = columns.div_ceil(GROUP);
                let part = part.start / GROUP * lanes..part.end.div_ceil(GROUP) * lanes;
                for (block, sums) in blocks {
                    let start = (first_block + block) * groups * lanes;
                    let (first, last) = (start + part.start, start + part.end);
                    let inputs = QuantisedBlock {
                        quants: &packed.quants[first * GROUP..last * GROUP],
                        scales: &packed.scales[first..last],
                    };
                    kernels.multiply_block_int8(rows, inputs, sums);
                }
            }
        }
    }
    let ends = task.tokens.clone().step_by(lanes).map(|start| start..task.tokens.end.min(start + lanes));
    for (tokens, sums) in ends.zip(sums.chunks_exact(BLOCK_ROWS * lanes)) {
        // SAFETY: tasks differ in their matrix, their rows or their tokens, so that their blocks
        // don't overlap.
        let mut out = unsafe { task.out.block(tokens, task.rows.clone()) };
        match task.store {
            Store::Overwrite => kernels.store(sums, &mut out),
            Store::Add => kernels.add(sums, &mut out),
        }
    }
}
