//! Patterns of a model's heads as a table: how many heads got which.

use crate::terminal::new_table;
use minference_attention::HeadPattern;
use minference_attention::pattern::PatternKind;
use minference_attention::pattern::config::{HeadEntry, PatternConfig};
use std::io::{self, Write};

/// Kinds in the order of the tables, with the letter that stands for them in maps.
pub(crate) const PATTERN_LETTERS: [(PatternKind, char); 5] = [
    (PatternKind::VerticalSlash, 'V'),
    (PatternKind::AShape, 'A'),
    (PatternKind::TriShape, 'T'),
    (PatternKind::BlockSparse, 'B'),
    (PatternKind::Dense, 'D'),
];

/// How many heads got which pattern, with which error, at which cost.
pub(crate) fn print_kinds(out: &mut impl Write, patterns: &PatternConfig) -> io::Result<()> {
    let entries: Vec<&HeadEntry> = head_entries(patterns).collect();
    let mut table = new_table(&["pattern", "heads", "of all", "mean error", "mean share computed"], 1);
    // scores of files that a search of ours wrote are errors, those of others another measure
    let error = |head: &HeadEntry| head.score.filter(|_| patterns.provenance().is_some());
    let mut add = |name: &str, heads: &[&HeadEntry]| {
        let mean = |of: &dyn Fn(&HeadEntry) -> Option<f64>| {
            let numbers: Option<Vec<f64>> = heads.iter().map(|head| of(head)).collect();
            let numbers = numbers.filter(|numbers| !numbers.is_empty())?;
            Some(numbers.iter().sum::<f64>() / numbers.len() as f64)
        };
        table.add_row([
            name.to_string(),
            heads.len().to_string(),
            format!("{:.1} %", 100.0 * heads.len() as f64 / entries.len() as f64),
            mean(&error).map_or("-".into(), |mean| format!("{mean:.4}")),
            mean(&share).map_or("-".into(), |mean| format!("{:.1} %", 100.0 * mean)),
        ]);
    };
    for (kind, _) in PATTERN_LETTERS {
        let heads: Vec<&HeadEntry> =
            entries.iter().copied().filter(|head| head.pattern.kind() == kind).collect();
        if !heads.is_empty() {
            add(kind.name(), &heads);
        }
    }
    add("all", &entries);
    writeln!(out, "{table}")
}

/// The heads of all layers.
pub(crate) fn head_entries(patterns: &PatternConfig) -> impl Iterator<Item = &HeadEntry> {
    (0..patterns.layers()).flat_map(|layer| patterns.layer(layer).unwrap_or_default())
}

/// The computed share of a head's pattern, as the search saw it.
fn share(entry: &HeadEntry) -> Option<f64> {
    match entry.pattern {
        HeadPattern::Dense => Some(1.0),
        pattern => entry.trials.iter().find(|trial| trial.pattern == pattern).map(|trial| trial.share),
    }
}
