//! [`LatencySummary`]: times to the first token by length and method.

use super::mean::{mean, median, ratio};
use super::table::{Column, Table};
use super::{DENSE, methods_of};
use crate::numbers::{count, duration, percent, speedup};
use crate::results::{LatencyRecord, LatencySeconds, LatencySource};
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
    /// Lengths of the measured times from which these were extrapolated; none where they were measured.
    pub extrapolated_from: Option<Vec<usize>>,
    /// Dense attention's total over this one's, at the same length; it is as certain as the less certain of both.
    pub speedup: Option<f64>,
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
                total: of(|seconds| seconds.total),
            },
            computed_share: mean(records.iter().map(|record| record.computed_share)),
            peak_memory: records.iter().filter_map(|record| record.peak_memory).max(),
            is_speedup_extrapolated: extrapolated_from.is_some(),
            extrapolated_from,
            speedup: None,
        })
    }

    /// Whether its times were not measured.
    pub fn is_extrapolated(&self) -> bool {
        self.extrapolated_from.is_some()
    }

    /// What of the total is no part: norms, embedding, logits, the choice of the token.
    pub fn other(&self) -> f64 {
        let LatencySeconds { projections, index, attention, mlp, total } = self.seconds;
        (total - projections - index - attention - mlp).max(0.0)
    }
}

const COLUMNS: [Column; 12] = [
    Column { name: "method", meaning: "" },
    Column { name: "length", meaning: "tokens of the prompt" },
    Column { name: "repeats", meaning: "repetitions, of which each time is the median" },
    Column { name: "total", meaning: "time to the first token; with ~ in front it is extrapolated" },
    Column { name: "speed-up", meaning: "dense attention's total at the same length over this one's" },
    Column { name: "projections", meaning: "time of the projections of queries, keys and values" },
    Column { name: "index", meaning: "time of online estimates and indices" },
    Column { name: "attention", meaning: "time of attention itself" },
    Column { name: "MLP", meaning: "time of attention's output projection and the MLP" },
    Column { name: "other", meaning: "the rest of the total: norms, embedding, logits" },
    Column { name: "computed", meaning: "computed share of attention" },
    Column { name: "memory", meaning: "peak memory of the process" },
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
        for row in &self.rows {
            let mark = |text: String, is_marked: bool| if is_marked { format!("~{text}") } else { text };
            let time = |seconds: f64| mark(duration(seconds), row.is_extrapolated());
            let seconds = &row.seconds;
            table.rows.push(vec![
                row.method.clone(),
                count(row.length),
                count(row.repeats),
                time(seconds.total),
                row.speedup.map_or("-".into(), |factor| mark(speedup(factor), row.is_speedup_extrapolated)),
                time(seconds.projections),
                time(seconds.index),
                time(seconds.attention),
                time(seconds.mlp),
                time(row.other()),
                percent(row.computed_share),
                row.peak_memory
                    .map_or("-".into(), |bytes| format!("{:.2} GiB", bytes as f64 / (1u64 << 30) as f64)),
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
