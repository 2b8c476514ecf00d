//! Bad input gets a typed error that says what was expected and what was found.

use half::f16;
use minference_attention::synthetic::normal;
use minference_attention::{
    AttentionBackend, AttentionInputs, CpuBackend, Error, HeadPattern, InstructionSet, Progress, SparseIndex,
    TensorView, TensorViewMut, attend_layer,
};
use std::sync::Arc;

fn backend() -> CpuBackend {
    CpuBackend::builder().threads(2).build().unwrap()
}

/// Attends one head of 16 dimensions to copies of `normal` numbers with one of them replaced.
fn attend_with(
    queries: usize,
    keys: usize,
    tensor: usize,
    at: usize,
    value: f32,
) -> minference_attention::Result<()> {
    let mut data = [normal(queries * 2 * 16, 1), normal(keys * 16, 2), normal(keys * 16, 3)];
    data[tensor][at] = value;
    let view = |i: usize, shape| TensorView::new(&data[i], shape);
    let (kv, q) = ([keys, 1, 16], [queries, 2, 16]);
    let inputs = AttentionInputs::new(view(0, q)?, view(1, kv)?, view(2, kv)?)?;
    let mut output = vec![0.0f32; queries * 2 * 16];
    backend().attend(
        &inputs,
        &[SparseIndex::Dense, SparseIndex::Dense],
        &mut TensorViewMut::new(&mut output, q)?,
    )?;
    assert!(output.iter().all(|x| x.is_finite()));
    Ok(())
}

#[test]
fn nan_and_infinity_are_found_wherever_they_are() {
    for (queries, keys) in [(300, 300), (5, 200), (1, 3000)] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (tensor, name) in ["q", "k", "v"].into_iter().enumerate() {
                let rows = if tensor == 0 { queries * 2 } else { keys };
                for row in [0, rows / 2, rows - 1] {
                    let error = attend_with(queries, keys, tensor, row * 16 + 7, value).unwrap_err();
                    let heads = if tensor == 0 { 2 } else { 1 };
                    match error {
                        Error::NotFinite { tensor, token, head } => {
                            assert_eq!((tensor, token, head), (name, row / heads, row % heads));
                        }
                        other => panic!("{name} {row} {value}: {other}"),
                    }
                }
            }
        }
    }
}

#[test]
fn inputs_that_could_overflow_are_refused() {
    for (queries, keys) in [(100, 100), (1, 100)] {
        for tensor in 0..3 {
            let result = attend_with(queries, keys, tensor, 5, 1e38);
            // a decoding step refuses only what does overflow; one large element alone does not
            match result {
                Err(Error::TooLarge { .. }) => {}
                Ok(()) if queries == 1 => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Beyond what `f32` resolves, a score's rounding alone would move its exponent out of range:
/// refused, never NaN.
#[test]
fn huge_scores_are_right_or_refused() {
    for magnitude in [1e1, 1e2, 1e3, 1e4, 1e5, 1e7, 1e12] {
        let [q, v] = [1, 2].map(|seed| normal(200 * 64, seed));
        let q: Vec<f32> = q.into_iter().map(|x| x * magnitude).collect();
        let [q, v] = [&q, &v].map(|data| TensorView::new(data, [200, 1, 64]).unwrap());
        for set in InstructionSet::available() {
            let backend = CpuBackend::builder().threads(1).instruction_set(set).build().unwrap();
            let inputs = AttentionInputs::new(q, q, v).unwrap();
            let mut output = vec![0.0f32; 200 * 64];
            let mut target = TensorViewMut::new(&mut output, [200, 1, 64]).unwrap();
            match backend.attend(&inputs, &[SparseIndex::Dense], &mut target) {
                // a query is its own best key, by far: it gets that key's value
                Ok(_) => {
                    let mut value = vec![0.0f32; 64];
                    v.read_row(199, 0, &mut value);
                    let error =
                        output[199 * 64..].iter().zip(&value).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(error < 0.05, "{set:?}, {magnitude}: {error}");
                }
                Err(Error::TooLarge { .. }) => assert!(magnitude > 500.0, "{set:?}, {magnitude}"),
                Err(other) => panic!("{set:?}, {magnitude}: {other}"),
            }
        }
    }
}

#[test]
fn nan_is_named_under_every_pattern() {
    let patterns = [
        HeadPattern::AShape { sink: 16, local: 32 },
        HeadPattern::TriShape { sink: 16, local: 32, last: 8 },
        HeadPattern::VerticalSlash { vertical: 30, slash: 200 },
        HeadPattern::BlockSparse { top_k: 2 },
    ];
    for tensor in 0..3 {
        let mut data = [1, 2, 3].map(|seed| normal(12_000 * 8, seed));
        data[tensor][100 * 8] = f32::NAN;
        let [q, k, v] = [0, 1, 2].map(|i| TensorView::new(&data[i], [12_000, 1, 8]).unwrap());
        let inputs = AttentionInputs::new(q, k, v).unwrap();
        for pattern in patterns {
            let mut output = vec![0.0f32; 12_000 * 8];
            let mut target = TensorViewMut::new(&mut output, [12_000, 1, 8]).unwrap();
            match attend_layer(&backend(), &inputs, &[pattern], &mut target) {
                Err(Error::NotFinite { tensor: found, token: 100, head: 0 }) => {
                    assert_eq!(found, ["q", "k", "v"][tensor]);
                }
                other => panic!("{pattern}, tensor {tensor}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_head_that_is_not_there_is_refused() {
    let data = normal(100 * 8, 1);
    let view = TensorView::new(&data, [100, 1, 8]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let pattern = HeadPattern::VerticalSlash { vertical: 3, slash: 3 };
    let error = pattern.select(&backend(), &inputs, 1).unwrap_err().to_string();
    assert!(error.contains("one of the 1 query heads"), "{error}");
    assert!(TensorView::new(&data, [1, usize::MAX, 8]).is_err());
}

#[test]
fn shapes_that_disagree_are_refused() {
    let data = vec![0.5f32; 10 * 4 * 16];
    let view = |shape| TensorView::new(&data, shape).unwrap();
    let refused = |q, k, v, part: &str| {
        let message = AttentionInputs::new(view(q), view(k), view(v)).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    refused([10, 4, 16], [10, 2, 8], [10, 2, 8], "head_dim 16, as in q");
    refused([10, 4, 16], [10, 2, 16], [9, 2, 16], "the shape of k");
    refused([10, 4, 16], [10, 3, 16], [10, 3, 16], "multiple of k's 3 heads");
    refused([10, 4, 16], [9, 2, 16], [9, 2, 16], "at least q's 10 tokens");
    refused([10, 0, 16], [10, 2, 16], [10, 2, 16], "at least one");
    refused([10, 4, 16], [10, 0, 16], [10, 0, 16], "at least one");
    refused([0, 4, 16], [10, 2, 16], [10, 2, 16], "at least one token");
    refused([10, 4, 12], [10, 2, 12], [10, 2, 12], "multiple of 8");
    refused([10, 4, 0], [10, 2, 0], [10, 2, 0], "multiple of 8");
    let halves = vec![f16::ONE; 10 * 2 * 16];
    let v = TensorView::new(&halves, [10, 2, 16]).unwrap();
    let error = AttentionInputs::new(view([10, 4, 16]), view([10, 2, 16]), v).unwrap_err();
    assert!(error.to_string().contains("expected elements of type f32, found f16"), "{error}");
    let inputs = AttentionInputs::new(view([10, 4, 16]), view([10, 2, 16]), view([10, 2, 16])).unwrap();
    assert!(inputs.with_scale(0.0).is_err() && inputs.with_scale(f32::NAN).is_err());
    assert!(inputs.with_sliding_window(Some(0)).is_err());
    let mut output = vec![0.0f32; 10 * 4 * 16];
    let mut target = TensorViewMut::new(&mut output, [10, 4, 16]).unwrap();
    let error = attend_layer(&backend(), &inputs, &[HeadPattern::Dense; 3], &mut target).unwrap_err();
    assert!(error.to_string().contains("each of the 4 query heads, found 3"), "{error}");
    let error = backend().attend(&inputs, &[SparseIndex::Dense], &mut target).unwrap_err();
    assert!(error.to_string().contains("4 query heads, found 1"), "{error}");
    let mut target = TensorViewMut::new(&mut output, [10, 2, 16]).unwrap();
    assert!(attend_layer(&backend(), &inputs, &[HeadPattern::Dense; 4], &mut target).is_err());
}

#[test]
fn views_beyond_their_data_are_refused() {
    let data = vec![0.0f32; 100];
    assert!(TensorView::new(&data, [10, 1, 10]).is_ok());
    assert!(TensorView::new(&data, [10, 1, 11]).is_err());
    assert!(TensorView::strided(&data, [10, 1, 10], [usize::MAX, 10]).is_err());
    assert!(TensorView::strided(&data, [usize::MAX, 2, 8], [16, 8]).is_err());
    let view = TensorView::new(&data, [10, 1, 10]).unwrap();
    assert!(view.token_range(4, 11).is_err() && view.token_range(5, 4).is_err());
    let mut output = vec![0.0f32; 100];
    assert!(TensorViewMut::strided(&mut output, [10, 1, 10], [9, 10]).is_err());
    assert!(TensorViewMut::strided(&mut output, [5, 2, 10], [10, 5]).is_err());
    assert!(TensorViewMut::strided(&mut output, [5, 2, 10], [10, 50]).is_ok());
}

#[test]
fn a_backend_that_cannot_be_is_refused() {
    assert!(matches!(CpuBackend::builder().threads(0).build(), Err(Error::Parameter { .. })));
    for set in InstructionSet::ALL {
        let result = CpuBackend::builder().threads(1).instruction_set(set).build();
        assert_eq!(result.is_ok(), InstructionSet::available().contains(&set));
        if let Err(error) = result {
            assert!(error.to_string().contains("portable"), "{error}");
        }
    }
    let sixteen = CpuBackend::builder()
        .instruction_set(InstructionSet::Portable)
        .arithmetic(minference_attention::Arithmetic::Bits16);
    assert!(sixteen.build().is_err());
}

struct Stop;
impl Progress for Stop {
    fn advance(&self, _: u64, _: u64) {}
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn work_can_be_cancelled() {
    let data = normal(500 * 8, 1);
    let view = TensorView::new(&data, [500, 1, 8]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let mut output = vec![0.0f32; 500 * 8];
    let mut target = TensorViewMut::new(&mut output, [500, 1, 8]).unwrap();
    let backend = backend().with_progress(Arc::new(Stop));
    let result = backend.attend(&inputs, &[SparseIndex::Dense], &mut target);
    assert!(matches!(result, Err(Error::Cancelled)));
}
