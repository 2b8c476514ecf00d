//! Reports as real models give them, from planted heads.

use minference_attention::inspection::inspect_head;
use minference_attention::synthetic::{Planted, Random, planted_head};
use minference_attention::{AttentionInputs, CpuBackend, HeadPattern, Lowering, TensorView};
use minference_eval::report::{HeadSummary, InspectedHead, InspectedLayer, InspectionReport, LayerTimes};

/// Summaries of `layers` x `heads` heads, all kinds of patterns among them.
pub(crate) fn layers(layers: usize, heads: usize) -> Vec<InspectedLayer> {
    let mut random = Random::new(7);
    let mut uniform = move || random.below(10_000) as f64 / 10_000.0;
    let mut head = || {
        let (kind, share) = (uniform(), 0.05 + 0.4 * uniform());
        let pattern = match kind {
            kind if kind < 0.03 => HeadPattern::Dense,
            kind if kind < 0.10 => HeadPattern::AShape { sink: 1024, local: 4096 },
            kind if kind < 0.14 => HeadPattern::TriShape { sink: 128, local: 3968, last: 100 },
            kind if kind < 0.25 => HeadPattern::BlockSparse { top_k: 100 },
            _ => HeadPattern::VerticalSlash { vertical: 1000, slash: 6096 },
        };
        let ran_dense = pattern == HeadPattern::Dense || uniform() < 0.05;
        let error = if ran_dense { 0.0 } else { 0.05 * uniform() * uniform() * uniform() };
        HeadSummary { pattern, ran_dense, computed_share: if ran_dense { 1.0 } else { share }, error }
    };
    let times = LayerTimes { projections: 0.21, estimates: 0.03, attention: 0.35, mlp: 0.44 };
    (0..layers)
        .map(|layer| {
            let attention = times.attention * (1.0 + (layer % 5) as f64 / 10.0);
            InspectedLayer {
                heads: (0..heads).map(|_| head()).collect(),
                times: LayerTimes { attention, ..times },
            }
        })
        .collect()
}

/// One planted head, inspected with what its pattern selects.
pub(crate) fn inspected(
    layer: usize,
    head: usize,
    tokens: usize,
    pattern: HeadPattern,
    seed: u64,
) -> InspectedHead {
    let planted = planted_head(tokens, 64, &Planted::typical(tokens, seed), seed);
    let view = |data| TensorView::new(data, [tokens, 1, 64]).unwrap();
    let inputs =
        AttentionInputs::new(view(&planted.q[..]), view(&planted.k[..]), view(&planted.v[..])).unwrap();
    let backend = CpuBackend::builder().threads(2).build().unwrap();
    let index = pattern.select(&backend, &inputs, 0).unwrap();
    let inspection = inspect_head(&backend, &inputs, 0, &index, 256).unwrap();
    let geometry = inputs.geometry();
    let pairs = Lowering::new(&index, geometry).unwrap().pairs();
    let summary = HeadSummary {
        pattern,
        ran_dense: index.is_dense(),
        computed_share: pairs as f64 / geometry.causal_pairs() as f64,
        error: 1.0 - inspection.recall,
    };
    InspectedHead { layer, head, summary, inspection }
}

/// A report with three inspected heads.
pub(crate) fn report(model: &str, tokens: usize, layers: Vec<InspectedLayer>) -> InspectionReport {
    let vertical_slash = HeadPattern::VerticalSlash { vertical: tokens / 32, slash: tokens / 8 };
    InspectionReport {
        model: model.into(),
        fingerprint: "5f3a9c0e71d2".into(),
        prompt_tokens: tokens,
        patterns: "Patterns come from the published file for this model.".into(),
        layers,
        heads: vec![
            inspected(3, 7, tokens, vertical_slash, 1),
            inspected(12, 0, tokens, HeadPattern::AShape { sink: tokens / 32, local: tokens / 8 }, 2),
            inspected(20, 11, tokens, HeadPattern::BlockSparse { top_k: 6 }, 3),
        ],
        computed_share: 0.23,
    }
}
