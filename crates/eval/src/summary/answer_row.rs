//! [`AnswerRow`]: one method's answers of one task and length.

use super::DENSE;
use super::group::RecordGroup;
use super::mean::{Share, mean, ratio};
use crate::methods::Variant;
use crate::results::{AnswerRecord, CacheBytes, DenseAgreement};

/// One method's answers to the questions that all methods of its group answered.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRow {
    /// The method.
    pub method: String,
    /// The mean score.
    pub score: Share,
    /// How many answers are the same as dense attention's; none where nothing was held against it.
    pub same: Option<Share>,
    /// How many have the same score as dense attention's.
    pub same_score: Option<Share>,
    /// Mean divergence of the first token's distribution from dense attention's, in nats.
    pub divergence: Option<f64>,
    /// Mean computed share of attention.
    pub computed_share: f64,
    /// Mean seconds for reading what questions share, a question's part of it.
    pub context: f64,
    /// Mean seconds for reading the rest of the prompt.
    pub question: f64,
    /// Mean seconds for answering.
    pub decode: f64,
    /// Tokens of answers that were decoded in a second; none where it is not known, or answers
    /// are of a single token.
    pub decode_speed: Option<f64>,
    /// Mean memory of the prompts' keys and values; none where it is not known.
    pub cache: Option<CacheBytes>,
    /// How many times as fast as dense attention it reads the same prompts.
    pub speedup: Option<f64>,
    /// Of a method in chunks: how it does beside the same method without them.
    pub whole: Option<BesideWhole>,
}

/// A method in chunks beside the same without them.
#[derive(Debug, Clone, PartialEq)]
pub struct BesideWhole {
    /// The method without chunks.
    pub method: String,
    /// How many answers are the same as its answers.
    pub same: Share,
    /// Its time for reading the same prompts over that in chunks: what is kept of its speed-up.
    pub speed_kept: Option<f64>,
}

impl AnswerRow {
    /// - `records`: the method's in the group
    pub(super) fn of(method: &str, records: &[&AnswerRecord], group: &RecordGroup<'_, AnswerRecord>) -> Self {
        let dense = group.of_method(DENSE).map(prefill);
        let held = |value: fn(&DenseAgreement) -> Option<f64>| {
            let values = records
                .iter()
                .filter_map(|record| Some((record.sample.as_str(), record.dense.as_ref().and_then(value)?)));
            let share = Share::of_samples(values);
            (share.number > 0).then_some(share)
        };
        let of = |value: fn(&AnswerRecord) -> f64| mean(records.iter().map(|record| value(record)));
        Self {
            method: method.to_string(),
            score: Share::of_samples(records.iter().map(|record| (record.sample.as_str(), record.score))),
            same: held(|dense| Some(dense.same)),
            same_score: held(|dense| dense.same_score),
            divergence: held(|dense| Some(dense.divergence)).map(|share| share.mean),
            computed_share: of(|record| record.computed_share),
            context: of(|record| record.seconds.context),
            question: of(|record| record.seconds.question),
            decode: of(|record| record.seconds.decode),
            decode_speed: decode_speed(records),
            cache: mean_cache(records.iter().map(|record| record.cache)),
            speedup: dense.and_then(|dense| ratio(dense, prefill(records))),
            whole: BesideWhole::of(method, records, group),
        }
    }
}

impl BesideWhole {
    /// None for a method without chunks, and where the same without them was not run.
    fn of(method: &str, records: &[&AnswerRecord], group: &RecordGroup<'_, AnswerRecord>) -> Option<Self> {
        let method = whole_of(method)?;
        // a group's methods have the same questions in the same order
        let whole = group.of_method(&method)?;
        let same = records.iter().zip(whole).map(|(record, whole)| {
            let is_same = record.answer.trim() == whole.answer.trim();
            (record.sample.as_str(), f64::from(u8::from(is_same)))
        });
        Some(Self {
            same: Share::of_samples(same),
            speed_kept: ratio(prefill(whole), prefill(records)),
            method,
        })
    }
}

/// The name of a method without the chunks that are in its name; none if there are none.
pub(super) fn whole_of(method: &str) -> Option<String> {
    let variant: Variant = method.parse().ok()?;
    variant.chunk.map(|_| variant.whole().to_string())
}

/// The mean of what is known.
pub(super) fn mean_cache(caches: impl Iterator<Item = Option<CacheBytes>> + Clone) -> Option<CacheBytes> {
    let known = caches.flatten();
    let of = |bytes: fn(CacheBytes) -> u64| mean(known.clone().map(|cache| bytes(cache) as f64));
    let cache = CacheBytes { full: of(|cache| cache.full) as u64, kept: of(|cache| cache.kept) as u64 };
    known.clone().next().map(|_| cache)
}

/// Tokens a second over all answers.
fn decode_speed(records: &[&AnswerRecord]) -> Option<f64> {
    let decoded = records.iter().filter_map(|record| {
        record.decode_tokens.filter(|&tokens| tokens > 0).map(|tokens| (tokens as f64, record.seconds.decode))
    });
    let (tokens, seconds) = decoded.fold((0.0, 0.0), |(t, s), (tokens, seconds)| (t + tokens, s + seconds));
    ratio(tokens, seconds).filter(|speed| *speed > 0.0)
}

/// Seconds until the first token, of all records.
fn prefill(records: &[&AnswerRecord]) -> f64 {
    records.iter().map(|record| record.seconds.context + record.seconds.question).sum()
}
