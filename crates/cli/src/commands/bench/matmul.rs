//! `minference bench matmul`: products with weights in every format. Many rows (prefill) are
//! measured against the machine's f32 peak, few rows (decoding) by the bytes that are read in a
//! second.

use crate::options::{MachineOptions, MatmulOptions, check_repeats, checked};
use crate::terminal::{Interrupt, new_table};
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_attention::{ElementType, synthetic};
use minference_eval::numbers::duration;
use minference_eval::summary::median;
use minference_model::Matrix;
use minference_model::device::matrix::{ProductScratch, WeightBytes};
use minference_model::device::weight_format::WeightFormat;
use std::io::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// A weight matrix's shape.
#[derive(Debug, Clone, Copy)]
struct MatrixShape {
    columns: usize,
    outputs: usize,
}

impl FromStr for MatrixShape {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('x').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (columns, outputs) =
            parts.with_context(|| format!("expected INPUTSxOUTPUTS, such as 576x1536, found {text:?}"))?;
        ensure!(columns > 0 && outputs > 0, "expected at least one input and output, found {text:?}");
        Ok(Self { columns, outputs })
    }
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchMatmulArguments {
    /// Shapes of weight matrices, inputs x outputs
    #[arg(long, value_delimiter = ',', default_values = ["576x1536", "1536x576", "768x2048", "2048x768"])]
    shapes: Vec<MatrixShape>,
    /// Rows of a prompt that are multiplied at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1024])]
    rows: Vec<usize>,
    #[command(flatten)]
    matmul: MatmulOptions,
    #[command(flatten)]
    machine: MachineOptions,
    /// Measurements of each; the median counts
    #[arg(long, default_value_t = 9)]
    repeats: usize,
}

fn check_rows(rows: &[usize]) -> Result<()> {
    ensure!(rows.iter().all(|&rows| rows > 0), "--rows: expected at least 1, found 0");
    Ok(())
}

pub(super) fn run(options: &BenchMatmulArguments) -> Result<()> {
    check_repeats(options.repeats)?;
    checked(check_rows(&options.rows))?;
    let interrupt = Interrupt::listen()?;
    let compute = options.machine.compute(options.matmul)?;
    // The multiply-adds of attention in f32 are those of matrix products.
    let backend = options.machine.backend()?;
    let header = ["format", "shape", "rows", "time", "GFLOP/s", "peak", "of peak", "GB/s"];
    let mut table = new_table(&header, 1);
    for &rows in &options.rows {
        for shape in &options.shapes {
            for format in WeightFormat::ALL {
                let Some(row_bytes) = format.row_bytes(shape.columns) else { continue };
                interrupt.check()?;
                // A byte that makes a small positive scale, whatever the format.
                let bytes = vec![0x2c; row_bytes * shape.outputs];
                let matrix = Matrix::new(shape.outputs, shape.columns, format, WeightBytes::owned(bytes))?;
                let inputs = synthetic::normal(rows * shape.columns, 1);
                let mut out = vec![0.0; rows * shape.outputs];
                let mut scratch = ProductScratch::default();
                let (mut times, mut peaks) = (Vec::new(), Vec::new());
                // enough calls that the clock's step and the overhead of a call don't matter
                let calls = (20_000_000 / (rows * shape.columns * shape.outputs)).max(1);
                for _ in 0..=options.repeats {
                    peaks.push(backend.measure_peak(ElementType::F32, Duration::from_millis(5)));
                    let start = Instant::now();
                    for _ in 0..calls {
                        matrix.multiply_into(&compute, &inputs, &mut out, &mut scratch)?;
                        std::hint::black_box(&out);
                    }
                    times.push(start.elapsed().as_secs_f64() / calls as f64);
                }
                let (seconds, peak) =
                    (median(times[1..].iter().copied()), median(peaks[1..].iter().copied()));
                let rate = 2.0 * (rows * shape.columns * shape.outputs) as f64 / seconds;
                table.add_row([
                    format.to_string(),
                    format!("{}x{}", shape.columns, shape.outputs),
                    rows.to_string(),
                    duration(seconds),
                    format!("{:.0}", rate / 1e9),
                    format!("{:.0}", peak / 1e9),
                    format!("{:.0} %", 100.0 * rate / peak),
                    format!("{:.1}", matrix.byte_len() as f64 / seconds / 1e9),
                ]);
            }
        }
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(())
}
