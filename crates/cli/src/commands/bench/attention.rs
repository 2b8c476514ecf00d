//! `minference bench attention`.
//!
//! | module | what it holds |
//! |---|---|
//! | `measurement` | timing each method in turn |
//! | `oracle` | how far outputs are from the float64 oracle's |
//! | `table` | what came out |

mod measurement;
mod oracle;
mod table;

use super::inputs::{InputSizes, Inputs};
use super::memory::check_attention;
use crate::options::{MachineOptions, check_repeats, checked};
use crate::terminal::Interrupt;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use measurement::{measure, progress_bar};
use minference_attention::pattern::PatternKind;
use minference_attention::{AttentionInputs, ElementType, HeadPattern, files};
use std::path::PathBuf;
use table::print_rows;

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
pub(crate) struct BenchAttentionArguments {
    /// Methods to compare; speed-ups need `dense` among them
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "dense,a-shape,tri-shape,vertical-slash,block-sparse"
    )]
    methods: Vec<PatternKind>,
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
    dtype: ElementType,
    #[command(flatten)]
    machine: MachineOptions,
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
enum Structure {
    /// Chosen columns and diagonals, as real heads have them
    Planted,
    /// Standard normal numbers, in which no key matters more than another
    Noise,
}

impl BenchAttentionArguments {
    fn pattern(&self, method: PatternKind) -> HeadPattern {
        match method {
            PatternKind::Dense => HeadPattern::Dense,
            PatternKind::AShape => HeadPattern::AShape { sink: self.sink, local: self.local },
            PatternKind::TriShape => {
                HeadPattern::TriShape { sink: self.sink, local: self.local, last: self.last }
            }
            PatternKind::VerticalSlash => {
                HeadPattern::VerticalSlash { vertical: self.vertical, slash: self.slash }
            }
            PatternKind::BlockSparse => HeadPattern::BlockSparse { top_k: self.blocks },
        }
    }

    fn sizes(&self, tokens: usize) -> Result<InputSizes> {
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
        let sizes = InputSizes {
            tokens,
            queries: tokens,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            element_type: self.dtype,
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

pub(super) fn run(options: &BenchAttentionArguments) -> Result<()> {
    check_repeats(options.repeats)?;
    if let Some(path) = &options.json {
        // found out now rather than after the measurements
        files::check_writable(path).with_context(|| format!("can't write {}", path.display()))?;
    }
    let interrupt = Interrupt::listen()?;
    let backend = options.machine.backend()?;
    let recorded = match &options.input {
        Some(path) => Some(Inputs::recorded(path, options.dtype)?),
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
        print_rows(&measured)?;
        rows.extend(measured);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&rows)? + "\n";
        files::write_bytes(path, text).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}
