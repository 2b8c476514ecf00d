//! [`LatencySummary`]: times to the first token by length and method.

use super::DENSE;
use super::answer_row::{mean_cache, whole_of};
use super::group::{RecordGroup, method_names};
use super::lengths::Lengths;
use super::mean::{mean, median, ratio};
use super::table::{Column, METHOD, Table, cell};
use crate::numbers::{count, duration, memory, percent, speedup};
use crate::results::{CacheBytes, LatencyRecord, LatencySeconds, LatencySource};

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
    fn of(length: usize, method: &str, records: &[&LatencyRecord]) -> Self {
        let (measured, extrapolated): (Vec<&LatencyRecord>, Vec<_>) =
            records.iter().partition(|record| record.source == LatencySource::Measured);
        let records = if measured.is_empty() { extrapolated } else { measured };
        let extrapolated_from = records.last().and_then(|record| match &record.source {
            LatencySource::Measured => None,
            LatencySource::Extrapolated { from } => Some(from.clone()),
        });
        let of =
            |part: fn(&LatencySeconds) -> f64| median(records.iter().map(|record| part(&record.seconds)));
        Self {
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
        }
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

/// Rows of all methods, held against dense attention and against the same methods without chunks.
fn rows_of_length(group: &RecordGroup<'_, LatencyRecord>) -> Vec<LatencyRow> {
    let row = |(method, records): &(&str, Vec<_>)| LatencyRow::of(group.length.longest, method, records);
    let alone: Vec<LatencyRow> = group.methods.iter().map(row).collect();
    let of_method = |method: &str| alone.iter().find(|row| row.method == method);
    let dense = of_method(DENSE);
    let beside_others = |row: &LatencyRow| {
        let whole = whole_of(&row.method).and_then(|method| of_method(&method));
        let gain = |other: &LatencyRow| ratio(other.seconds.total, row.seconds.total);
        LatencyRow {
            speedup: dense.and_then(gain),
            is_speedup_extrapolated: row.is_extrapolated() || dense.is_some_and(LatencyRow::is_extrapolated),
            speed_kept: whole.filter(|whole| !whole.is_extrapolated()).and_then(gain),
            ..row.clone()
        }
    };
    alone.iter().map(beside_others).collect()
}

const COLUMNS: [Column; 16] = [
    METHOD,
    Column::new("length", "tokens of the prompt"),
    Column::new("repeats", "repetitions, of which each time is the median"),
    Column::new("total", "time to the first token; with ~ in front it is extrapolated"),
    Column::new("speed-up", "dense attention's total at the same length over this one's"),
    Column::new(
        "speed-up kept",
        "of a method in chunks: its speed-up over that of the same method without chunks",
    ),
    Column::new("projections", "time of the projections of queries, keys and values"),
    Column::new("index", "time of online estimates and indices"),
    Column::new("attention", "time of attention itself"),
    Column::new("MLP", "time of attention's output projection and the MLP"),
    Column::new("compression", "time of choosing and dropping keys and values"),
    Column::new("other", "the rest of the total: norms, embedding, logits"),
    Column::new("computed", "computed share of attention"),
    Column::new("memory", "peak memory of the process"),
    Column::new("cache", "memory of the prompt's keys and values that are kept"),
    Column::new("smaller", "memory of all its keys and values over that"),
];

impl LatencySummary {
    /// Of records, in any order.
    pub fn of(records: &[LatencyRecord]) -> Self {
        let groups = RecordGroup::all(records, Lengths::Chosen);
        Self { methods: method_names(records), rows: groups.iter().flat_map(rows_of_length).collect() }
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
            let of_cache =
                |text: fn(&CacheBytes) -> String| cell(row.cache.as_ref().filter(|_| has_compressed), text);
            table.rows.push(vec![
                row.method.clone(),
                count(row.length),
                count(row.repeats),
                time(seconds.total),
                cell(row.speedup, |factor| mark(speedup(factor), row.is_speedup_extrapolated)),
                cell(row.speed_kept, percent),
                time(seconds.projections),
                time(seconds.index),
                time(seconds.attention),
                time(seconds.mlp),
                if seconds.compression > 0.0 { time(seconds.compression) } else { "-".into() },
                time(row.other()),
                percent(row.computed_share),
                cell(row.peak_memory, |bytes| format!("{:.2} GiB", bytes as f64 / (1u64 << 30) as f64)),
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
