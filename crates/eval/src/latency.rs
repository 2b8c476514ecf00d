//! [`latency`]: the time to the first token by length and method, and where it goes (the paper's
//! latency table).
//!
//! Methods run in turn, repetition by repetition, so that a machine whose speed drifts favours
//! none. Dense attention of very long prompts can be extrapolated from a shorter one's parts, if
//! asked for: attention grows with the square of the length, all else with the length; in chunks or
//! with a compressed cache it is left out there. A prompt that is not counted goes first, so that
//! the first one measured does not pay for threads and pages that the others find ready.

use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, RunStep};
use crate::methods::{AttentionMethod, Planner, PromptFacts, Variant};
use crate::results::{CacheBytes, LatencyRecord, LatencySeconds, LatencySource, ResultsFolder};
use minference_attention::Progress;
use minference_model::generation::logits::likeliest;
use minference_model::{PrefillOptions, Session, SessionOptions, memory};
use std::sync::Arc;
use std::time::Instant;

/// Tokens of the prompt that is not counted.
const WARM_UP: usize = 512;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyOptions {
    /// Lengths of prompts, in tokens.
    pub lengths: Vec<usize>,
    /// How often each is measured.
    pub repeats: usize,
    /// The longest prompt that dense attention reads; beyond, it is extrapolated. None reads them
    /// all.
    pub longest_dense: Option<usize>,
}

impl LatencyOptions {
    /// Whether a variant of dense attention is left out at a length: only the plain one is
    /// extrapolated, and this one would take as long as it.
    pub fn leaves_out(&self, variant: Variant, length: usize) -> bool {
        variant.method == AttentionMethod::Dense && variant != Variant::DENSE && self.is_beyond_dense(length)
    }

    /// Whether dense attention does not read prompts of a length.
    fn is_beyond_dense(&self, length: usize) -> bool {
        self.longest_dense.is_some_and(|longest| length > longest)
    }
}

/// Measures what the folder doesn't hold yet.
///
/// - `prompt`: makes a prompt of some tokens
///
/// # Errors
/// No lengths, one of no tokens or beyond the context, no repetitions, none that dense attention is
/// to be extrapolated from, results that can't be written, errors of the model or of `prompt`,
/// cancelled.
pub fn latency(
    evaluation: &Evaluation<'_>,
    options: &LatencyOptions,
    prompt: &dyn Fn(usize) -> Result<Vec<u32>>,
    folder: &mut ResultsFolder<LatencyRecord>,
) -> Result<()> {
    check(options, evaluation)?;
    // matched shapes refer to minference; dense figures are extrapolated from those of shorter
    // prompts
    let mut lengths = options.lengths.clone();
    lengths.sort_unstable();
    lengths.dedup();
    let methods = evaluation.methods.in_order_of_running();
    let mut planner =
        Planner::new(evaluation.model, evaluation.compute, evaluation.cache, evaluation.minference);
    let steps = lengths.len().saturating_mul(options.repeats).saturating_mul(methods.len());
    let (mut done, mut is_warm) = (0, false);
    for &length in &lengths {
        let mut tokens = None;
        for repeat in 0..options.repeats {
            for &variant in &methods {
                let step = RunStep { done, steps, sample: &format!("{length} tokens"), variant };
                done += 1;
                if options.leaves_out(variant, length) {
                    continue;
                }
                let extrapolates = variant == Variant::DENSE && options.is_beyond_dense(length);
                let found = find(folder.records(), length, repeat, variant);
                // what was extrapolated is measured, if that is asked for now
                if found.is_some_and(|found| extrapolates || found.source == LatencySource::Measured) {
                    continue;
                }
                evaluation.progress.begin(&step);
                if extrapolates {
                    let shorter = longest_measured(folder.records(), repeat, length)?;
                    let record = extrapolate(shorter, length);
                    folder.append(&[record])?;
                    continue;
                }
                if !is_warm {
                    let warm_up = prompt(WARM_UP.min(length))?;
                    measure(evaluation, &mut planner, &warm_up, (Variant::DENSE, 0), None)?;
                    is_warm = true;
                }
                let tokens = match &tokens {
                    Some(tokens) => tokens,
                    None => tokens.insert(prompt(length)?),
                };
                let share =
                    find(folder.records(), length, repeat, Variant::MINFERENCE).map(|r| r.computed_share);
                let record = measure(evaluation, &mut planner, tokens, (variant, repeat), share)?;
                folder.append(&[record])?;
            }
        }
    }
    Ok(())
}

fn check(options: &LatencyOptions, evaluation: &Evaluation<'_>) -> Result<()> {
    let LatencyOptions { lengths, repeats, longest_dense } = options;
    if lengths.is_empty() {
        return Err(Error::choice("lengths", "at least one", "none"));
    }
    let most = evaluation.context;
    if let Some(length) = lengths.iter().find(|length| !(1..=most).contains(*length)) {
        return Err(Error::choice("length", format!("1 to {most} tokens, the context"), length));
    }
    if *repeats == 0 {
        return Err(Error::choice("repeats", "at least 1", 0));
    }
    if let Some(longest) = longest_dense
        && evaluation.methods.contains(&Variant::DENSE)
        && lengths.iter().all(|length| length > longest)
    {
        let expected = format!("one of at most {longest} tokens, from which dense attention is extrapolated");
        return Err(Error::choice("lengths", expected, "none"));
    }
    Ok(())
}

fn find(records: &[LatencyRecord], length: usize, repeat: usize, variant: Variant) -> Option<&LatencyRecord> {
    let method = variant.to_string();
    // measured again after it was extrapolated, the later record counts
    records
        .iter()
        .rfind(|record| record.length == length && record.repeat == repeat && record.method == method)
}

fn measure(
    evaluation: &Evaluation<'_>,
    planner: &mut Planner<'_>,
    tokens: &[u32],
    (variant, repeat): (Variant, usize),
    share: Option<f64>,
) -> Result<LatencyRecord> {
    let watcher: Arc<dyn Progress> = evaluation.progress.clone();
    let group = tokens.len().to_string();
    if variant.method == AttentionMethod::Static && planner.lacks_fixed(&group) {
        planner.fix(&group, &group, tokens, Some(&watcher))?;
    }
    let planned = planner.plan(variant.method, PromptFacts { tokens: tokens.len(), group: &group, share })?;
    let Variant { chunk, compression, .. } = variant;
    let options = PrefillOptions { plan: planned.plan, chunk, compression, progress: Some(watcher) };
    memory::reset_peak();
    let start = Instant::now();
    let capacity = SessionOptions { capacity: tokens.len(), cache: evaluation.cache };
    let mut session = Session::new(evaluation.model.decoder().clone(), evaluation.compute.clone(), capacity)?;
    let forward = session.prefill(tokens, &options)?;
    std::hint::black_box(likeliest(&forward.logits));
    let total = start.elapsed();
    let times = forward.report.times;
    Ok(LatencyRecord {
        length: tokens.len(),
        method: variant.to_string(),
        pattern: variant.describe(planned.pattern),
        repeat,
        seconds: LatencySeconds {
            projections: times.projections.as_secs_f64(),
            index: times.index.as_secs_f64(),
            attention: times.attention.as_secs_f64(),
            mlp: times.mlp.as_secs_f64(),
            compression: times.compression.as_secs_f64(),
            total: total.as_secs_f64(),
        },
        computed_share: forward.report.computed_share(),
        peak_memory: memory::peak(),
        cache: Some(CacheBytes::of(session.cache())),
        source: LatencySource::Measured,
    })
}

/// Dense attention's longest measured prompt that is shorter than `length`, of this repetition if
/// there is one.
fn longest_measured(records: &[LatencyRecord], repeat: usize, length: usize) -> Result<&LatencyRecord> {
    let dense = Variant::DENSE.to_string();
    let is_measured = |record: &&LatencyRecord| {
        record.method == dense && record.source == LatencySource::Measured && record.length < length
    };
    let measured = records.iter().filter(is_measured);
    let longest = measured.max_by_key(|record| (record.length, record.repeat == repeat));
    longest.ok_or_else(|| Error::choice("dense attention", "a measured prompt to extrapolate from", "none"))
}

/// What dense attention would take for a longer prompt.
fn extrapolate(measured: &LatencyRecord, length: usize) -> LatencyRecord {
    let LatencySeconds { projections, index, attention, mlp, compression, total } = measured.seconds;
    let ratio = length as f64 / measured.length as f64;
    let rest = total - (projections + index + attention + mlp + compression);
    let seconds = LatencySeconds {
        projections: projections * ratio,
        index: index * ratio,
        attention: attention * ratio * ratio,
        mlp: mlp * ratio,
        compression: compression * ratio,
        total: 0.0,
    };
    let parts = seconds.projections + seconds.index + seconds.attention + seconds.mlp + seconds.compression;
    let total = parts + rest * ratio;
    LatencyRecord {
        length,
        seconds: LatencySeconds { total, ..seconds },
        peak_memory: None,
        cache: None,
        source: LatencySource::Extrapolated { from: vec![measured.length] },
        ..measured.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(method: &str, length: usize, repeat: usize, attention: f64) -> LatencyRecord {
        LatencyRecord {
            length,
            method: method.into(),
            pattern: String::new(),
            repeat,
            seconds: LatencySeconds {
                projections: 1.0,
                index: 0.0,
                attention,
                mlp: 2.0,
                compression: 0.0,
                total: attention + 3.5,
            },
            computed_share: 1.0,
            peak_memory: Some(7),
            cache: None,
            source: LatencySource::Measured,
        }
    }

    #[test]
    fn attention_grows_with_the_square_and_the_rest_with_the_length() {
        let long = extrapolate(&record("dense", 1000, 2, 4.0), 3000);
        assert_eq!((long.seconds.attention, long.seconds.mlp, long.seconds.projections), (36.0, 6.0, 3.0));
        assert!((long.seconds.total - (36.0 + 6.0 + 3.0 + 1.5)).abs() < 1e-12);
        assert_eq!((long.length, long.repeat, long.peak_memory), (3000, 2, None));
        assert_eq!(long.source, LatencySource::Extrapolated { from: vec![1000] });
    }

    #[test]
    fn compressed_dense_attention_is_not_extrapolated() {
        let options = LatencyOptions { lengths: vec![9000], repeats: 1, longest_dense: Some(5000) };
        let leaves_out = |method: &str, length| options.leaves_out(method.parse().unwrap(), length);
        assert!(leaves_out("dense+snapkv", 9000) && leaves_out("dense+chunk:1K", 9000));
        assert!(!leaves_out("dense+snapkv", 5000) && !leaves_out("dense", 9000));
        assert!(!leaves_out("minference+snapkv", 9000));
        let all = LatencyOptions { longest_dense: None, ..options.clone() };
        assert!(!all.leaves_out("dense+snapkv".parse().unwrap(), 9000));
    }

    #[test]
    fn only_measured_dense_prompts_are_extrapolated_from() {
        let mut records = vec![record("dense", 1000, 0, 1.0), record("dense", 2000, 0, 4.0)];
        records.push(record("dense", 2000, 1, 5.0));
        records.push(record("minference", 4000, 1, 1.0));
        records.push(extrapolate(&records[0].clone(), 8000));
        assert_eq!(longest_measured(&records, 1, 9000).unwrap().seconds.attention, 5.0);
        assert_eq!(longest_measured(&records, 7, 9000).unwrap().length, 2000);
        assert_eq!(longest_measured(&records, 0, 1500).unwrap().length, 1000);
        assert!(longest_measured(&records[3..], 0, 9000).is_err());
    }
}
