//! `minference bench answer`: how fast an answer's tokens come after long prompts, by what was kept
//! of the prompt.

use crate::model::LoadedModel;
use crate::options::{
    KvCompressionSizes, KvKind, Length, MachineOptions, ModelOptions, check_repeats, checked, kv_kind_name,
    parse_kv_kind, sorted_lengths,
};
use crate::terminal::{Interrupt, new_table};
use anyhow::{Context, Result};
use clap::Args;
use minference_eval::numbers::{duration, memory, speedup};
use minference_eval::summary::median;
use minference_model::memory::{MemoryForecast, PlannedSession};
use minference_model::session::kv_cache::KvCompression;
use minference_model::{AttentionPlan, Compute, Session, SessionOptions};
use std::io::Write;
use std::time::Instant;

/// Shown by `--help`.
pub(super) const HELP: &str = "\
What is measured:
  Decoding: each token goes through all weights and attends to all that is in the cache. Keys and values are noise, as the time does not depend
  on them, so that no prompt need be read, and lengths beyond the model's context can be measured, too. Caches take turns, token by
  token, and medians are compared. Smaller and faster are against the full cache, or the first one listed where full is not among them.

Examples:
  minference bench answer --model demo --lengths 8K,31K
  minference bench answer --model m.gguf --lengths 31K,128K --kv full,snapkv --kv-capacity 4096
  minference bench answer --model m.gguf --lengths 128K --dtype int8";

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchAnswerArguments {
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
        value_parser = parse_kv_kind(),
        value_delimiter = ',',
        default_value = "full,snapkv,pyramidkv",
        help_heading = "Key-value cache"
    )]
    kv: Vec<KvKind>,
    #[command(flatten)]
    sizes: KvCompressionSizes,
    /// Tokens of the answer to time; the median counts
    #[arg(long, value_name = "TOKENS", default_value_t = 20, help_heading = "Prompts")]
    repeats: usize,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    machine: MachineOptions,
}

pub(super) fn run(options: &BenchAnswerArguments) -> Result<()> {
    check_repeats(options.repeats)?;
    checked(options.sizes.check_effect(&options.kv))?;
    let kinds: Vec<(KvKind, Option<KvCompression>)> = options
        .kv
        .iter()
        .map(|kind| Ok((*kind, checked(options.sizes.compression(*kind))?)))
        .collect::<Result<_>>()?;
    let interrupt = Interrupt::listen()?;
    let compute = options.machine.compute(Default::default())?;
    let model = options.model.load(&interrupt)?;
    let lengths = sorted_lengths(&options.lengths);
    lengths.iter().try_for_each(|&length| check_memory(&model, &compute, length, &kinds, options.repeats))?;
    model.preload(&interrupt)?;
    for &length in &lengths {
        let measured = measure(&model, &compute, length, &kinds, options.repeats, &interrupt)?;
        // at once, so that Ctrl-C in a longer prompt does not lose it
        print(length, &measured)?;
    }
    Ok(())
}

/// What was measured after prompts of one length.
fn print(length: usize, measured: &[(KvKind, CacheMeasurement)]) -> Result<()> {
    let mut table = new_table(&["prompt", "kept", "cache", "smaller", "per token", "tokens/s", "faster"], 2);
    let full = measured.iter().find(|(kind, _)| kind.is_none()).or(measured.first());
    for (kind, of_kind) in measured {
        let over = |part: fn(&CacheMeasurement) -> f64| {
            full.map_or("-".into(), |(_, full)| speedup(part(full) / part(of_kind)))
        };
        table.add_row([
            format!("{length} tokens"),
            kv_kind_name(*kind).to_string(),
            memory(of_kind.bytes as u64),
            over(|measured| measured.bytes as f64),
            duration(of_kind.seconds),
            format!("{:.1}", 1.0 / of_kind.seconds),
            over(|measured| measured.seconds),
        ]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(())
}

/// Refuses caches that don't all fit into memory beside each other.
fn check_memory(
    model: &LoadedModel,
    compute: &Compute,
    length: usize,
    kinds: &[(KvKind, Option<KvCompression>)],
    repeats: usize,
) -> Result<()> {
    let forecast = |compression: Option<KvCompression>| {
        let capacity = capacity(length, repeats);
        let planned = PlannedSession {
            prompt: length,
            known: 0,
            chunk: Some(1),
            capacity,
            compression: None,
            cache: model.cache,
            plan: &AttentionPlan::Dense,
            compute,
        };
        let whole = PlannedSession { chunk: None, compression, ..planned };
        let config = model.model.decoder().config();
        // a prompt that is read has one layer whole beside the compressed ones; here that is to
        // spare
        let cache = MemoryForecast::new(config, model.weight_bytes, &whole).cache;
        MemoryForecast { cache, ..MemoryForecast::new(config, model.weight_bytes, &planned) }
    };
    let all = kinds.iter().map(|(_, compression)| forecast(*compression));
    let sum = all.reduce(|sum, one| MemoryForecast { cache: sum.cache.saturating_add(one.cache), ..sum });
    sum.map_or(Ok(()), |sum| sum.check()).with_context(|| {
        format!("the caches of {length} tokens don't fit into memory together; less --lengths, less of --kv, or a --dtype of fewer bits need less")
    })
}

/// Tokens that a session has room for.
fn capacity(length: usize, repeats: usize) -> usize {
    // a token that is not counted goes first
    length.saturating_add(repeats + 1)
}

/// What a cache takes.
#[derive(Debug, Clone, Copy)]
struct CacheMeasurement {
    /// Of keys and values.
    bytes: usize,
    /// For a token, the median.
    seconds: f64,
}

/// Each kind's cache after a prompt of `length` tokens.
fn measure(
    model: &LoadedModel,
    compute: &Compute,
    length: usize,
    kinds: &[(KvKind, Option<KvCompression>)],
    repeats: usize,
    interrupt: &Interrupt,
) -> Result<Vec<(KvKind, CacheMeasurement)>> {
    let options = SessionOptions { capacity: capacity(length, repeats), cache: model.cache };
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
        (kind, CacheMeasurement { bytes, seconds: median(seconds[1..].iter().copied()) })
    };
    Ok(sessions.into_iter().map(measured).collect())
}
