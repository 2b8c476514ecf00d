//! NaN and infinity are refused wherever they stand, and spoil nothing else.

use super::{BITS, quantized, read};
use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor};
use minference_attention::synthetic::normal;
use minference_attention::{
    AttentionBackend, AttentionInputs, CpuBackend, Error, InstructionSet, SparseIndex, TensorView,
    TensorViewMut,
};

const HEAD_DIM: usize = 24;
const TOKENS: usize = 600;

/// What attention of the last `queries` queries says.
fn attend(backend: &CpuBackend, queries: usize, k: TensorView<'_>, v: TensorView<'_>) -> Result<(), Error> {
    let q = normal(queries * 2 * HEAD_DIM, 1);
    let shape = [queries, 2, HEAD_DIM];
    let inputs = AttentionInputs::new(TensorView::new(&q, shape)?, k, v)?;
    let mut output = vec![0.0f32; q.len()];
    let mut output = TensorViewMut::new(&mut output, shape)?;
    backend.attend(&inputs, &vec![SparseIndex::Dense; 2], &mut output).map(|_| ())
}

#[test]
fn one_bad_number_is_refused_by_its_place() {
    let good = normal(TOKENS * 2 * HEAD_DIM, 2);
    for set in InstructionSet::available() {
        let backend = CpuBackend::builder().threads(2).instruction_set(set).build().unwrap();
        for (i, bad) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30].into_iter().enumerate() {
            let (bits, place) = (BITS[i % 2], [5, 130, 400, 599][i]);
            let mut values = good.clone();
            values[(place * 2 + 1) * HEAD_DIM + 7] = bad;
            let make = |values: &[f32], grouping| quantized(values, [2, HEAD_DIM], bits, grouping);
            let [good_k, bad_k] = [&good, &values].map(|values| make(values, Grouping::PerChannel));
            let [good_v, bad_v] = [&good, &values].map(|values| make(values, Grouping::PerToken));
            for queries in [1, 100] {
                let good = attend(&backend, queries, good_k.view(), good_v.view());
                let in_k = attend(&backend, queries, bad_k.view(), good_v.view());
                let in_v = attend(&backend, queries, good_k.view(), bad_v.view());
                assert!(good.is_ok(), "{good:?}");
                let is_told = |result, name| {
                    matches!(result, Err(Error::NotFinite { tensor, token, head: 1 })
                        if tensor == name && token == place)
                };
                assert!(is_told(in_k, "k") && is_told(in_v, "v"), "{set}, {queries} queries, {bad}");
            }
        }
    }
}

#[test]
fn what_came_before_is_as_it_was() {
    let good = normal(TOKENS * HEAD_DIM, 3);
    let mut tensor = QuantizedTensor::with_capacity(
        "keys",
        2 * TOKENS,
        [1, HEAD_DIM],
        CodeBits::Eight,
        Grouping::PerChannel,
    )
    .unwrap();
    tensor.append(&good);
    let before = read(tensor.view());
    let mut rows = normal(TOKENS * HEAD_DIM, 4);
    rows[0] = f32::NAN;
    tensor.append(&rows);
    assert_eq!(tensor.tokens(), 2 * TOKENS);
    tensor.truncate(TOKENS);
    let after = read(tensor.view());
    // The group with NaN was not quantised, those before it were.
    for (tokens, same) in [(0..384, true), (384..512, false), (512..TOKENS, true)] {
        let range = tokens.start * HEAD_DIM..tokens.end * HEAD_DIM;
        assert_eq!(after[range.clone()] == before[range.clone()], same);
        assert!(after[range.clone()].iter().zip(&before[range]).all(|(x, y)| (x - y).abs() < 0.02));
    }
}
