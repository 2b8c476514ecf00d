use super::many_rows::TASK_TOKENS;
use super::*;
use crate::device::kernels::{BLOCK_COLUMNS, BLOCK_ROWS, GROUP};
use crate::device::matrix::WeightBytes;
use crate::device::weight_format::WeightFormat;
use minference_attention::synthetic::normal;

fn matrix(rows: usize, columns: usize) -> (Matrix, Vec<f32>) {
    let values = normal(rows * columns, 5);
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    (Matrix::new(rows, columns, WeightFormat::F32, WeightBytes::owned(bytes)).unwrap(), values)
}

/// Products of several shapes with some rows, on 1, 2 and 3 threads and every instruction set,
/// against f64.
fn check(arithmetic: MatmulArithmetic, columns: usize, outputs: [usize; 2], counts: &[usize]) {
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
            let mut scratch = ProductScratch::default();
            pool.install(|| multiply(&kernels, arithmetic, &inputs, &mut products, &mut scratch));
            results.push(outs);
        }
        assert!(results.iter().all(|outs| *outs == results[0]), "{set}, {count} rows: depends on threads");
        for (m, (_, values)) in matrices.iter().enumerate() {
            for (i, input) in inputs.chunks(columns).enumerate() {
                for (o, row) in values.chunks(columns).enumerate() {
                    let products = row.iter().zip(input).map(|(x, y)| f64::from(*x) * f64::from(*y));
                    let exact = products.clone().sum::<f64>() + [0.0, 0.25][m];
                    let size = products.map(f64::abs).sum::<f64>() + 1.0;
                    let rounding = match arithmetic {
                        MatmulArithmetic::Int8 if count > MOST_INPUTS => rounding_to_8_bits(row, input),
                        _ => 0.0,
                    };
                    let error = (f64::from(results[0][m][i * outputs[m] + o]) - exact).abs();
                    assert!(
                        error < 2e-6 * size + rounding,
                        "{set}, {arithmetic:?}, {count} rows, output {o} of {i}: off by {error}"
                    );
                }
            }
        }
    }
}

/// How far a product may be off where each number is off by half a step of its group at most.
fn rounding_to_8_bits(weights: &[f32], inputs: &[f32]) -> f64 {
    let half_step = |group: &[f32], most: f64| {
        group.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max) / most / 2.0 * (1.0 + 1e-6)
    };
    weights
        .chunks(GROUP)
        .zip(inputs.chunks(GROUP))
        .map(|(weights, inputs)| {
            let (w, x) = (half_step(weights, 63.0), half_step(inputs, 127.0));
            let off =
                |(weight, input): (&f32, &f32)| w * f64::from(input.abs()) + x * f64::from(weight.abs());
            weights.iter().zip(inputs).map(off).sum::<f64>() + w * x * weights.len() as f64
        })
        .sum()
}

#[test]
fn few_and_many_rows_agree_with_f64_on_any_number_of_threads() {
    for arithmetic in [MatmulArithmetic::F32, MatmulArithmetic::Int8] {
        check(arithmetic, 96, [49, 7], &[1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 130]);
    }
}

#[test]
fn columns_and_tokens_beyond_one_block_agree_with_f64() {
    for arithmetic in [MatmulArithmetic::F32, MatmulArithmetic::Int8] {
        check(arithmetic, BLOCK_COLUMNS + 72, [BLOCK_ROWS, BLOCK_ROWS + 1], &[1, 12]);
        check(arithmetic, 8, [2, 3], &[TASK_TOKENS - 1, TASK_TOKENS + 17]);
    }
}

#[test]
fn eight_bits_keep_what_they_can_represent() {
    // The largest magnitudes of both, which AVX2's 16-bit sums have to hold; zeros; and numbers
    // that are not finite.
    let columns = 2 * GROUP;
    let rows = [vec![1.0; columns], vec![-1.0; columns], vec![0.0; columns]].concat();
    let bytes = rows.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    let matrix = Matrix::new(3, columns, WeightFormat::F32, WeightBytes::owned(bytes)).unwrap();
    let count = MOST_INPUTS + 4;
    let mut inputs = vec![1.0; count * columns];
    inputs[columns..2 * columns].fill(-1.0);
    inputs[2 * columns..3 * columns].fill(0.0);
    inputs[3 * columns] = f32::NAN;
    inputs[4 * columns + 1] = f32::INFINITY;
    inputs[5 * columns..6 * columns].fill(f32::MIN_POSITIVE);
    for (set, kernels) in Kernels::available() {
        let mut out = vec![0.0; count * 3];
        let mut product = [Product { matrix: &matrix, out: &mut out, store: Store::Overwrite }];
        multiply(&kernels, MatmulArithmetic::Int8, &inputs, &mut product, &mut ProductScratch::default());
        let sum = columns as f32;
        for (found, expected) in
            out.chunks(3).zip([[sum, -sum, 0.0], [-sum, sum, 0.0], [0.0; 3]]).map(|(x, y)| (x.to_vec(), y))
        {
            assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() <= 1e-4), "{set}: {found:?}");
        }
        assert!(out[9..15].iter().all(|x| !x.is_finite()), "{set}: {:?}", &out[9..15]);
        assert!(out[15..18].iter().all(|x| x.abs() <= 1e-30), "{set}: {:?}", &out[15..18]);
    }
}
