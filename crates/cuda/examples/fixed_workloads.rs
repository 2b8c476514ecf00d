//! Times attention on the GPU over key lists that do not depend on the data: dense, a fixed
//! vertical-slash index, and random blocks, so that rates can be held against those of other
//! programs on the same lists. `cargo run --release -p minference-cuda --example fixed_workloads`
//!
//! Options: `--quick` (32K tokens only), `--kernels sm80|sm90`.

use half::bf16;
use minference_attention::plan::FixedIndex;
use minference_attention::synthetic::{Random, normal};
use minference_attention::{Crossover, Geometry, HeadPattern, HeadPlan, LayerPlan, Lowering, SparseIndex};
use minference_cuda::{
    AttentionKernels, Buffer, Cuda, CudaDevice, DeviceTiles, DeviceView, DeviceViewMut, LayerInputs,
    PlannedLayer, Tiles,
};
use std::error::Error;
use std::time::Duration;

/// Measurements of each workload; the median counts.
const REPEATS: usize = 7;
const WARM_UPS: usize = 2;
/// Every estimate is made, however short the prompt.
const ALWAYS: Crossover =
    Crossover { share: 1.0, line_estimate: 0.0, block_estimate: 0.0, estimate_share: 1.0 };

#[derive(Clone, Copy)]
enum Keys {
    Dense,
    /// 1,000 random columns, the nearest 4,096 keys, eight runs of 250 diagonals.
    Lines,
    /// 100 random blocks of 64 keys for each block of queries.
    Blocks,
}

struct Shape {
    tokens: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Err(reason) = Cuda::devices() {
        println!("no device: {reason}");
        return Ok(());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let device = CudaDevice::new(0)?;
    let device = match arguments.iter().position(|argument| argument == "--kernels") {
        Some(at) if arguments.get(at + 1).is_some_and(|kernels| kernels == "sm80") => {
            device.with_attention_kernels(AttentionKernels::Sm80)
        }
        _ => device,
    };
    println!("{}, kernels {}", device.info(), device.attention_kernels());
    println!("workload | tokens | heads | head_dim | share | ms | TFLOP/s per pair | over dense");
    let shape = |tokens, heads, kv_heads, head_dim| Shape { tokens, heads, kv_heads, head_dim };
    let mut shapes = vec![shape(32_768, 32, 8, 128), shape(32_768, 14, 2, 64)];
    if !is_quick {
        shapes.extend([
            shape(8192, 32, 8, 128),
            shape(131_072, 32, 8, 128),
            shape(131_072, 14, 2, 64),
            shape(1 << 20, 4, 1, 128),
        ]);
    }
    for shape in shapes {
        measure(&device, &shape)?;
    }
    Ok(())
}

fn measure(device: &CudaDevice, shape: &Shape) -> Result<(), Box<dyn Error>> {
    let &Shape { tokens, heads, kv_heads, head_dim } = shape;
    let pool: Vec<bf16> = normal(1 << 22, 7).into_iter().map(bf16::from_f32).collect();
    let mut random = Random::new(11);
    let mut tensor = |heads: usize, factor: f32| -> minference_cuda::Result<Buffer<bf16>> {
        let mut data = Vec::with_capacity(tokens * heads * head_dim);
        while data.len() < tokens * heads * head_dim {
            let length = (1 << 16).min(tokens * heads * head_dim - data.len());
            let start = random.below(pool.len() - length);
            data.extend(pool[start..start + length].iter().map(|x| bf16::from_f32(factor * x.to_f32())));
        }
        Buffer::from_slice(device, "inputs", &data)
    };
    let (q, k, v) = (tensor(heads, 1.5)?, tensor(kv_heads, 1.0)?, tensor(kv_heads, 1.0)?);
    let view = |data, heads| DeviceView::new(data, [tokens, heads, head_dim]);
    let inputs = LayerInputs::new(view(&q, heads)?, view(&k, kv_heads)?, view(&v, kv_heads)?)?;
    let geometry = Geometry::prefill(tokens);
    let mut result = Buffer::<bf16>::zeros(device, "output", tokens * heads * head_dim)?;
    let mut dense = None;
    // Noise has no structure: of its diagonals only the nearest are taken, so that what is lowered
    // is as compact as the diagonals of models; lowering the fixed lists is measured by itself.
    let of_pattern = |pattern| LayerPlan::from(&vec![pattern; heads]);
    let of_index = |keys| -> Result<LayerPlan<'_>, Box<dyn Error>> {
        let fixed = (0..heads).map(|head| -> Result<HeadPlan, Box<dyn Error>> {
            let pattern = HeadPattern::VerticalSlash { vertical: 1000, slash: 6096 };
            Ok(HeadPlan::Fixed(FixedIndex { pattern, index: index(keys, geometry, head as u64)? }))
        });
        Ok(LayerPlan { heads: fixed.collect::<Result<_, _>>()?, dense_queries: 0 })
    };
    let plans = [
        ("votes, selection", of_pattern(HeadPattern::VerticalSlash { vertical: 1000, slash: 100 })),
        ("lowering of lines", of_index(Keys::Lines)?),
        ("index of blocks", of_pattern(HeadPattern::BlockSparse { top_k: 100 })),
        ("lowering of blocks", of_index(Keys::Blocks)?),
    ];
    for (name, plan) in plans {
        let mut planned = PlannedLayer::with_crossover(device, &inputs, &plan, &ALWAYS)?;
        let mut times = Vec::new();
        for repeat in 0..WARM_UPS + REPEATS {
            let mut output = DeviceViewMut::new(&mut result, [tokens, heads, head_dim])?;
            device.attend_layer(&inputs, &mut planned, &mut output)?;
            let report = planned.report()?;
            if repeat >= WARM_UPS {
                times.push([
                    report.index_time().as_secs_f64(),
                    report.kernel_time().as_secs_f64(),
                    report.computed_share(),
                ]);
            }
        }
        times.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [index, attention, share] = times[times.len() / 2];
        println!(
            "{name} | {tokens} | {heads}/{kv_heads} | {head_dim} | {:.2} % | {:.3} beside {:.3} | - | -",
            100.0 * share,
            1e3 * index,
            1e3 * attention
        );
    }
    for (name, keys) in [("dense", Keys::Dense), ("lines", Keys::Lines), ("blocks", Keys::Blocks)] {
        let indices: Vec<SparseIndex> =
            (0..heads).map(|head| index(keys, geometry, head as u64)).collect::<Result<_, _>>()?;
        let lowerings: Vec<Lowering<'_>> =
            indices.iter().map(|index| Lowering::new(index, geometry)).collect::<Result<_, _>>()?;
        let pairs: u64 = lowerings.iter().map(Lowering::pairs).sum();
        let mut tiles = DeviceTiles::new(device, &Tiles::new(&lowerings)?)?;
        let mut times = Vec::new();
        for repeat in 0..WARM_UPS + REPEATS {
            let mut output = DeviceViewMut::new(&mut result, [tokens, heads, head_dim])?;
            let start = device.mark()?;
            device.attend_tiles(&inputs, &mut tiles, &mut output)?;
            let time: Duration = start.until(&device.mark()?)?;
            if repeat >= WARM_UPS {
                times.push(time.as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let seconds = times[times.len() / 2];
        let dense = *dense.get_or_insert(seconds);
        let share = pairs as f64 / (geometry.causal_pairs() * heads as u64) as f64;
        let rate = 4e-12 * head_dim as f64 * pairs as f64 / seconds;
        println!(
            "{name} | {tokens} | {heads}/{kv_heads} | {head_dim} | {:.2} % | {:.3} | {rate:.0} | {:.2}x",
            100.0 * share,
            1e3 * seconds,
            dense / seconds
        );
    }
    Ok(())
}

fn index(keys: Keys, geometry: Geometry, seed: u64) -> Result<SparseIndex, Box<dyn Error>> {
    let tokens = geometry.keys();
    let mut random = Random::new(seed);
    let sorted = |mut values: Vec<u32>| {
        values.sort_unstable();
        values.dedup();
        values
    };
    Ok(match keys {
        Keys::Dense => SparseIndex::Dense,
        Keys::Lines => {
            let columns = sorted((0..1000).map(|_| random.below(tokens) as u32).collect());
            let runs = (1..=8).flat_map(|j| {
                let start = (tokens / 10 * j + 5000) as u32;
                start..start + 250
            });
            let diagonals = (0..4096).chain(runs).filter(|&diagonal| (diagonal as usize) < tokens);
            SparseIndex::lines(columns, sorted(diagonals.collect()))?
        }
        Keys::Blocks => {
            let row = |block: usize| -> Vec<u32> {
                let wanted = 100.min(block + 1);
                let mut row = vec![0, block as u32];
                while row.len() < 2 * wanted {
                    row.push(random.below(block + 1) as u32);
                    if row.len() == wanted {
                        row = sorted(row);
                        if row.len() == wanted {
                            break;
                        }
                    }
                }
                sorted(row)
            };
            let rows: Vec<Vec<u32>> = (0..geometry.query_blocks()).map(row).collect();
            SparseIndex::blocks(&rows)?
        }
    })
}
