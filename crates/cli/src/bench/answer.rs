//! `minference bench answer`: how fast an answer's tokens come after long prompts, by what was kept of the prompt.

use super::options::{Compute, check_repeats};
use super::table::{duration, new_table};
use crate::eval::{Length, tokens};
use crate::interrupt::Interrupt;
use crate::run::{KvKind, KvSizes, LoadedModel, ModelOptions, preload};
use crate::usage::checked;
use anyhow::Result;
use clap::Args;
use minference_eval::numbers::{memory, speedup};
use minference_eval::summary::median;
use minference_model::kv_cache::KvCompression;
use minference_model::{Session, SessionOptions};
use std::io::Write;
use std::time::Instant;

/// Shown by `--help`.
pub(super) const HELP: &str = "\
What is measured:
  Decoding: each token goes through all weights and attends to all that is in the cache. Keys and values are noise, as the time does not depend
  on them, so that no prompt need be read, and lengths beyond the model's context can be measured, too. Caches take turns, token by
  token, and medians are compared.

Examples:
  minference bench answer --model demo --lengths 8K,31K
  minference bench answer --model m.gguf --lengths 31K,128K --kv full,snapkv --kv-capacity 4096
  minference bench answer --model m.gguf --lengths 128K --dtype int8";

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Tokens of the prompt
    #[arg(
        long,
        value_name = "LENGTHS",
        value_delimiter = ',',
        default_value = "8K,31K",
        help_heading = "Prompts"
    )]
    lengths: Vec<Length>,
    /// What is kept of it
    #[arg(
        long,
        value_name = "KINDS",
        value_enum,
        value_delimiter = ',',
        default_value = "full,snapkv,pyramidkv",
        help_heading = "Key-value cache"
    )]
    kv: Vec<KvKind>,
    #[command(flatten)]
    sizes: KvSizes,
    /// Tokens of the answer to time; the median counts
    #[arg(long, value_name = "TOKENS", default_value_t = 20, help_heading = "Prompts")]
    repeats: usize,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    compute: Compute,
}

pub(super) fn run(options: &Options) -> Result<()> {
    check_repeats(options.repeats)?;
    checked(options.sizes.check_effect(&options.kv))?;
    let kinds: Vec<(KvKind, Option<KvCompression>)> = options
        .kv
        .iter()
        .map(|kind| Ok((*kind, checked(options.sizes.compression(*kind))?)))
        .collect::<Result<_>>()?;
    let interrupt = Interrupt::listen()?;
    let compute = options.compute.compute(Default::default())?;
    let model = options.model.load(&interrupt)?;
    preload(&model, &interrupt)?;
    let mut table = new_table(&["prompt", "kept", "cache", "smaller", "per token", "tokens/s", "faster"], 2);
    for length in tokens(&options.lengths) {
        let mut first: Option<Measured> = None;
        for (kind, measured) in measure(&model, &compute, length, &kinds, options.repeats, &interrupt)? {
            let first = first.get_or_insert(measured);
            table.add_row([
                format!("{length} tokens"),
                kind.name(),
                memory(measured.bytes as u64),
                speedup(first.bytes as f64 / measured.bytes as f64),
                duration(measured.seconds),
                format!("{:.1}", 1.0 / measured.seconds),
                speedup(first.seconds / measured.seconds),
            ]);
        }
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(())
}

/// What a cache takes.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Of keys and values.
    bytes: usize,
    /// For a token, the median.
    seconds: f64,
}

/// Each kind's cache after a prompt of `length` tokens.
fn measure(
    model: &LoadedModel,
    compute: &minference_model::Compute,
    length: usize,
    kinds: &[(KvKind, Option<KvCompression>)],
    repeats: usize,
    interrupt: &Interrupt,
) -> Result<Vec<(KvKind, Measured)>> {
    // a token that is not counted goes first
    let capacity = length.saturating_add(repeats + 1);
    let options = SessionOptions { capacity, rope_tokens: None, element_type: model.dtype.into() };
    let mut sessions = Vec::new();
    for (kind, compression) in kinds {
        interrupt.check()?;
        let decoder = model.model.decoder().clone();
        let session = Session::with_noise(decoder, compute.clone(), options, length, compression.as_ref())?;
        sessions.push((*kind, session.cache().bytes(), session, Vec::new()));
    }
    for _ in 0..=repeats {
        for (_, _, session, seconds) in &mut sessions {
            interrupt.check()?;
            let start = Instant::now();
            session.decode(0)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    let measured = |(kind, bytes, _, seconds): (KvKind, usize, Session, Vec<f64>)| {
        (kind, Measured { bytes, seconds: median(seconds[1..].iter().copied()) })
    };
    Ok(sessions.into_iter().map(measured).collect())
}
