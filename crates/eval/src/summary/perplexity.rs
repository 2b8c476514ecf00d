//! [`PerplexitySummary`]: perplexity by length and method, and by position.

use super::DENSE;
use super::group::{RecordGroup, method_names};
use super::lengths::Lengths;
use super::mean::{mean, ratio};
use super::table::{Column, METHOD, Table, cell};
use crate::numbers::{count, decimal, duration, percent, signed_percent, speedup};
use crate::results::{LossBucket, PerplexityRecord};
use std::collections::{BTreeMap, BTreeSet};

/// Perplexity by length and method.
#[derive(Debug, Clone, PartialEq)]
pub struct PerplexitySummary {
    /// Dense attention first.
    pub methods: Vec<String>,
    /// From the shortest length on.
    pub groups: Vec<PerplexityGroup>,
}

/// Documents of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct PerplexityGroup {
    /// Tokens that were read.
    pub length: usize,
    /// Documents that all methods read.
    pub documents: usize,
    /// Documents that only some methods have read: they count for nothing.
    pub left_out: usize,
    /// One for each method that read any document here.
    pub rows: Vec<PerplexityRow>,
}

/// One method on the documents that all methods of its group read.
#[derive(Debug, Clone, PartialEq)]
pub struct PerplexityRow {
    /// The method.
    pub method: String,
    /// Of all predicted tokens.
    pub perplexity: f64,
    /// Relative to dense attention's: 0.01 is 1 % more.
    pub change: Option<f64>,
    /// Share of positions whose likeliest next token is dense attention's.
    pub same: Option<f64>,
    /// Mean divergence of the next token's distribution from dense attention's, in nats.
    pub divergence: Option<f64>,
    /// Mean computed share of attention.
    pub computed_share: f64,
    /// Mean time of a document.
    pub seconds: f64,
    /// Dense attention's time over this one's, on the same documents.
    pub speedup: Option<f64>,
    /// Perplexity by position.
    pub buckets: Vec<BucketLoss>,
}

/// Tokens of neighbouring positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketLoss {
    /// The first position.
    pub from: usize,
    /// The first position after it.
    pub to: usize,
    /// Of these tokens.
    pub perplexity: f64,
    /// Relative to dense attention's.
    pub change: Option<f64>,
}

/// The exponential of the mean loss; positions whose loss is no number do not count.
fn perplexity<'a>(buckets: impl Iterator<Item = &'a LossBucket>) -> f64 {
    let (mut loss, mut tokens) = (0.0, 0.0);
    for bucket in buckets.filter(|bucket| bucket.loss.is_finite()) {
        let positions = bucket.to.saturating_sub(bucket.from) as f64;
        loss += bucket.loss * positions;
        tokens += positions;
    }
    (loss / tokens).exp()
}

impl PerplexityRow {
    fn of(method: &str, records: &[&PerplexityRecord], dense: Option<&Self>) -> Self {
        let tokens = |record: &PerplexityRecord| record.length.saturating_sub(1) as f64;
        let same = records.iter().filter_map(|record| Some((record.dense?.same, tokens(record))));
        let (same, weights) = same
            .filter(|(same, _)| same.is_finite())
            .fold((0.0, 0.0), |sum, (same, weight)| (sum.0 + same * weight, sum.1 + weight));
        let all = || records.iter().flat_map(|record| &record.buckets);
        // a document's last bucket may be shorter than the others'
        let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
        for bucket in all() {
            let end = ends.entry(bucket.from).or_default();
            *end = bucket.to.max(*end);
        }
        let buckets = ends.into_iter().map(|(from, to)| {
            let perplexity = perplexity(all().filter(|bucket| bucket.from == from));
            let of_dense = dense.and_then(|dense| dense.buckets.iter().find(|bucket| bucket.from == from));
            BucketLoss {
                from,
                to,
                perplexity,
                change: of_dense.and_then(|dense| change(perplexity, dense.perplexity)),
            }
        });
        let (perplexity, seconds) = (perplexity(all()), mean(records.iter().map(|record| record.seconds)));
        let divergence = mean(records.iter().filter_map(|record| Some(record.dense?.divergence)));
        Self {
            method: method.to_string(),
            perplexity,
            change: dense.and_then(|dense| change(perplexity, dense.perplexity)),
            same: ratio(same, weights),
            divergence: Some(divergence).filter(|mean| mean.is_finite()),
            computed_share: mean(records.iter().map(|record| record.computed_share)),
            seconds,
            speedup: dense.and_then(|dense| ratio(dense.seconds, seconds)),
            buckets: buckets.collect(),
        }
    }
}

fn change(value: f64, dense: f64) -> Option<f64> {
    ratio(value, dense).map(|ratio| ratio - 1.0)
}

const COLUMNS: [Column; 10] = [
    METHOD,
    Column::new("length", "tokens that were read of each document"),
    Column::new("documents", "those that all methods of the length read"),
    Column::new("perplexity", "exponential of the mean loss of all predicted tokens; less is better"),
    Column::new("to dense", "change of the perplexity relative to dense attention's"),
    Column::new("same token", "positions whose likeliest next token is dense attention's"),
    Column::new(
        "KL",
        "divergence of the next token's distribution from dense attention's, in nats; 0 is the same",
    ),
    Column::new("computed", "computed share of attention"),
    Column::new("time", "of a document's forward pass, logits included"),
    Column::new("speed-up", "dense attention's time over this one's, on the same documents"),
];

impl PerplexitySummary {
    /// Of records, in any order.
    pub fn of(records: &[PerplexityRecord]) -> Self {
        let groups = RecordGroup::compared(records, Lengths::Chosen);
        let groups = groups.iter().map(PerplexityGroup::of).collect();
        Self { methods: method_names(records), groups }
    }

    /// As text.
    pub fn table(&self) -> Table {
        let mut table = Table::new("Perplexity by length and method", 1, &COLUMNS);
        for group in &self.groups {
            for row in &group.rows {
                table.rows.push(vec![
                    row.method.clone(),
                    count(group.length),
                    count(group.documents),
                    decimal(row.perplexity, 3),
                    cell(row.change, signed_percent),
                    cell(row.same, percent),
                    cell(row.divergence, |value| decimal(value, 4)),
                    percent(row.computed_share),
                    duration(row.seconds),
                    cell(row.speedup, speedup),
                ]);
            }
        }
        let left_out = self.groups.iter().map(|group| group.left_out).sum();
        table.note_left_out("Documents", "read", left_out);
        table.without_empty_columns()
    }
}

impl PerplexityGroup {
    fn of(group: &RecordGroup<'_, PerplexityRecord>) -> Self {
        let dense = group.of_method(DENSE).map(|records| PerplexityRow::of(DENSE, records, None));
        let row = |(method, records): &(&str, Vec<_>)| match &dense {
            Some(dense) if *method == DENSE => dense.clone(),
            _ => PerplexityRow::of(method, records, dense.as_ref()),
        };
        Self {
            length: group.length.longest,
            documents: group.samples(),
            left_out: group.left_out,
            rows: group.methods.iter().map(row).collect(),
        }
    }

    /// Perplexity by position, as text: a row for each range of positions, a column for each
    /// method.
    pub fn positions(&self) -> Table {
        let mut table = Table::new(
            format!("Perplexity by position, {} tokens", count(self.length)),
            0,
            &[Column::new("positions", "")],
        );
        table.head.extend(self.rows.iter().map(|row| row.method.clone()));
        let ranges: BTreeSet<(usize, usize)> =
            self.rows.iter().flat_map(|row| &row.buckets).map(|bucket| (bucket.from, bucket.to)).collect();
        for (from, to) in ranges {
            let mut cells = vec![format!("{} to {}", count(from), count(to.saturating_sub(1)))];
            cells.extend(self.rows.iter().map(|row| {
                let bucket = row.buckets.iter().find(|bucket| (bucket.from, bucket.to) == (from, to));
                cell(bucket, BucketLoss::describe)
            }));
            table.rows.push(cells);
        }
        table
    }
}

impl BucketLoss {
    /// Perplexity, and its change relative to dense attention's where there is any.
    fn describe(&self) -> String {
        let change = self.change.filter(|change| *change != 0.0);
        let change = change.map_or(String::new(), |change| format!(" ({})", signed_percent(change)));
        format!("{}{change}", decimal(self.perplexity, 3))
    }
}
