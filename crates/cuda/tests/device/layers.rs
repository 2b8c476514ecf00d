//! Whole layers on the device: what is selected, lowered and counted there equals what the host
//! makes of the same scores, and the outputs are those of the host's lists.

use crate::report::{Outcome, Report};
use half::bf16;
use minference_attention::conformance::relative_square;
use minference_attention::plan::crossover::{most_pairs, sparse_queries};
use minference_attention::synthetic::{Planted, normal, planted_head};
use minference_attention::{
    AttentionInputs, Crossover, Geometry, HeadPattern, LayerPlan, Lowering, SparseIndex, TensorView,
};
use minference_cuda::{
    Buffer, CudaDevice, DeviceTiles, DeviceView, DeviceViewMut, LayerInputs, PlannedLayer, Tiles,
};

const HEADS: usize = 6;
const KV_HEADS: usize = 2;

/// Queries, keys, head_dim, window, dense queries.
const SHAPES: [(usize, usize, usize, Option<usize>, usize); 14] = [
    (1, 1, 64, None, 0),
    (1, 500, 128, None, 0),
    (63, 63, 64, None, 0),
    (64, 64, 128, None, 0),
    (65, 65, 64, None, 0),
    (300, 300, 128, None, 64),
    (1000, 1000, 64, Some(300), 0),
    (1000, 1007, 128, None, 0),
    (2100, 2100, 64, None, 64),
    (777, 5003, 128, None, 64),
    (4096, 4096, 128, Some(1500), 64),
    (9000, 9000, 64, None, 0),
    (300, 70_001, 128, None, 64),
    (20_000, 20_000, 64, None, 64),
];

/// Every estimate pays, and only what is nearly dense runs dense.
const EAGER: Crossover =
    Crossover { share: 0.95, line_estimate: 0.0, block_estimate: 0.0, estimate_share: 1.0 };

pub(crate) fn run(device: &CudaDevice, seed: u64, report: &mut Report) {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let (queries, keys, head_dim, window, last) = shape;
        let name = format!("layer of {queries} of {keys} x {head_dim}, window {window:?}, {last} dense");
        for is_planted in [false, true] {
            let name = if is_planted { format!("{name}, planted") } else { name.clone() };
            report.case(&name, || layer(device, shape, is_planted, seed + i as u64));
        }
    }
}

fn patterns(keys: usize) -> Vec<HeadPattern> {
    vec![
        HeadPattern::VerticalSlash { vertical: 40, slash: keys / 20 },
        HeadPattern::BlockSparse { top_k: 1 + keys / 1000 },
        HeadPattern::AShape { sink: 20, local: 100 + keys / 10 },
        HeadPattern::TriShape { sink: 128, local: 200, last: 100 },
        HeadPattern::Dense,
        HeadPattern::VerticalSlash { vertical: 500, slash: 1 },
    ]
}

fn rounded(values: &[f32]) -> Vec<bf16> {
    values.iter().map(|&x| bf16::from_f32(x)).collect()
}

/// Queries, keys and values, `[tokens, heads, head_dim]` each.
fn inputs(queries: usize, keys: usize, head_dim: usize, is_planted: bool, seed: u64) -> [Vec<bf16>; 3] {
    if !is_planted {
        let q: Vec<f32> = normal(queries * HEADS * head_dim, seed).iter().map(|x| 1.5 * x).collect();
        let kv = |seed| rounded(&normal(keys * KV_HEADS * head_dim, seed));
        return [rounded(&q), kv(seed ^ 1), kv(seed ^ 2)];
    }
    let mut all = [HEADS, KV_HEADS, KV_HEADS].map(|heads| vec![0.0f32; keys * heads * head_dim]);
    for kv_head in 0..KV_HEADS {
        let seed = seed * 7 + kv_head as u64;
        let head = planted_head(keys, head_dim, &Planted::typical(keys, seed), seed);
        let group = HEADS / KV_HEADS;
        let mut place = |which: usize, rows: &[f32], heads: usize, to: usize| {
            for (token, row) in rows.chunks(head_dim).enumerate() {
                all[which][(token * heads + to) * head_dim..][..head_dim].copy_from_slice(row);
            }
        };
        (kv_head * group..(kv_head + 1) * group).for_each(|to| place(0, &head.q, HEADS, to));
        place(1, &head.k, KV_HEADS, kv_head);
        place(2, &head.v, KV_HEADS, kv_head);
    }
    let [q, k, v] = all;
    [rounded(&q[(keys - queries) * HEADS * head_dim..]), rounded(&k), rounded(&v)]
}

fn layer(
    device: &CudaDevice,
    (queries, keys, head_dim, window, dense_queries): (usize, usize, usize, Option<usize>, usize),
    is_planted: bool,
    seed: u64,
) -> Outcome {
    let [q, k, v] = inputs(queries, keys, head_dim, is_planted, seed);
    let (q_shape, kv_shape) = ([queries, HEADS, head_dim], [keys, KV_HEADS, head_dim]);
    let geometry = Geometry::chunk(queries, keys, window)?;
    let patterns = patterns(keys);
    let plan = LayerPlan { dense_queries, ..LayerPlan::from(&patterns) };

    let upload = |data: &[bf16]| Buffer::from_slice(device, "inputs", data);
    let (q_device, k_device, v_device) = (upload(&q)?, upload(&k)?, upload(&v)?);
    let of_device = LayerInputs::new(
        DeviceView::new(&q_device, q_shape)?,
        DeviceView::new(&k_device, kv_shape)?,
        DeviceView::new(&v_device, kv_shape)?,
    )?
    .with_sliding_window(window)?;
    let mut planned = PlannedLayer::with_crossover(device, &of_device, &plan, &EAGER)?;
    let mut attend = || -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        let mut output = Buffer::from_slice(device, "output", &vec![f32::NAN; q.len()])?;
        device.attend_layer(&of_device, &mut planned, &mut DeviceViewMut::new(&mut output, q_shape)?)?;
        Ok(output.to_vec()?)
    };
    let (found, again) = (attend()?, attend()?);
    if found.iter().map(|x| x.to_bits()).ne(again.iter().map(|x| x.to_bits())) {
        return Err("two runs differ".into());
    }
    let report = planned.report()?;

    let of_host = AttentionInputs::new(
        TensorView::new(&q, q_shape)?,
        TensorView::new(&k, kv_shape)?,
        TensorView::new(&v, kv_shape)?,
    )?
    .with_sliding_window(window)?;
    let sparse = sparse_queries(geometry, dense_queries);
    let mut lowerings = Vec::new();
    let mut ran_sparse = 0;
    for (head, (pattern, outcome)) in patterns.iter().zip(&report.heads).enumerate() {
        // Its scores come from the same kernels, so that selection must agree to the last place.
        let expected = pattern.select(device, &of_host, head)?.with_dense_from(sparse);
        let index = planned.index(head)?;
        let is_dense_by_plan = index.is_dense();
        if !is_dense_by_plan && index != expected {
            return Err(format!("head {head}, {pattern}: another index than the host's").into());
        }
        let lowering = Lowering::new(index, geometry)?;
        let pairs = lowering.pairs();
        let is_dense = is_dense_by_plan || pairs as f64 > most_pairs(geometry, &EAGER);
        let pairs = if is_dense { geometry.causal_pairs() } else { pairs };
        if (outcome.ran_dense, outcome.pairs) != (is_dense, pairs) {
            let found = (outcome.ran_dense, outcome.pairs);
            return Err(format!("head {head}, {pattern}: {found:?}, expected {:?}", (is_dense, pairs)).into());
        }
        ran_sparse += usize::from(!is_dense);
        lowerings.push(if is_dense { Lowering::new(SparseIndex::Dense, geometry)? } else { lowering });
    }

    let mut tiles = DeviceTiles::new(device, &Tiles::new(&lowerings)?)?;
    let mut output = Buffer::from_slice(device, "output", &vec![f32::NAN; q.len()])?;
    device.attend_tiles(&of_device, &mut tiles, &mut DeviceViewMut::new(&mut output, q_shape)?)?;
    let expected = output.to_vec()?;
    let mut worst = 0.0f64;
    for (found, expected) in found.chunks(head_dim).zip(expected.chunks(head_dim)) {
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        let error = relative_square(found, &expected).sqrt();
        worst = worst.max(if error.is_nan() { f64::INFINITY } else { error });
    }
    // The same keys in another order: probabilities are rounded to bf16 relative to another base.
    match worst <= 2e-2 {
        true => Ok(format!("{ran_sparse} sparse heads, rows differ by {worst:.1e} at most")),
        false => Err(format!("rows differ by {worst:.2e} from those of the host's lists").into()),
    }
}
