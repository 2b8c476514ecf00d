//! Timing each method in turn, and what came out.

use super::BenchAttentionArguments;
use super::oracle::{oracle_rows, relative_error, sample_rows};
use crate::terminal::Interrupt;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use minference_attention::pattern::PatternKind;
use minference_attention::plan::plan_layer;
use minference_attention::{
    AttentionInputs, CpuBackend, LayerReport, Progress, SparseIndex, TensorViewMut, attend_layer,
};
use minference_eval::summary::median;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One line of the result. The names are stable.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AttentionRow {
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

/// Steps of the bar for one measurement.
const BAR_STEPS: u64 = 1000;

/// A bar over all measurements of one length.
pub(super) fn progress_bar(options: &BenchAttentionArguments, tokens: usize) -> ProgressBar {
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
struct MeasurementProgress {
    bar: ProgressBar,
    first: u64,
    interrupt: Interrupt,
}

impl Progress for MeasurementProgress {
    fn advance(&self, done: u64, total: u64) {
        self.bar.set_position(self.first + done * BAR_STEPS / total.max(1));
    }
    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// Times and results of one method.
struct MethodTimes {
    method: PatternKind,
    seconds: Vec<f64>,
    index_seconds: Vec<f64>,
    report: Option<LayerReport>,
    /// The sampled output rows.
    output: Vec<Vec<f32>>,
}

/// Times the methods in turn, and compares their outputs with the oracle.
pub(super) fn measure(
    options: &BenchAttentionArguments,
    backend: &CpuBackend,
    inputs: &AttentionInputs<'_>,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<Vec<AttentionRow>> {
    let sampled = sample_rows(inputs);
    let (methods, peak) = time_methods(options, backend, inputs, &sampled, bar, interrupt)?;
    bar.set_message("comparing with the oracle");
    let dense_seconds = methods
        .iter()
        .find(|times| times.method == PatternKind::Dense)
        .map(|times| median(times.seconds.iter().copied()));
    let dense_rows = oracle_rows(inputs, &vec![SparseIndex::Dense; inputs.heads()], &sampled, interrupt)?;
    let mut rows = Vec::new();
    for times in methods {
        let pattern = options.pattern(times.method);
        let report = times.report.context("no measurement was made")?;
        let expected = if report.heads.iter().all(|head| head.ran_dense) {
            dense_rows.clone()
        } else {
            let plans = plan_layer(backend, inputs, &vec![pattern; inputs.heads()])?;
            let indices: Vec<SparseIndex> =
                plans.into_iter().map(|head| head.lowering.into_index()).collect();
            oracle_rows(inputs, &indices, &sampled, interrupt)?
        };
        let seconds = median(times.seconds.iter().copied());
        rows.push(AttentionRow {
            method: pattern.name(),
            instruction_set: backend.instruction_set().to_string(),
            arithmetic: backend.arithmetic_for(inputs.k().element_type()).to_string(),
            dtype: inputs.k().element_type().to_string(),
            tokens: inputs.geometry().keys(),
            queries: inputs.q().tokens(),
            heads: inputs.heads(),
            kv_heads: inputs.kv_heads(),
            head_dim: inputs.head_dim(),
            threads: backend.threads(),
            seconds,
            index_seconds: median(times.index_seconds.iter().copied()),
            pairs: report.pairs(),
            causal_pairs: report.causal_pairs(),
            gflops: 4e-9 * inputs.head_dim() as f64 * report.pairs() as f64 / seconds,
            peak_gflops: peak / 1e9,
            speedup_over_dense: dense_seconds.map(|dense| dense / seconds),
            relative_error: relative_error(&times.output, &expected),
            dense_error: relative_error(&times.output, &dense_rows),
            heads_run_dense: report.heads.iter().filter(|head| head.ran_dense).count(),
        });
    }
    Ok(rows)
}

/// Times the methods in turn, so that a machine whose speed drifts favours none.
///
/// Returns the times of each method, and the median of the machine's peaks in operations per
/// second.
fn time_methods(
    options: &BenchAttentionArguments,
    backend: &CpuBackend,
    inputs: &AttentionInputs<'_>,
    sampled: &[(usize, usize)],
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<(Vec<MethodTimes>, f64)> {
    let shape = inputs.q().shape();
    let mut output = vec![0.0f32; shape.iter().product()];
    let mut peaks = Vec::new();
    let mut all: Vec<MethodTimes> = options
        .methods
        .iter()
        .map(|&method| MethodTimes {
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
        for times in &mut all {
            interrupt.check()?;
            peaks.push(backend.measure_peak(inputs.k().element_type(), Duration::from_millis(50)));
            let pattern = options.pattern(times.method);
            bar.set_message(if repeat < warm_ups {
                format!("{}, warm-up", pattern.name())
            } else {
                format!("{}, {} of {}", pattern.name(), repeat + 1 - warm_ups, options.repeats)
            });
            let progress = MeasurementProgress {
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
                times.seconds.push(seconds);
                times.index_seconds.push(report.index_time().as_secs_f64());
            }
            let row = |&(token, head): &(usize, usize)| {
                output[(token * shape[1] + head) * shape[2]..][..shape[2]].to_vec()
            };
            times.output = sampled.iter().map(row).collect();
            times.report = Some(report);
        }
    }
    Ok((all, median(peaks.iter().copied())))
}
