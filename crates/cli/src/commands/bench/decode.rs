//! `minference bench decode`: one query over a long cache is bound by memory, so the measure is
//! bytes per second.

use super::inputs::{InputSizes, Inputs};
use super::memory::check_cache;
use crate::options::{MachineOptions, check_repeats, checked};
use crate::terminal::{Interrupt, new_table};
use anyhow::Result;
use clap::Args;
use minference_attention::{AttentionBackend, SparseIndex, TensorViewMut};
use minference_eval::numbers::duration;
use minference_eval::summary::median;
use minference_model::CacheFormat;
use std::io::Write;
use std::time::Instant;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchDecodeArguments {
    /// Tokens in the cache
    #[arg(long, value_delimiter = ',', default_values_t = [16384, 131_072])]
    tokens: Vec<usize>,
    /// Elements of a head's row, a multiple of 8
    #[arg(long, default_value_t = 64)]
    head_dim: usize,
    /// Query heads
    #[arg(long, default_value_t = 14)]
    heads: usize,
    /// Key-value heads; the query heads are a multiple of them
    #[arg(long, default_value_t = 2)]
    kv_heads: usize,
    /// Type of the cache. int8 and int4 are codes with scales, the query and the output in f16
    #[arg(long, value_enum, default_value = "f16")]
    dtype: CacheFormat,
    #[command(flatten)]
    machine: MachineOptions,
    /// Decoding steps to time; the median counts
    #[arg(long, default_value_t = 20)]
    repeats: usize,
}

pub(super) fn run(options: &BenchDecodeArguments) -> Result<()> {
    check_repeats(options.repeats)?;
    let interrupt = Interrupt::listen()?;
    let backend = options.machine.backend()?;
    let cache = options.dtype;
    let mut table = new_table(&["cache", "bytes", "per token", "GB/s", "memory reads at", "of that"], 1);
    for &tokens in &options.tokens {
        let sizes = InputSizes {
            tokens,
            queries: 1,
            heads: options.heads,
            kv_heads: options.kv_heads,
            head_dim: options.head_dim,
            element_type: cache.element_type(),
        };
        checked(sizes.check())?;
        check_cache(&sizes, &backend, cache)?;
        let mut generated = Inputs::noise(sizes, 1);
        if let Some(bits) = cache.code_bits() {
            generated = generated.quantized(bits)?;
        }
        let inputs = generated.view()?;
        let bytes = tokens * cache.bytes_per_row([options.kv_heads, options.head_dim]);
        let mut output = vec![0.0f32; options.heads * options.head_dim];
        let indices = vec![SparseIndex::Dense; options.heads];
        let words = vec![1u64; bytes / 8];
        let (mut steps, mut reads) = (Vec::new(), Vec::new());
        for _ in 0..=options.repeats {
            interrupt.check()?;
            let start = Instant::now();
            let shape = [1, options.heads, options.head_dim];
            backend.attend(&inputs, &indices, &mut TensorViewMut::new(&mut output, shape)?)?;
            steps.push(start.elapsed().as_secs_f64());
            reads.push(read_all(&words, backend.threads()));
        }
        let (step, read) = (median(steps[1..].iter().copied()), median(reads[1..].iter().copied()));
        table.add_row([
            format!("{tokens} tokens"),
            format!("{:.1} MB", bytes as f64 / 1e6),
            duration(step),
            format!("{:.1}", bytes as f64 / step / 1e9),
            format!("{:.1} GB/s", bytes as f64 / read / 1e9),
            format!("{:.0} %", 100.0 * read / step),
        ]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(())
}

/// Seconds that all threads take to read and sum the words.
fn read_all(words: &[u64], threads: usize) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in words.chunks(words.len().div_ceil(threads)) {
            scope.spawn(move || {
                std::hint::black_box(part.iter().fold(0u64, |sum, word| sum.wrapping_add(*word)))
            });
        }
    });
    start.elapsed().as_secs_f64()
}
