//! [`LatencySummary`]: times to the first token by length and method.

use super::answer_row::{mean_cache, whole_of};
use super::mean::{mean, median, ratio};
use super::table::{Column, Table};
use super::{DENSE, methods_of};
use crate::numbers::{count, duration, memory, percent, speedup};
use crate::results::{CacheBytes, LatencyRecord, LatencySeconds, LatencySource};
use std::collections::BTreeSet;

/// Times to the first token.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencySummary {
    /// Dense attention first.
    pub methods: Vec<String>,
    /// By length, then by method.
    pub rows: Vec<LatencyRow>,
}

/// One method at one length.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyRow {
    /// Tokens of the prompt.
    pub length: usize,
    /// The method.
    pub method: String,
    /// How many repetitions there are.
    pub repeats: usize,
    /// Medians, each by itself.
    pub seconds: LatencySeconds,
    /// Mean computed share of attention.
    pub computed_share: f64,
    /// The largest peak of memory, in bytes.
    pub peak_memory: Option<u64>,
    /// Memory of the prompt's keys and values; none where it is not known.
    pub cache: Option<CacheBytes>,
    /// Lengths of the measured times from which these were extrapolated; none where they were
    /// measured.
    pub extrapolated_from: Option<Vec<usize>>,
    /// Dense attention's total over this one's, at the same length; it is as certain as the less
    /// certain of both.
    pub speedup: Option<f64>,
    /// Of a method in chunks: the total of the same method without them over this one's, which is
    /// what it keeps of the speed-up.
    pub speed_kept: Option<f64>,
    /// Whether dense attention's time, or this one's, was extrapolated.
    pub is_speedup_extrapolated: bool,
}

impl LatencyRow {
    /// Of what was measured; where nothing was, of what was extrapolated.
    fn of(length: usize, method: &str, records: &[LatencyRecord]) -> Option<Self> {
        let of_row = records.iter().filter(|record| record.length == length && record.method == method);
        let (measured, extrapolated): (Vec<_>, Vec<_>) =
            of_row.partition(|record| record.source == LatencySource::Measured);
        let extrapolated_from = if measured.is_empty() {
            let LatencySource::Extrapolated { from } = &extrapolated.last()?.source else { return None };
            Some(from.clone())
        } else {
            None
        };
        let records = if measured.is_empty() { extrapolated } else { measured };
        let of =
            |part: fn(&LatencySeconds) -> f64| median(records.iter().map(|record| part(&record.seconds)));
        Some(Self {
            length,
            method: method.to_string(),
            repeats: records.len(),
            seconds: LatencySeconds {
                projections: of(|seconds| seconds.projections),
                index: of(|seconds| seconds.index),
                attention: of(|seconds| seconds.attention),
                mlp: of(|seconds| seconds.mlp),
                compression: of(|seconds| seconds.compression),
                total: of(|seconds| seconds.total),
            },
            computed_share: mean(records.iter().map(|record| record.computed_share)),
            peak_memory: records.iter().filter_map(|record| record.peak_memory).max(),
            cache: mean_cache(records.iter().map(|record| record.cache)),
            is_speedup_extrapolated: extrapolated_from.is_some(),
            extrapolated_from,
            speedup: None,
            speed_kept: None,
        })
    }

    /// Whether its times were not measured.
    pub fn is_extrapolated(&self) -> bool {
        self.extrapolated_from.is_some()
    }

    /// What of the total is no part: norms, embedding, logits, the choice of the token.
    pub fn other(&self) -> f64 {
        let LatencySeconds { projections, index, attention, mlp, compression, total } = self.seconds;
        (total - projections - index - attention - mlp - compression).max(0.0)
    }
}

/// Says of methods in chunks what they keep of the speed that the same methods have without.
fn hold_against_whole(rows: &mut [LatencyRow]) {
    for place in 0..rows.len() {
        let whole =
            whole_of(&rows[place].method).and_then(|method| rows.iter().find(|row| row.method == method));
        let total = whole.filter(|row| !row.is_extrapolated()).map(|row| row.seconds.total);
        rows[place].speed_kept = total.and_then(|total| ratio(total, rows[place].seconds.total));
    }
}

const COLUMNS: [Column; 16] = [
    Column { name: "method", meaning: "" },
    Column { name: "length", meaning: "tokens of the prompt" },
    Column { name: "repeats", meaning: "repetitions, of which each time is the median" },
    Column { name: "total", meaning: "time to the first token; with ~ in front it is extrapolated" },
    Column { name: "speed-up", meaning: "dense attention's total at the same length over this one's" },
    Column {
        name: "speed-up kept",
        meaning: "of a method in chunks: its speed-up over that of the same method without chunks",
    },
    Column { name: "projections", meaning: "time of the projections of queries, keys and values" },
    Column { name: "index", meaning: "time of online estimates and indices" },
    Column { name: "attention", meaning: "time of attention itself" },
    Column { name: "MLP", meaning: "time of attention's output projection and the MLP" },
    Column { name: "compression", meaning: "time of choosing and dropping keys and values" },
    Column { name: "other", meaning: "the rest of the total: norms, embedding, logits" },
    Column { name: "computed", meaning: "computed share of attention" },
    Column { name: "memory", meaning: "peak memory of the process" },
    Column { name: "cache", meaning: "memory of the prompt's keys and values that are kept" },
    Column { name: "smaller", meaning: "memory of all its keys and values over that" },
];

impl LatencySummary {
    /// Of records, in any order.
    pub fn of(records: &[LatencyRecord]) -> Self {
        let methods = methods_of(records.iter().map(|record| &*record.method));
        let lengths: BTreeSet<usize> = records.iter().map(|record| record.length).collect();
        let mut rows: Vec<LatencyRow> = Vec::new();
        for length in lengths {
            let first = rows.len();
            rows.extend(methods.iter().filter_map(|method| LatencyRow::of(length, method, records)));
            hold_against_whole(&mut rows[first..]);
            let dense = rows[first..].iter().find(|row| row.method == DENSE);
            let Some((dense, is_extrapolated)) = dense.map(|row| (row.seconds.total, row.is_extrapolated()))
            else {
                continue;
            };
            for row in &mut rows[first..] {
                row.speedup = ratio(dense, row.seconds.total);
                row.is_speedup_extrapolated |= is_extrapolated;
            }
        }
        Self { methods, rows }
    }

    /// As text.
    pub fn table(&self) -> Table {
        let mut table = Table::new("Time to the first token by length and method", 1, &COLUMNS);
        let is_compressed = |row: &LatencyRow| row.cache.is_some_and(|cache| cache.is_compressed());
        let has_compressed = self.rows.iter().any(is_compressed);
        for row in &self.rows {
            let mark = |text: String, is_marked: bool| if is_marked { format!("~{text}") } else { text };
            let time = |seconds: f64| mark(duration(seconds), row.is_extrapolated());
            let seconds = &row.seconds;
            let of_cache = |text: fn(&CacheBytes) -> String| {
                row.cache.as_ref().filter(|_| has_compressed).map_or("-".into(), text)
            };
            table.rows.push(vec![
                row.method.clone(),
                count(row.length),
                count(row.repeats),
                time(seconds.total),
                row.speedup.map_or("-".into(), |factor| mark(speedup(factor), row.is_speedup_extrapolated)),
                row.speed_kept.map_or("-".into(), percent),
                time(seconds.projections),
                time(seconds.index),
                time(seconds.attention),
                time(seconds.mlp),
                if seconds.compression > 0.0 { time(seconds.compression) } else { "-".into() },
                time(row.other()),
                percent(row.computed_share),
                row.peak_memory
                    .map_or("-".into(), |bytes| format!("{:.2} GiB", bytes as f64 / (1u64 << 30) as f64)),
                of_cache(|cache| memory(cache.kept)),
                of_cache(CacheBytes::smaller),
            ]);
        }
        for row in self.rows.iter().filter(|row| row.is_extrapolated()) {
            let from: Vec<String> =
                row.extrapolated_from.iter().flatten().map(|&length| count(length)).collect();
            table.notes.push(format!(
                "~ {} at {} tokens was not measured but extrapolated from {} tokens: attention grows with the square of the length, \
                 the rest with the length.",
                row.method,
                count(row.length),
                from.join(", ")
            ));
        }
        table.without_empty_columns()
    }
}
