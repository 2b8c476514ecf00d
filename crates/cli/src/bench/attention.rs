//! `minference bench attention`.

use super::inputs::{Inputs, Sizes};
use super::memory::check_attention;
use super::options::{Compute, Dtype, check_repeats};
use super::table;
use crate::interrupt::Interrupt;
use crate::usage::checked;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::conformance::relative_square;
use minference_attention::index::BLOCK;
use minference_attention::plan::plan_layer;
use minference_attention::synthetic::Random;
use minference_attention::{
    AttentionInputs, CpuBackend, HeadPattern, LayerReport, Lowering, Progress, SparseIndex, TensorViewMut,
    attend_layer, files, reference,
};
use minference_eval::summary::median;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shown by `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  Dense against every pattern, at two lengths:
    minference bench attention
  One head of a million tokens, vertical-slash against dense, once (minutes):
    minference bench attention --tokens 1048576 --heads 1 --kv-heads 1 --methods dense,vertical-slash --repeats 1
  Small budgets at a moderate length, f32 throughout:
    minference bench attention --tokens 16384 --vertical 256 --slash 1024 --dtype f32 --arithmetic f32";

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Methods to compare; speed-ups need `dense` among them
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "dense,a-shape,tri-shape,vertical-slash,block-sparse"
    )]
    methods: Vec<Method>,
    /// Prompt lengths [default: 4096,16384, or the length of --input]
    #[arg(long, value_delimiter = ',')]
    tokens: Vec<usize>,
    /// Queries of the last so many tokens only: the last chunk of a prompt that is read in chunks.
    /// Less than the longest prompt [default: all]
    #[arg(long, value_name = "TOKENS")]
    chunk: Option<usize>,
    /// Elements of a head's row, a multiple of 8
    #[arg(long, default_value_t = 64)]
    head_dim: usize,
    /// Query heads
    #[arg(long, default_value_t = 4)]
    heads: usize,
    /// Key-value heads; the query heads are a multiple of them
    #[arg(long, default_value_t = 2)]
    kv_heads: usize,
    /// Type of Q, K and V in memory
    #[arg(long, value_enum, default_value = "f16")]
    dtype: Dtype,
    #[command(flatten)]
    compute: Compute,
    /// Vertical-slash: columns
    #[arg(long, default_value_t = 1000)]
    vertical: usize,
    /// Vertical-slash: diagonals
    #[arg(long, default_value_t = 6096)]
    slash: usize,
    /// Block-sparse: blocks of 64 keys for each block of 64 queries
    #[arg(long, default_value_t = 100)]
    blocks: usize,
    /// A-shape and tri-shape: first keys
    #[arg(long, default_value_t = 1024)]
    sink: usize,
    /// A-shape and tri-shape: nearest keys
    #[arg(long, default_value_t = 4096)]
    local: usize,
    /// Tri-shape: last queries, which are dense
    #[arg(long, default_value_t = 100)]
    last: usize,
    /// Measurements of each method; the median counts
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Kind of generated inputs
    #[arg(long, value_enum, default_value = "planted")]
    structure: Structure,
    /// Recorded heads instead: a safetensors file with q, k and v of shape [tokens, heads,
    /// head_dim]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Seed of generated inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the rows to a file, as a JSON array
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    Dense,
    AShape,
    TriShape,
    VerticalSlash,
    BlockSparse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Structure {
    /// Chosen columns and diagonals, as real heads have them
    Planted,
    /// Standard normal numbers, in which no key matters more than another
    Noise,
}

/// One line of the result. The names are stable.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) instruction_set: String,
    pub(super) arithmetic: String,
    pub(super) dtype: String,
    /// Of the prompt, all of which are keys.
    pub(super) tokens: usize,
    /// Those that attend to them: all, or the last chunk's.
    pub(super) queries: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) threads: usize,
    /// Median wall-clock time, index included.
    pub(super) seconds: f64,
    /// Median time of the online estimates.
    pub(super) index_seconds: f64,
    /// Canonical query-key pairs of all heads.
    pub(super) pairs: u64,
    /// Those of dense attention.
    pub(super) causal_pairs: u64,
    /// Billions of operations per second: 4 head_dim per pair, over `seconds`.
    pub(super) gflops: f64,
    /// What this machine reached in a loop of multiply-adds of the same arithmetic, in the same
    /// run.
    pub(super) peak_gflops: f64,
    pub(super) speedup_over_dense: Option<f64>,
    /// Against the float64 oracle under the same index, on sampled query rows.
    pub(super) relative_error: f64,
    /// Against dense attention in float64, on the same rows: what the sparsity costs.
    pub(super) dense_error: f64,
    /// Query heads that ran dense, because sparse attention would not have paid.
    pub(super) heads_run_dense: usize,
}

impl Options {
    fn pattern(&self, method: Method) -> HeadPattern {
        match method {
            Method::Dense => HeadPattern::Dense,
            Method::AShape => HeadPattern::AShape { sink: self.sink, local: self.local },
            Method::TriShape => HeadPattern::TriShape { sink: self.sink, local: self.local, last: self.last },
            Method::VerticalSlash => {
                HeadPattern::VerticalSlash { vertical: self.vertical, slash: self.slash }
            }
            Method::BlockSparse => HeadPattern::BlockSparse { top_k: self.blocks },
        }
    }

    fn sizes(&self, tokens: usize) -> Result<Sizes> {
        ensure!(tokens > 0, "--tokens: expected at least 1, found 0");
        ensure!(
            self.heads > 0 && self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "--heads: expected a multiple of the {} key-value heads, found {}",
            self.kv_heads,
            self.heads
        );
        ensure!(
            self.head_dim >= 8 && self.head_dim.is_multiple_of(8),
            "--head-dim: expected a multiple of 8, found {}",
            self.head_dim
        );
        let sizes = Sizes {
            tokens,
            queries: tokens,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            element_type: self.dtype.into(),
        };
        sizes.check()?;
        Ok(sizes)
    }

    /// The same keys, and the queries of the last chunk.
    fn last_chunk<'a>(&self, inputs: AttentionInputs<'a>) -> Result<AttentionInputs<'a>> {
        let tokens = inputs.geometry().keys();
        let Some(chunk) = self.chunk.filter(|chunk| *chunk < tokens) else { return Ok(inputs) };
        Ok(AttentionInputs::new(inputs.q().tokens_from(tokens - chunk)?, inputs.k(), inputs.v())?)
    }

    /// Refuses chunks without queries, and those that are all of every prompt.
    fn check_chunk(&self, lengths: &[usize]) -> Result<()> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        match self.chunk {
            Some(0) => bail!("--chunk: expected at least 1, found 0"),
            Some(chunk) if chunk >= longest => {
                bail!("--chunk: expected less than {longest}, the longest of --tokens, found {chunk}")
            }
            _ => Ok(()),
        }
    }

    fn generated(&self, tokens: usize) -> Result<Inputs> {
        let sizes = checked(self.sizes(tokens))?;
        Ok(match self.structure {
            Structure::Planted => Inputs::planted(sizes, self.seed),
            Structure::Noise => Inputs::noise(sizes, self.seed),
        })
    }
}

pub(super) fn run(options: &Options) -> Result<()> {
    check_repeats(options.repeats)?;
    if let Some(path) = &options.json {
        // found out now rather than after the measurements
        files::check_writable(path).with_context(|| format!("can't write {}", path.display()))?;
    }
    let interrupt = Interrupt::listen()?;
    let backend = options.compute.backend()?;
    let recorded = match &options.input {
        Some(path) => Some(Inputs::recorded(path, options.dtype.into())?),
        None => None,
    };
    let lengths = match (&recorded, options.tokens.as_slice()) {
        (Some(recorded), []) => vec![recorded.view()?.geometry().keys()],
        (None, []) => vec![4096, 16384],
        (_, lengths) => lengths.to_vec(),
    };
    checked(options.check_chunk(&lengths))?;
    if recorded.is_none() {
        let patterns: Vec<HeadPattern> =
            options.methods.iter().map(|method| options.pattern(*method)).collect();
        for &tokens in &lengths {
            check_attention(&checked(options.sizes(tokens))?, &backend, &patterns)?;
        }
    }
    let mut rows = Vec::new();
    for &tokens in &lengths {
        let bar = progress_bar(options, tokens);
        let generated;
        let inputs = match &recorded {
            Some(recorded) => recorded.first_tokens(tokens)?,
            None => {
                bar.set_message("making inputs");
                generated = options.generated(tokens)?;
                generated.view()?
            }
        };
        let inputs = options.last_chunk(inputs)?;
        let measured = measure(options, &backend, &inputs, &bar, &interrupt)?;
        bar.finish_and_clear();
        table::print(&measured)?;
        rows.extend(measured);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&rows)? + "\n";
        files::write_bytes(path, text).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

/// Steps of the bar for one measurement.
const BAR_STEPS: u64 = 1000;

fn progress_bar(options: &Options, tokens: usize) -> ProgressBar {
    let measurements = options.methods.len() * (options.repeats + usize::from(options.repeats > 1));
    let bar = ProgressBar::new(measurements as u64 * BAR_STEPS);
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %  {eta:>4} left  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(format!("{tokens} tokens"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Shows the progress of one measurement, and ends it on Ctrl-C.
struct Measurement {
    bar: ProgressBar,
    first: u64,
    interrupt: Interrupt,
}

impl Progress for Measurement {
    fn advance(&self, done: u64, total: u64) {
        self.bar.set_position(self.first + done * BAR_STEPS / total.max(1));
    }
    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// Times and results of one method.
struct Samples {
    method: Method,
    seconds: Vec<f64>,
    index_seconds: Vec<f64>,
    report: Option<LayerReport>,
    /// The sampled output rows.
    output: Vec<Vec<f32>>,
}

fn measure(
    options: &Options,
    backend: &CpuBackend,
    inputs: &AttentionInputs<'_>,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<Vec<Row>> {
    let shape = inputs.q().shape();
    let sampled = sample_rows(inputs);
    let mut output = vec![0.0f32; shape.iter().product()];
    let mut peaks = Vec::new();
    let mut all: Vec<Samples> = options
        .methods
        .iter()
        .map(|&method| Samples {
            method,
            seconds: vec![],
            index_seconds: vec![],
            report: None,
            output: vec![],
        })
        .collect();
    let warm_ups = usize::from(options.repeats > 1);
    let mut measurement = 0;
    for repeat in 0..options.repeats + warm_ups {
        for samples in &mut all {
            interrupt.check()?;
            peaks.push(backend.measure_peak(inputs.k().element_type(), Duration::from_millis(50)));
            let pattern = options.pattern(samples.method);
            bar.set_message(if repeat < warm_ups {
                format!("{}, warm-up", pattern.name())
            } else {
                format!("{}, {} of {}", pattern.name(), repeat + 1 - warm_ups, options.repeats)
            });
            let progress = Measurement {
                bar: bar.clone(),
                first: measurement * BAR_STEPS,
                interrupt: interrupt.clone(),
            };
            let backend = backend.with_progress(Arc::new(progress));
            let patterns = vec![pattern; inputs.heads()];
            let start = Instant::now();
            let mut view = TensorViewMut::new(&mut output, shape)?;
            let report = attend_layer(&backend, inputs, &patterns, &mut view)?;
            let seconds = start.elapsed().as_secs_f64();
            measurement += 1;
            if repeat >= warm_ups {
                samples.seconds.push(seconds);
                samples.index_seconds.push(report.index_time().as_secs_f64());
            }
            let row = |&(token, head): &(usize, usize)| {
                output[(token * shape[1] + head) * shape[2]..][..shape[2]].to_vec()
            };
            samples.output = sampled.iter().map(row).collect();
            samples.report = Some(report);
        }
    }
    bar.set_message("comparing with the oracle");
    let dense_seconds = all
        .iter()
        .find(|samples| samples.method == Method::Dense)
        .map(|samples| median(samples.seconds.iter().copied()));
    let dense_rows = oracle(inputs, &vec![SparseIndex::Dense; inputs.heads()], &sampled, interrupt)?;
    let mut rows = Vec::new();
    for samples in all {
        let pattern = options.pattern(samples.method);
        let report = samples.report.context("no measurement was made")?;
        let expected = if report.heads.iter().all(|head| head.ran_dense) {
            dense_rows.clone()
        } else {
            let plans = plan_layer(backend, inputs, &vec![pattern; inputs.heads()])?;
            let indices: Vec<SparseIndex> =
                plans.into_iter().map(|head| head.lowering.into_index()).collect();
            oracle(inputs, &indices, &sampled, interrupt)?
        };
        let seconds = median(samples.seconds.iter().copied());
        rows.push(Row {
            method: pattern.name(),
            instruction_set: backend.instruction_set().to_string(),
            arithmetic: backend.arithmetic_for(inputs.k().element_type()).to_string(),
            dtype: inputs.k().element_type().to_string(),
            tokens: inputs.geometry().keys(),
            queries: shape[0],
            heads: inputs.heads(),
            kv_heads: inputs.kv_heads(),
            head_dim: inputs.head_dim(),
            threads: backend.threads(),
            seconds,
            index_seconds: median(samples.index_seconds.iter().copied()),
            pairs: report.pairs(),
            causal_pairs: report.causal_pairs(),
            gflops: 4e-9 * inputs.head_dim() as f64 * report.pairs() as f64 / seconds,
            peak_gflops: median(peaks.iter().copied()) / 1e9,
            speedup_over_dense: dense_seconds.map(|dense| dense / seconds),
            relative_error: relative_error(&samples.output, &expected),
            dense_error: relative_error(&samples.output, &dense_rows),
            heads_run_dense: report.heads.iter().filter(|head| head.ran_dense).count(),
        });
    }
    Ok(rows)
}

/// Rows that are compared with the oracle, as (token, head): the last one and some others, of two
/// heads at most.
fn sample_rows(inputs: &AttentionInputs<'_>) -> Vec<(usize, usize)> {
    let tokens = inputs.q().tokens();
    let mut random = Random::new(tokens as u64);
    let mut rows = vec![tokens - 1];
    rows.extend((0..7).map(|_| random.below(tokens)));
    let heads = [0, inputs.heads() - 1];
    rows.iter().enumerate().map(|(i, &token)| (token, heads[i % 2])).collect()
}

/// The oracle's output for the sampled rows.
fn oracle(
    inputs: &AttentionInputs<'_>,
    indices: &[SparseIndex],
    sampled: &[(usize, usize)],
    interrupt: &Interrupt,
) -> Result<Vec<Vec<f64>>> {
    let row = |&(token, head): &(usize, usize)| {
        interrupt.check()?;
        let lowering = Lowering::new(&indices[head], inputs.geometry())?;
        Ok(reference::attend_row(inputs, &lowering.layout(token / BLOCK), head, token))
    };
    sampled.iter().map(row).collect()
}

/// Root of the mean over rows of squared relative errors.
fn relative_error(rows: &[Vec<f32>], expected: &[Vec<f64>]) -> f64 {
    let sum: f64 = rows.iter().zip(expected).map(|(row, expected)| relative_square(row, expected)).sum();
    (sum / rows.len() as f64).sqrt()
}
