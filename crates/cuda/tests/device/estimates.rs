//! The online estimates: what the device finds is what the CPU finds, up to the rounding of scores.

use crate::report::{Outcome, Report};
use half::bf16;
use minference_attention::synthetic::normal;
use minference_attention::{AttentionBackend, AttentionInputs, CpuBackend, TensorView};
use minference_cuda::CudaDevice;
use std::sync::Mutex;

/// Queries, keys, head_dim, window.
const SHAPES: [(usize, usize, usize, Option<usize>); 8] = [
    (1, 1, 64, None),
    (64, 64, 128, None),
    (65, 130, 80, None),
    (300, 300, 96, Some(70)),
    (200, 3000, 128, None),
    (1000, 1000, 192, Some(500)),
    (100, 70_000, 64, None),
    (5000, 5001, 256, None),
];

pub(crate) fn run(device: &CudaDevice, seed: u64, report: &mut Report) {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let (queries, keys, head_dim, window) = shape;
        let name =
            |what| format!("{what} of {queries} queries, {keys} keys of {head_dim}, window {window:?}");
        let seed = seed + i as u64;
        report.case(&name("votes"), || votes(device, shape, seed));
        report.case(&name("block scores"), || block_scores(device, shape, seed));
    }
}

/// Runs something on inputs of four query heads over two key-value heads.
fn with_inputs<R>(
    (queries, keys, head_dim, window): (usize, usize, usize, Option<usize>),
    seed: u64,
    run: impl FnOnce(&AttentionInputs<'_>) -> Result<R, Box<dyn std::error::Error>>,
) -> Result<R, Box<dyn std::error::Error>> {
    let rounded = |count, seed| -> Vec<bf16> {
        normal(count, seed).into_iter().map(|x| bf16::from_f32(1.5 * x)).collect()
    };
    let (q, k) = (rounded(queries * 4 * head_dim, seed), rounded(keys * 2 * head_dim, seed ^ 1));
    let (q, k) = (TensorView::new(&q, [queries, 4, head_dim])?, TensorView::new(&k, [keys, 2, head_dim])?);
    run(&AttentionInputs::new(q, k, k)?.with_sliding_window(window)?)
}

fn votes(device: &CudaDevice, shape: (usize, usize, usize, Option<usize>), seed: u64) -> Outcome {
    with_inputs(shape, seed, |inputs| {
        let cpu = CpuBackend::new()?;
        let mut worst = 0.0f32;
        for (head, votes) in [(0, 64), (3, 1), (2, 17)] {
            let expected = cpu.last_query_scores(inputs, head, votes)?;
            let found = device.last_query_scores(inputs, head, votes)?;
            let again = device.last_query_scores(inputs, head, votes)?;
            if found != again {
                return Err("two runs differ".into());
            }
            worst = worst.max(largest_difference(&found.columns, &expected.columns)?);
            worst = worst.max(largest_difference(&found.diagonals, &expected.diagonals)?);
        }
        judge(worst)
    })
}

fn block_scores(device: &CudaDevice, shape: (usize, usize, usize, Option<usize>), seed: u64) -> Outcome {
    with_inputs(shape, seed, |inputs| {
        let rows = |backend: &dyn AttentionBackend| -> minference_attention::Result<Vec<(usize, Vec<f32>)>> {
            let seen = Mutex::new(Vec::new());
            let visit = |block: usize, scores: &[f32]| {
                seen.lock().expect("no visitor panics").push((block, scores.to_vec()));
            };
            backend.pooled_block_scores(inputs, 3, &visit)?;
            let mut seen = seen.into_inner().expect("no visitor panics");
            seen.sort_by_key(|(block, _)| *block);
            Ok(seen)
        };
        let (found, expected) = (rows(device)?, rows(&CpuBackend::new()?)?);
        if found.len() != expected.len() {
            return Err(format!("{} rows of {}", found.len(), expected.len()).into());
        }
        let mut worst = 0.0f32;
        for ((found_block, found), (block, expected)) in found.iter().zip(&expected) {
            if found_block != block {
                return Err(format!("row {found_block} in place of {block}").into());
            }
            worst = worst.max(largest_difference(found, expected)?);
        }
        judge(worst)
    })
}

/// The largest difference, relative to the expected score or to a small one.
fn largest_difference(found: &[f32], expected: &[f32]) -> Result<f32, String> {
    if found.len() != expected.len() {
        return Err(format!("{} scores of {}", found.len(), expected.len()));
    }
    let difference = |(found, expected): (&f32, &f32)| {
        let relative = (found - expected).abs() / (expected.abs() + 1e-3);
        if relative.is_nan() { f32::INFINITY } else { relative }
    };
    Ok(found.iter().zip(expected).map(difference).fold(0.0, f32::max))
}

/// Both add in `f32`, but in another order.
fn judge(worst: f32) -> Outcome {
    match worst <= 1e-3 {
        true => Ok(format!("relative difference {worst:.1e} at most")),
        false => Err(format!("a relative difference of {worst:.2e}").into()),
    }
}
