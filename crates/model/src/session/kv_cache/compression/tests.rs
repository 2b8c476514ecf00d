//! What is kept, against a short reference in `f64`.

use super::*;
use crate::session::kv_cache::{Pooling, SnapKv};
use minference_attention::synthetic::Random;
use minference_attention::{Arithmetic, CpuBackend, ElementType, TensorView};

/// Numbers between -3 and 3 that follow no pattern.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut next = || (random.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    (0..count).map(|_| ElementType::F16.round(3.0 * next())).collect()
}

/// SnapKV in the plainest way: what each key-value head keeps. `q` is `[queries, heads, dim]`, `k`
/// is `[keys, kv_heads, dim]`.
fn reference(q: TensorView<'_>, k: TensorView<'_>, snap: (usize, usize, usize)) -> Vec<Vec<u32>> {
    let (capacity, window, kernel) = snap;
    let [queries, heads, dim] = q.shape();
    let [keys, kv_heads, _] = k.shape();
    let row = |view: &TensorView<'_>, token, head| {
        let mut row = vec![0.0; dim];
        view.read_row(token, head, &mut row);
        row
    };
    (0..kv_heads)
        .map(|kv_head| {
            let mut votes = vec![0.0f64; keys];
            for head in (0..heads).filter(|head| head / (heads / kv_heads) == kv_head) {
                for query in queries.saturating_sub(window)..queries {
                    let last = keys - queries + query;
                    let q_row = row(&q, query, head);
                    let dot = |key| -> f64 {
                        let products = q_row.iter().zip(row(&k, key, kv_head)).map(|(a, b)| f64::from(a * b));
                        products.sum::<f64>() / (dim as f64).sqrt()
                    };
                    let exponentials: Vec<f64> = (0..=last).map(|key| dot(key).exp()).collect();
                    let sum: f64 = exponentials.iter().sum();
                    votes.iter_mut().zip(exponentials).for_each(|(vote, x)| *vote += x / sum);
                }
            }
            let prefix = &votes[..keys - window];
            let mut order: Vec<(f64, u32)> = (0..prefix.len())
                .map(|key| {
                    let around = key.saturating_sub(kernel / 2)..(key + kernel / 2 + 1).min(prefix.len());
                    (prefix[around].iter().sum::<f64>(), key as u32)
                })
                .collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let chosen = order.iter().take(capacity - window).map(|(_, key)| *key);
            let mut kept: Vec<u32> = chosen.chain(prefix.len() as u32..keys as u32).collect();
            kept.sort_unstable();
            kept
        })
        .collect()
}

/// A layer of several, nothing of which was dropped.
fn state(layer: usize, layers: usize, window: Option<usize>) -> LayerState {
    LayerState { layer, layers, window, dropped: 0 }
}

fn backend() -> CpuBackend {
    // in f32, so that two nearly equal votes are told apart as the reference does
    CpuBackend::builder().threads(2).arithmetic(Arithmetic::F32).build().unwrap()
}

#[test]
fn snap_kv_keeps_what_the_reference_keeps() {
    let backend = backend();
    for (queries, keys, heads, kv_heads, dim) in
        [(90, 90, 4, 2, 16), (33, 200, 3, 1, 8), (20, 150, 2, 2, 24), (1, 70, 4, 4, 8), (300, 300, 14, 2, 64)]
    {
        let (q, k) = (noise(queries * heads * dim, 1), noise(keys * kv_heads * dim, 2));
        let q = TensorView::new(&q, [queries, heads, dim]).unwrap();
        let k = TensorView::new(&k, [keys, kv_heads, dim]).unwrap();
        let inputs = AttentionInputs::new(q, k, k).unwrap();
        for (capacity, window, kernel) in [(40, 32, 5), (60, 32, 1), (69, 64, 7), (33, 32, 5), (20, 1, 3)] {
            let snap = SnapKv::new(capacity, window, kernel, Pooling::Average).unwrap();
            let found = KvCompression::SnapKv(snap).keep(&backend, &inputs, state(0, 1, None)).unwrap();
            let expected = KeptKeys::Chosen(reference(q, k, (capacity, window, kernel)));
            assert_eq!(found, expected, "{queries} of {keys}, {capacity} {window} {kernel}");
        }
    }
}

#[test]
fn enough_room_keeps_all() {
    let data = noise(100 * 16, 3);
    let view = TensorView::new(&data, [100, 2, 8]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let snap = SnapKv::with_capacity(100).unwrap();
    let streaming = StreamingLlm::with_capacity(100, 4).unwrap();
    for compression in [
        KvCompression::SnapKv(snap),
        KvCompression::PyramidKv(PyramidKv::new(snap)),
        KvCompression::StreamingLlm(streaming),
    ] {
        for layer in 0..3 {
            assert_eq!(compression.keep(&backend(), &inputs, state(layer, 3, None)).unwrap(), KeptKeys::All);
        }
    }
}

#[test]
fn a_layer_with_a_window_keeps_its_window() {
    let data = noise(100 * 16, 4);
    let view = TensorView::new(&data, [100, 2, 8]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap().with_sliding_window(Some(30)).unwrap();
    let compression = KvCompression::SnapKv(SnapKv::with_capacity(50).unwrap());
    let expected = KeptKeys::Chosen(vec![(70..100).collect(); 2]);
    assert_eq!(compression.keep(&backend(), &inputs, state(0, 1, Some(30))).unwrap(), expected);
    // a window that hides nothing yet will do so for later tokens
    let keep = compression.keep(&backend(), &inputs, state(0, 1, Some(100))).unwrap();
    assert_eq!(keep, KeptKeys::All);
}

/// Budgets are those of the whole text, whatever was dropped of it before.
#[test]
fn a_pyramid_stays_one_in_the_next_turn() {
    let data = noise(150 * 16, 5);
    let view = TensorView::new(&data, [150, 2, 8]).unwrap();
    let inputs = AttentionInputs::new(view, view, view).unwrap();
    let pyramid = PyramidKv::new(SnapKv::with_capacity(100).unwrap());
    let kept = |dropped| {
        let of = LayerState { layer: 0, layers: 4, window: None, dropped };
        match KvCompression::PyramidKv(pyramid).keep(&backend(), &inputs, of).unwrap() {
            KeptKeys::Chosen(kept) => kept[0].len(),
            KeptKeys::All => 150,
        }
    };
    assert_eq!((kept(0), kept(850)), (150, 150));
    assert_eq!(pyramid.capacity(0, 4, 1000), 165);
    let last = LayerState { layer: 3, layers: 4, window: None, dropped: 850 };
    let KeptKeys::Chosen(kept) = KvCompression::PyramidKv(pyramid).keep(&backend(), &inputs, last).unwrap()
    else {
        panic!("the last layer keeps least")
    };
    assert_eq!(kept[0].len(), pyramid.capacity(3, 4, 1000));
}
