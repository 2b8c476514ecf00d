//! Kernels on codes do what they do on the numbers that these mean.

use super::{BITS, HEAD_DIMS, LENGTHS, quantized, read};
use half::f16;
use minference_attention::quantized::Grouping;
use minference_attention::synthetic::normal;
use minference_attention::{
    Arithmetic, AttentionBackend, AttentionInputs, CpuBackend, HeadPattern, InstructionSet, LineScores,
    SparseIndex, TensorView, TensorViewMut, reference,
};
use std::sync::Mutex;

/// One query head more than kernels take at once, for each of two key-value heads.
const HEADS: [usize; 2] = [18, 2];

fn backend(set: InstructionSet, arithmetic: Arithmetic) -> CpuBackend {
    CpuBackend::builder().threads(2).instruction_set(set).arithmetic(arithmetic).build().unwrap()
}

fn attend(backend: &CpuBackend, inputs: &AttentionInputs<'_>, pattern: HeadPattern) -> Vec<f32> {
    let shape = inputs.q().shape();
    let indices: Vec<SparseIndex> =
        (0..inputs.heads()).map(|head| pattern.select(backend, inputs, head).unwrap()).collect();
    let mut output = vec![0.0f32; shape.iter().product()];
    backend.attend(inputs, &indices, &mut TensorViewMut::new(&mut output, shape).unwrap()).unwrap();
    output
}

fn block_scores(backend: &CpuBackend, inputs: &AttentionInputs<'_>) -> Vec<Vec<f32>> {
    let scores = Mutex::new(vec![vec![]; inputs.geometry().query_blocks()]);
    let visit = |block: usize, row: &[f32]| scores.lock().unwrap()[block] = row.to_vec();
    backend.pooled_block_scores(inputs, 3, &visit).unwrap();
    scores.into_inner().unwrap()
}

/// All that a backend computes: some queries with two patterns, one query, both estimates.
fn everything(
    backend: &CpuBackend,
    q: TensorView<'_>,
    k: TensorView<'_>,
    v: TensorView<'_>,
) -> (Vec<Vec<f32>>, LineScores, Vec<Vec<f32>>) {
    let prefill = AttentionInputs::new(q, k, v).unwrap();
    let step = AttentionInputs::new(q.tokens_from(q.tokens() - 1).unwrap(), k, v).unwrap();
    let windowed = step.with_sliding_window(Some(200.min(k.tokens()))).unwrap();
    let outputs = vec![
        attend(backend, &prefill, HeadPattern::Dense),
        attend(backend, &prefill, HeadPattern::VerticalSlash { vertical: 20, slash: 40 }),
        attend(backend, &step, HeadPattern::Dense),
        attend(backend, &windowed, HeadPattern::Dense),
    ];
    let lines = backend.last_query_scores(&prefill, 3, 64).unwrap();
    (outputs, lines, block_scores(backend, &prefill))
}

#[test]
fn every_kernel_reads_codes_bit_for_bit() {
    let [heads, kv_heads] = HEADS;
    for set in InstructionSet::available() {
        let backend = backend(set, Arithmetic::F32);
        for (i, tokens) in LENGTHS.into_iter().enumerate() {
            let (head_dim, bits) = (HEAD_DIMS[i % 4], BITS[i / 4 % 2]);
            let queries = tokens.min(70);
            let q = normal(queries * heads * head_dim, 1);
            let [k, v] = [2, 3].map(|seed| normal(tokens * kv_heads * head_dim, seed));
            let k = quantized(&k, [kv_heads, head_dim], bits, Grouping::PerChannel);
            let v = quantized(&v, [kv_heads, head_dim], bits, Grouping::PerToken);
            let (wide_k, wide_v) = (read(k.view()), read(v.view()));
            let q = TensorView::new(&q, [queries, heads, head_dim]).unwrap();
            let [wide_k, wide_v] = [&wide_k, &wide_v]
                .map(|values| TensorView::new(values, [tokens, kv_heads, head_dim]).unwrap());
            let found = everything(&backend, q, k.view(), v.view());
            let expected = everything(&backend, q, wide_k, wide_v);
            assert!(found == expected, "{set}, {tokens} tokens of {head_dim} in {bits:?}");
        }
    }
}

/// A window begins anywhere in a group; keys and values need not both be codes.
#[test]
fn a_step_starts_anywhere_and_mixes_with_elements() {
    let (tokens, head_dim) = (1500, 24);
    let q = normal(4 * head_dim, 1);
    let [k, v] = [2, 3].map(|seed| normal(tokens * 2 * head_dim, seed));
    let codes = quantized(&k, [2, head_dim], BITS[1], Grouping::PerChannel);
    let wide = read(codes.view());
    let halves: Vec<f16> = v.iter().map(|&x| f16::from_f32(x)).collect();
    let q = TensorView::new(&q, [1, 4, head_dim]).unwrap();
    let halves = TensorView::new(&halves, [tokens, 2, head_dim]).unwrap();
    let wide_halves = read(halves);
    let [wide, wide_halves] =
        [&wide, &wide_halves].map(|values| TensorView::new(values, [tokens, 2, head_dim]).unwrap());
    for set in InstructionSet::available() {
        let backend = backend(set, Arithmetic::F32);
        for window in [1, 31, 1000, 1371, 1472] {
            let step = |k, v| {
                let inputs = AttentionInputs::new(q, k, v).unwrap().with_sliding_window(Some(window));
                attend(&backend, &inputs.unwrap(), HeadPattern::Dense)
            };
            assert!(step(codes.view(), halves) == step(wide, wide_halves), "{set}, window {window}");
            assert!(step(halves, codes.view()) == step(wide_halves, wide), "{set}, window {window}");
        }
    }
}

/// Where arithmetic has 16 bits, codes are computed as exactly as `f16` is: against float64, at
/// most twice as far off.
#[test]
fn sixteen_bit_arithmetic_is_as_exact_as_with_halves() {
    let (tokens, head_dim, [heads, kv_heads]) = (400, 64, [4, 2]);
    let q = normal(tokens * heads * head_dim, 1);
    let q = TensorView::new(&q, [tokens, heads, head_dim]).unwrap();
    let [k, v] = [2, 3].map(|seed| normal(tokens * kv_heads * head_dim, seed));
    let [half_k, half_v] =
        [&k, &v].map(|values| values.iter().map(|&x| f16::from_f32(x)).collect::<Vec<f16>>());
    let [half_k, half_v] =
        [&half_k, &half_v].map(|values| TensorView::new(values, [tokens, kv_heads, head_dim]).unwrap());
    let dense = vec![SparseIndex::Dense; heads];
    for set in InstructionSet::available() {
        let backend = backend(set, Arithmetic::Auto);
        let error = |k: TensorView<'_>, v: TensorView<'_>| -> f64 {
            let inputs = AttentionInputs::new(q, k, v).unwrap();
            let expected = reference::attend(&inputs, &dense).unwrap();
            let found = attend(&backend, &inputs, HeadPattern::Dense);
            let squares = |difference: &mut dyn Iterator<Item = f64>| difference.map(|x| x * x).sum::<f64>();
            let off = squares(&mut found.iter().zip(&expected).map(|(x, y)| f64::from(*x) - y));
            (off / squares(&mut expected.iter().copied())).sqrt()
        };
        let halves = error(half_k, half_v);
        for bits in BITS {
            let codes_k = quantized(&k, [kv_heads, head_dim], bits, Grouping::PerChannel);
            let codes_v = quantized(&v, [kv_heads, head_dim], bits, Grouping::PerToken);
            let codes = error(codes_k.view(), codes_v.view());
            assert!(codes <= 2.0 * halves, "{set}, {bits:?}: {codes:e}, with halves {halves:e}");
        }
    }
}
