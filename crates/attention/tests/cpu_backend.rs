//! What the CPU backend promises beside accuracy: independence of threads, any output, little
//! memory, never more work.

use half::{bf16, f16};
use minference_attention::synthetic::{Planted, normal, planted_head};
use minference_attention::{
    Arithmetic, AttentionBackend, AttentionInputs, CpuBackend, Geometry, HeadPattern, InstructionSet,
    LayerPlan, Lowering, SparseIndex, TensorView, TensorViewMut, attend_layer,
};

const PATTERNS: [HeadPattern; 5] = [
    HeadPattern::Dense,
    HeadPattern::AShape { sink: 64, local: 300 },
    HeadPattern::TriShape { sink: 10, local: 200, last: 70 },
    HeadPattern::VerticalSlash { vertical: 100, slash: 150 },
    HeadPattern::BlockSparse { top_k: 5 },
];

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (tokens, heads, head_dim) = (9000, 5, 16);
    let data: Vec<f16> = normal(tokens * heads * head_dim, 1).into_iter().map(f16::from_f32).collect();
    let q = TensorView::new(&data, [tokens, heads, head_dim]).unwrap();
    let k = TensorView::strided(&data, [tokens, 1, head_dim], [heads * head_dim, head_dim]).unwrap();
    let inputs = AttentionInputs::new(q, k, k).unwrap();
    let step = AttentionInputs::new(q.tokens_from(tokens - 1).unwrap(), k, k).unwrap();
    for set in InstructionSet::available() {
        let run = |threads| {
            let backend = CpuBackend::builder().threads(threads).instruction_set(set).build().unwrap();
            let mut output = vec![0.0f32; (tokens + 1) * heads * head_dim];
            let (prefill, decode) = output.split_at_mut(tokens * heads * head_dim);
            let mut target = TensorViewMut::new(prefill, [tokens, heads, head_dim]).unwrap();
            let indices: Vec<_> =
                PATTERNS.iter().enumerate().map(|(h, p)| p.select(&backend, &inputs, h).unwrap()).collect();
            backend.attend(&inputs, &indices, &mut target).unwrap();
            let mut target = TensorViewMut::new(decode, [1, heads, head_dim]).unwrap();
            backend.attend(&step, &vec![SparseIndex::Dense; heads], &mut target).unwrap();
            output
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            // bit for bit
            assert!(run(threads) == one, "{set} with {threads} threads");
        }
    }
}

#[test]
fn any_output_type_and_stride_is_written() {
    let data = normal(130 * 2 * 24, 1);
    let view = TensorView::new(&data, [130, 2, 24]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let backend = CpuBackend::builder().threads(2).arithmetic(Arithmetic::F32).build().unwrap();
    let indices = vec![SparseIndex::Dense; 2];
    let mut plain = vec![0.0f32; data.len()];
    backend.attend(&inputs, &indices, &mut TensorViewMut::new(&mut plain, [130, 2, 24]).unwrap()).unwrap();
    let mut halves = vec![f16::ZERO; data.len()];
    backend.attend(&inputs, &indices, &mut TensorViewMut::new(&mut halves, [130, 2, 24]).unwrap()).unwrap();
    let mut brains = vec![bf16::ZERO; data.len()];
    backend.attend(&inputs, &indices, &mut TensorViewMut::new(&mut brains, [130, 2, 24]).unwrap()).unwrap();
    // head-major, with a gap of 3 after each row that must stay untouched
    let mut strided = vec![7.0f32; 2 * 130 * 27];
    let mut target = TensorViewMut::strided(&mut strided, [130, 2, 24], [27, 130 * 27]).unwrap();
    backend.attend(&inputs, &indices, &mut target).unwrap();
    for (i, &x) in plain.iter().enumerate() {
        let (token, head, d) = (i / 48, i / 24 % 2, i % 24);
        assert_eq!(halves[i], f16::from_f32(x));
        assert_eq!(brains[i], bf16::from_f32(x));
        assert_eq!(strided[head * 130 * 27 + token * 27 + d], x);
    }
    assert!(strided.chunks_exact(27).all(|row| row[24..] == [7.0; 3]));
}

#[test]
fn chunks_agree_with_the_whole() {
    let tokens = 700;
    let (q, k, v) = (normal(tokens * 4 * 32, 1), normal(tokens * 2 * 32, 2), normal(tokens * 2 * 32, 3));
    let view = |data, heads| TensorView::new(data, [tokens, heads, 32]).unwrap();
    let (q, k, v) = (view(&q, 4), view(&k, 2), view(&v, 2));
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let dense = vec![SparseIndex::Dense; 4];
    let mut whole = vec![0.0f32; tokens * 4 * 32];
    let inputs = AttentionInputs::new(q, k, v).unwrap();
    backend.attend(&inputs, &dense, &mut TensorViewMut::new(&mut whole, [tokens, 4, 32]).unwrap()).unwrap();
    for (start, end) in [(0, 1), (1, 2), (2, 100), (100, 613), (613, 614), (614, 700)] {
        let part = AttentionInputs::new(
            q.token_range(start, end).unwrap(),
            k.token_range(0, end).unwrap(),
            v.token_range(0, end).unwrap(),
        )
        .unwrap();
        let mut output = vec![0.0f32; (end - start) * 4 * 32];
        let mut target = TensorViewMut::new(&mut output, [end - start, 4, 32]).unwrap();
        backend.attend(&part, &dense, &mut target).unwrap();
        for (x, y) in output.iter().zip(&whole[start * 4 * 32..]) {
            assert!((x - y).abs() < 2e-6, "{x} and {y} in {start}..{end}");
        }
    }
}

#[test]
fn what_cannot_pay_runs_dense() {
    let tokens = 2000;
    let data = normal(tokens * 16, 1);
    let view = TensorView::new(&data, [tokens, 1, 16]).unwrap();
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let run = |inputs: &AttentionInputs<'_>, pattern| {
        let shape = inputs.q().shape();
        let mut output = vec![0.0f32; shape.iter().product()];
        let mut target = TensorViewMut::new(&mut output, shape).unwrap();
        attend_layer(&backend, inputs, &[pattern], &mut target).unwrap()
    };
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    // covers everything
    let report = run(&inputs, HeadPattern::VerticalSlash { vertical: 1000, slash: 6096 });
    assert!(report.heads[0].ran_dense && report.computed_share() == 1.0);
    let report = run(&inputs, HeadPattern::BlockSparse { top_k: 100 });
    assert!(report.heads[0].ran_dense);
    // a few queries don't pay for an estimate, whatever it would find
    let chunk = AttentionInputs::new(view.tokens_from(tokens - 10).unwrap(), view, view).unwrap();
    assert!(run(&chunk, HeadPattern::VerticalSlash { vertical: 30, slash: 100 }).heads[0].ran_dense);
    // a static pattern costs nothing to choose
    let report = run(&inputs, HeadPattern::AShape { sink: 64, local: 64 });
    assert!(!report.heads[0].ran_dense && report.computed_share() < 0.2);
    assert_eq!(report.causal_pairs(), Geometry::prefill(tokens).causal_pairs());
}

#[test]
fn the_last_queries_see_everything_if_asked_to() {
    let (tokens, heads, width) = (1950, 3, 3 * 16);
    let shape = [tokens, heads, 16];
    let [q, k, v] = [1, 2, 3].map(|seed| normal(tokens * width, seed));
    let view = |data| TensorView::new(data, shape).unwrap();
    let whole = AttentionInputs::new(view(&q), view(&k), view(&v)).unwrap();
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let patterns = [
        HeadPattern::AShape { sink: 64, local: 64 },
        HeadPattern::BlockSparse { top_k: 3 },
        HeadPattern::TriShape { sink: 64, local: 64, last: 200 },
    ];
    let run = |inputs: &AttentionInputs<'_>, heads: &[HeadPattern], dense_queries| {
        let shape = inputs.q().shape();
        let mut output = vec![0.0f32; shape.iter().product()];
        let mut target = TensorViewMut::new(&mut output, shape).unwrap();
        let report = attend_layer(
            &backend,
            inputs,
            LayerPlan { dense_queries, ..LayerPlan::from(heads) },
            &mut target,
        )
        .unwrap();
        (output, report)
    };
    let (dense, _) = run(&whole, &[HeadPattern::Dense; 3], 0);
    let (pure, pure_report) = run(&whole, &patterns, 0);
    let (output, report) = run(&whole, &patterns, 64);
    // Queries 1,886 and on, and with them the rest of their block, which begins at 1,856; of the
    // last head 1,750 and on.
    for (row, found) in output.chunks(width).enumerate() {
        for (head, found) in found.chunks(16).enumerate() {
            let first_dense = if head == 2 { 1728 } else { 1856 };
            let wanted = if row < first_dense { &pure } else { &dense };
            let wanted = &wanted[row * width + head * 16..][..16];
            assert!(found.iter().zip(wanted).all(|(x, y)| (x - y).abs() < 2e-6), "row {row}, head {head}");
        }
    }
    assert!(report.heads.iter().all(|head| !head.ran_dense));
    let more = |head: usize| report.heads[head].pairs - pure_report.heads[head].pairs;
    assert!(more(0) > 94 * 1700 && more(1) > 94 * 1600 && more(2) == 0, "{report:?}");
    // a question is dense as a whole, and nothing is estimated for it
    let rows = |data| view(data).tokens_from(tokens - 60).unwrap();
    let question = AttentionInputs::new(rows(&q), view(&k), view(&v)).unwrap();
    assert!(run(&question, &patterns, 64).1.heads.iter().all(|head| head.ran_dense));
    assert!(run(&question, &patterns, 0).1.heads.iter().any(|head| !head.ran_dense));
    // nor for one that is little longer: both of its blocks have a dense query
    let longer =
        AttentionInputs::new(view(&q).tokens_from(tokens - 100).unwrap(), view(&k), view(&v)).unwrap();
    assert!(run(&longer, &patterns, 64).1.heads.iter().all(|head| head.ran_dense));
}

/// At this length an estimate costs 8 % of a head, so that 8 heads may try 3 times before one has
/// to be useful.
#[test]
fn useful_estimates_pay_for_others() {
    let (tokens, head_dim) = (2000, 16);
    let planted = planted_head(tokens, head_dim, &Planted::typical(tokens, 1), 1);
    let noise = [1, 2, 3].map(|seed| normal(tokens * head_dim, seed));
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let run = |is_planted: &[bool]| -> Vec<bool> {
        let heads = is_planted.len();
        let shape = [tokens, heads, head_dim];
        let interleave = |planted: &[f32], noise: &[f32]| -> Vec<f32> {
            let rows = planted.chunks(head_dim).zip(noise.chunks(head_dim));
            rows.flat_map(|(x, y)| is_planted.iter().flat_map(move |&p| if p { x } else { y }).copied())
                .collect()
        };
        let [q, k, v] = [(&planted.q, &noise[0]), (&planted.k, &noise[1]), (&planted.v, &noise[2])]
            .map(|(x, y)| interleave(x, y));
        let view = |data| TensorView::new(data, shape).unwrap();
        let inputs = AttentionInputs::new(view(&q), view(&k), view(&v)).unwrap();
        let mut output = vec![0.0f32; q.len()];
        let mut target = TensorViewMut::new(&mut output, shape).unwrap();
        // so many diagonals of noise cover nearly everything
        let pattern =
            |&planted| HeadPattern::VerticalSlash { vertical: 30, slash: if planted { 60 } else { 600 } };
        let patterns: Vec<HeadPattern> = is_planted.iter().map(pattern).collect();
        let report = attend_layer(&backend, &inputs, &patterns, &mut target).unwrap();
        report.heads.iter().map(|head| !head.ran_dense).collect()
    };
    assert_eq!(run(&[true]), [false], "one head can't afford it");
    assert_eq!(run(&[true; 8]), [true; 8]);
    assert_eq!(run(&[false; 8]), [false; 8]);
    let useless_first = [false, false, false, true, true, true, true, true];
    assert_eq!(run(&useless_first), [false; 8], "the allowance is spent");
    let useful_first = [false, false, true, true, true, true, true, false];
    assert_eq!(run(&useful_first), useful_first);
}

#[test]
fn the_report_counts_canonical_pairs() {
    let tokens = 6000;
    let head = planted_head(tokens, 16, &Planted::typical(tokens, 1), 1);
    let view = |data| TensorView::new(data, [tokens, 1, 16]).unwrap();
    let inputs = AttentionInputs::new(view(&head.q), view(&head.k), view(&head.v)).unwrap();
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let pattern = HeadPattern::VerticalSlash { vertical: 50, slash: 200 };
    let mut output = vec![0.0f32; tokens * 16];
    let mut target = TensorViewMut::new(&mut output, [tokens, 1, 16]).unwrap();
    let report = attend_layer(&backend, &inputs, &[pattern], &mut target).unwrap();
    let index = pattern.select(&backend, &inputs, 0).unwrap();
    assert_eq!(report.pairs(), Lowering::new(&index, inputs.geometry()).unwrap().pairs());
    assert!(!report.heads[0].ran_dense);
}

/// Twice the scale is the same as queries twice as long: both are exact in floating point.
#[test]
fn the_softmax_scale_multiplies_scores() {
    let (tokens, head_dim) = (150, 64);
    let [q, k, v] = [1, 2, 3].map(|seed| normal(tokens * head_dim, seed));
    let doubled: Vec<f32> = q.iter().map(|x| 2.0 * x).collect();
    for set in InstructionSet::available() {
        let builder = CpuBackend::builder().threads(1).instruction_set(set).arithmetic(Arithmetic::F32);
        let backend = builder.build().unwrap();
        for queries in [tokens, 1] {
            let attend = |q: &[f32], scale: Option<f32>| {
                let q = TensorView::new(&q[(tokens - queries) * head_dim..], [queries, 1, head_dim]).unwrap();
                let kv = [&k, &v].map(|data| TensorView::new(data, [tokens, 1, head_dim]).unwrap());
                let mut inputs = AttentionInputs::new(q, kv[0], kv[1]).unwrap();
                if let Some(scale) = scale {
                    inputs = inputs.with_scale(scale).unwrap();
                }
                let mut output = vec![0.0f32; queries * head_dim];
                let mut target = TensorViewMut::new(&mut output, [queries, 1, head_dim]).unwrap();
                backend.attend(&inputs, &[SparseIndex::Dense], &mut target).unwrap();
                output
            };
            assert_eq!(attend(&q, Some(0.25)), attend(&doubled, None), "{set:?}, {queries} queries");
            assert_ne!(attend(&q, Some(0.25)), attend(&q, None));
        }
    }
}
