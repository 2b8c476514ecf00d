//! The battery that every device must pass: each operation against the [`Reference`] device, and
//! the golden models through both.

use super::cpu::Cpu;
use super::matrix::{Matrix, WeightBytes};
use super::operations::{
    Attention, AttentionView, Device, KeepRequest, Norm, Projected, RowRange, RowRangeMut,
};
use super::reference::Reference;
use super::weight_format::WeightFormat;
use crate::decoder::config::{Activation, ModelConfig, test_config};
use crate::decoder::rope::{PairLayout, RopeConfig};
use crate::decoder::weights::Projection;
use crate::device::compute::{Compute, ComputeOptions, MatmulArithmetic};
use crate::session::kv_cache::{KvCompression, SnapKv, StreamingLlm};
use minference_attention::synthetic::normal;
use minference_attention::{HeadPattern, InstructionSet, LayerPlan};

/// A device whose numbers can be written and read, for tests.
pub(crate) trait Readable: Device {
    fn matrix(&self, matrix: &Matrix) -> Self::Matrix;
    fn vector(&self, vector: &[f32]) -> Self::Vector;
    /// `[rows, width]`
    fn write_rows(&self, rows: &[f32], width: usize) -> Self::Rows;
    fn read_rows(rows: &Self::Rows) -> Vec<f64>;
    fn read_heads(heads: &Self::Heads) -> Vec<f64>;
    /// An empty one, in `f32`.
    fn cache(&self, config: &ModelConfig, capacity: usize) -> Self::LayerCache;
    /// Keys and values.
    fn read_cache(cache: &Self::LayerCache) -> [Vec<f64>; 2];
}

/// What the operations work on; the same for every device.
struct OperationCase {
    config: ModelConfig,
    /// Rows that a chunk has.
    rows: usize,
}

/// Rows at which loops over few and many rows, blocks and lanes begin and end.
const ROWS: [usize; 7] = [1, 2, 8, 9, 64, 65, 150];

fn matrix(rows: usize, columns: usize, seed: u64) -> Matrix {
    let bytes = normal(rows * columns, seed).iter().flat_map(|x| (x / 8.0).to_le_bytes()).collect();
    Matrix::new(rows, columns, WeightFormat::F32, WeightBytes::owned(bytes)).unwrap()
}

fn projection<D: Readable>(
    device: &D,
    [outputs, inputs]: [usize; 2],
    has_bias: bool,
    seed: u64,
) -> Projection<D::Matrix, D::Vector> {
    let bias = has_bias.then(|| device.vector(&normal(outputs, seed + 1)));
    Projection { matrix: device.matrix(&matrix(outputs, inputs, seed)), bias }
}

/// All operations on one case; what each gives, by name.
fn results<D: Readable>(mut device: D, case: &OperationCase) -> Vec<(String, Vec<f64>)> {
    let (mut found, config, rows) = (Vec::new(), &case.config, case.rows);
    let ModelConfig { hidden, intermediate, heads, kv_heads, head_dim, vocabulary, .. } = *config;
    let epsilon = config.norm_epsilon;

    let table = device.matrix(&matrix(vocabulary, hidden, 1));
    let ids: Vec<u32> = (0..rows).map(|i| (i * 7 % vocabulary) as u32).collect();
    for scale in [1.0, 7.5] {
        let embedded = device.embed(&table, &ids, scale).unwrap();
        found.push((format!("embed, scale {scale}"), D::read_rows(&embedded)));
    }

    let input = device.write_rows(&normal(rows * hidden, 2), hidden);
    let weight = device.vector(&normal(hidden, 3));
    let mut normed = device.rows("rows", rows, hidden).unwrap();
    for range in [0..rows, rows / 2..rows] {
        device.norm(RowRange { rows: &input, range }, Norm { weight: &weight, epsilon }, &mut normed);
        found.push(("norm".into(), D::read_rows(&normed)));
    }

    for has_bias in [false, true] {
        let query = projection(&device, [heads * head_dim, hidden], has_bias, 4);
        let key = projection(&device, [kv_heads * head_dim, hidden], !has_bias, 6);
        let mut outs = [heads, kv_heads].map(|heads| device.rows("rows", rows, heads * head_dim).unwrap());
        for range in [0..rows, rows / 2..rows, rows..rows] {
            let [first, second] = &mut outs;
            let mut products =
                [Projected { projection: &query, out: first }, Projected { projection: &key, out: second }];
            device.project(RowRange { rows: &input, range }, &mut products);
            found.push((format!("project, bias {has_bias}"), outs.each_ref().map(D::read_rows).concat()));
        }
    }
    attention(&mut device, case, &mut found);

    for activation in [Activation::Silu, Activation::GeluTanh] {
        let mut gate = device.write_rows(&normal(rows * intermediate, 20), intermediate);
        let up = device.write_rows(&normal(rows * intermediate, 21), intermediate);
        device.gate(activation, &mut gate, &up);
        found.push((format!("gate, {activation:?}"), D::read_rows(&gate)));
    }
    let x = device.write_rows(&normal(rows * intermediate, 22), intermediate);
    for (has_bias, has_norm) in [(false, false), (true, false), (false, true), (true, true)] {
        let down = projection(&device, [hidden, intermediate], has_bias, 23);
        let mut residual = device.write_rows(&normal((rows + 5) * hidden, 25), hidden);
        let norm = has_norm.then_some(Norm { weight: &weight, epsilon });
        let into = RowRangeMut { rows: &mut residual, range: 3..3 + rows };
        device.add(into, &x, &down, norm, &mut normed);
        found.push((format!("add, bias {has_bias}, norm {has_norm}"), D::read_rows(&residual)));
    }
    let norm = Norm { weight: &weight, epsilon };
    let logits = device.logits(RowRange { rows: &input, range: rows / 2..rows }, norm, &table).unwrap();
    found.push(("logits".into(), logits.into_iter().map(f64::from).collect()));
    found
}

/// Queries and keys get their places, and attend; in two chunks.
fn attention<D: Readable>(device: &mut D, case: &OperationCase, found: &mut Vec<(String, Vec<f64>)>) {
    let (config, rows) = (&case.config, case.rows);
    let ModelConfig { heads, kv_heads, head_dim, .. } = *config;
    let norm_weight = device.vector(&normal(head_dim, 8));
    let rotation = config.ropes[0].rotation(2 * rows).unwrap();
    let rotations = device.rotations(&rotation, 5..5 + 2 * rows);
    let mut cache = device.cache(config, 2 * rows);
    let mut queries = device.queries(&cache, rows, [heads, head_dim]).unwrap();
    for chunk in 0..2u64 {
        let has_norm = chunk == 1;
        let mut query = device.write_rows(&normal(rows * heads * head_dim, 10 + chunk), heads * head_dim);
        let mut key = device.write_rows(&normal(rows * kv_heads * head_dim, 12 + chunk), kv_heads * head_dim);
        let value = device.write_rows(&normal(rows * kv_heads * head_dim, 14 + chunk), kv_heads * head_dim);
        for x in [&mut query, &mut key] {
            let norm = has_norm.then_some(Norm { weight: &norm_weight, epsilon: config.norm_epsilon });
            let first = chunk as usize * rows;
            device.finish_heads(RowRangeMut { rows: x, range: 0..rows }, norm, &rotations, first, head_dim);
        }
        found.push((format!("finish heads, norm {has_norm}"), D::read_rows(&query)));
        if chunk == 1 {
            device.collect(&mut queries, RowRange { rows: &query, range: 0..rows });
        }
        let all = 0..rows;
        device.append(
            &mut cache,
            RowRange { rows: &key, range: all.clone() },
            RowRange { rows: &value, range: all },
        );
        assert_eq!(device.cached(&cache), (chunk as usize + 1) * rows);
    }
    found.push(("append".into(), D::read_cache(&cache).concat()));
    let patterns = [HeadPattern::Dense, HeadPattern::AShape { sink: 3, local: 20 }];
    for (pattern, window, first) in
        patterns.into_iter().flat_map(|pattern| [(pattern, None, 0), (pattern, Some(11), rows / 2)])
    {
        let view = AttentionView { scale: 0.3, window };
        let plan = LayerPlan::from(&vec![pattern; heads]);
        let attention = Attention { queries: &queries, first, cache: &cache, view };
        let (attended, report) = device.attend(attention, plan, None).unwrap();
        found.push((format!("attend, {pattern}, window {window:?}"), D::read_heads(&attended)));
        found.push(("pairs".into(), vec![report.pairs() as f64]));
        let mut read = device.rows("rows", rows, heads * head_dim).unwrap();
        device.read(&attended, 0..(rows - first) / 2, &mut read);
        device.read(&attended, (rows - first) / 2..rows - first, &mut read);
        found.push(("read".into(), D::read_rows(&read)));
        device.clear(&mut read);
        assert!(D::read_rows(&read).is_empty());
    }
    let (view, layers) = (AttentionView { scale: 0.3, window: None }, config.layers.len());
    let snap = KvCompression::SnapKv(SnapKv::with_capacity(40).unwrap());
    let streaming = KvCompression::StreamingLlm(StreamingLlm::with_capacity(8, 4).unwrap());
    let compression = if rows >= snap.voting_queries() { &snap } else { &streaming };
    let request = KeepRequest { compression, layer: 0, layers, view, room: 1 };
    device.keep(&mut cache, &queries, &request).unwrap();
    found.push((format!("keep, {compression}"), D::read_cache(&cache).concat()));
}

fn cases() -> Vec<OperationCase> {
    let turned = |rotary_dim, layout| RopeConfig { rotary_dim, layout, ..test_config().ropes[0].clone() };
    let configs = [
        test_config(),
        ModelConfig {
            ropes: vec![turned(8, PairLayout::Neighbours)],
            heads: 2,
            kv_heads: 2,
            ..test_config()
        },
        ModelConfig { heads: 6, kv_heads: 1, hidden: 40, intermediate: 56, ..test_config() },
    ];
    let rows = |config: ModelConfig| ROWS.map(|rows| OperationCase { config: config.clone(), rows });
    configs.into_iter().flat_map(rows).collect()
}

/// Holds every operation of a device against the reference device.
///
/// - `tolerance`: of a number, in units of the largest that the operation gives
fn conforms<D: Readable>(device: impl Fn() -> D, tolerance: f64) {
    for case in cases() {
        let expected = results(Reference::new(), &case);
        for ((name, found), (_, expected)) in results(device(), &case).into_iter().zip(expected) {
            assert_eq!(found.len(), expected.len(), "{name}, {} rows", case.rows);
            let most = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let error = found.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(error <= tolerance * most, "{name}, {} rows: {error:e} of {most}", case.rows);
        }
    }
}

#[test]
fn the_cpu_conforms() {
    for instruction_set in InstructionSet::available() {
        let options =
            ComputeOptions { instruction_set: Some(instruction_set), threads: Some(2), ..Default::default() };
        let compute = Compute::new(options).unwrap();
        compute.install(|| {
            // sums of a hundred products in f32
            conforms(|| Cpu::new(&compute), 2e-6);
            conforms(|| Cpu::for_several_sessions(&compute), 2e-6);
        });
    }
}

/// The same loops with coarse products: as far off as 8 bits are.
#[test]
fn the_cpu_conforms_in_8_bits() {
    let options = ComputeOptions { matmul: MatmulArithmetic::Int8, threads: Some(2), ..Default::default() };
    let compute = Compute::new(options).unwrap();
    compute.install(|| conforms(|| Cpu::new(&compute), 3e-2));
}

#[path = "../../tests/support/golden.rs"]
mod golden;

mod golden_models {
    use super::*;
    use crate::decoder::{DeviceModel, Forward, ForwardRequest, Pass};
    use crate::files::ModelFiles;
    use crate::patterns::plan::AttentionPlan;

    fn logits(config: &ModelConfig, weights: &crate::ModelWeights, tokens: &[u32]) -> Forward {
        let device = Reference::new();
        let weights = device.weights(weights);
        let model = DeviceModel { config, weights: &weights };
        let (mut caches, mut logits) = (Reference::caches(config), Vec::new());
        let request = ForwardRequest {
            tokens,
            plan: &AttentionPlan::Dense,
            dense_queries: 0,
            wanted: 1,
            compression: None,
            rotations: &config.rotations(tokens.len()).unwrap(),
            progress: None,
        };
        let mut pass = Pass::new(device, &model, &request, 0, tokens.len()).unwrap();
        while !pass.layers_are_done(config) {
            pass.step(&model, &mut caches).unwrap();
        }
        let report = pass.logits(&model, &mut |rows| {
            logits.extend_from_slice(rows);
            Ok(())
        });
        Forward { logits, report: report.unwrap() }
    }

    /// In `f64`, nothing but angles in `f32` (as the models were trained) and the recording's own
    /// rounding are left between us and transformers in `f64`.
    #[test]
    fn the_reference_gives_what_transformers_gives_in_float64() {
        for model in golden::folders() {
            let (config, weights) = ModelFiles::open(&model.path).unwrap().load().unwrap();
            for prompt in model.prompts.iter().filter(|prompt| prompt.tokens.len() <= 65) {
                let found = logits(&config, &weights, &prompt.tokens).logits;
                let error = found.iter().zip(&prompt.last).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
                assert!(error <= model.tolerance, "{}: {error:e}", model.name);
            }
        }
    }
}
