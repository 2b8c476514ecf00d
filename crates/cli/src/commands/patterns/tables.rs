//! Pattern files as tables.

use crate::terminal::{PATTERN_LETTERS, head_entries, new_table, print_kinds};
use minference_attention::HeadPattern;
use minference_attention::pattern::Notation;
use minference_attention::pattern::config::{HeadEntry, PatternConfig};
use minference_attention::pattern::provenance::Trial;
use std::io::{self, Write};

/// All that a file holds, short.
pub(super) fn print_file(out: &mut impl Write, patterns: &PatternConfig) -> io::Result<()> {
    writeln!(out, "{} layers of {} heads", patterns.layers(), patterns.heads())?;
    match patterns.provenance() {
        None => writeln!(out, "The file does not say how the patterns were found.")?,
        Some(search) => {
            writeln!(out, "found by {} for {} ({})", search.program, search.model, search.fingerprint)?;
            writeln!(out, "  objective    {}", search.objective)?;
            for sample in &search.calibration {
                writeln!(out, "  calibration  {}, {} tokens", sample.source, sample.tokens)?;
            }
            writeln!(
                out,
                "  errors       of queries from {} on, {} keys and values",
                search.errors_from, search.element_type
            )?;
        }
    }
    print_kinds(out, patterns)?;
    if head_entries(patterns).all(|head| head.trials.is_empty()) {
        writeln!(
            out,
            "The file does not say what was tried for each head, and so not what share is computed."
        )?;
    }
    print_budgets(out, patterns)?;
    print_map(out, patterns)
}

/// The budgets that most heads have.
fn print_budgets(out: &mut impl Write, patterns: &PatternConfig) -> io::Result<()> {
    const SHOWN: usize = 8;
    let mut counts: Vec<(HeadPattern, usize)> = Vec::new();
    for entry in head_entries(patterns) {
        match counts.iter_mut().find(|(pattern, _)| *pattern == entry.pattern) {
            Some((_, count)) => *count += 1,
            None => counts.push((entry.pattern, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown = counts.iter().take(SHOWN).map(|(pattern, count)| format!("{} ({count})", Notation(*pattern)));
    let rest =
        if counts.len() > SHOWN { format!(", and {} others", counts.len() - SHOWN) } else { String::new() };
    writeln!(out, "Budgets: {}{rest}", shown.collect::<Vec<_>>().join(", "))
}

/// A letter for each head, a line for each layer.
fn print_map(out: &mut impl Write, patterns: &PatternConfig) -> io::Result<()> {
    let legend: Vec<String> =
        PATTERN_LETTERS.iter().map(|(kind, letter)| format!("{letter} {kind}")).collect();
    writeln!(out, "Layers (lines) and heads: {}", legend.join(", "))?;
    for layer in 0..patterns.layers() {
        let heads = patterns.layer(layer).unwrap_or_default().iter();
        let letter = |head: &HeadEntry| {
            PATTERN_LETTERS.iter().find(|(kind, _)| *kind == head.pattern.kind()).map(|(_, l)| *l)
        };
        writeln!(out, "{layer:4}  {}", heads.filter_map(letter).collect::<String>())?;
    }
    Ok(())
}

/// What was tried for a head, in order.
pub(super) fn print_head(
    out: &mut impl Write,
    patterns: &PatternConfig,
    layer: usize,
    head: usize,
) -> anyhow::Result<()> {
    let entry = patterns.head(layer, head)?;
    writeln!(out, "layer {layer}, head {head}: {}", entry.pattern)?;
    if entry.trials.is_empty() {
        writeln!(out, "The file does not say what was tried.")?;
        return Ok(());
    }
    let mut table = new_table(&["tried", "error", "share computed", "budget"], 1);
    for trial in &entry.trials {
        let is_winner = trial.pattern == entry.pattern;
        table.add_row([
            format!("{}{}", Notation(trial.pattern), if is_winner { " (chosen)" } else { "" }),
            format!("{:.5}", trial.error),
            format!("{:.2} %", 100.0 * trial.share),
            fit(trial).to_string(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

fn fit(trial: &Trial) -> &'static str {
    use minference_attention::pattern::provenance::Fit;
    match trial.fit {
        Fit::Close => "as wanted",
        Fit::Nearest => "the nearest there is",
        Fit::AtLeast => "the least there is",
        Fit::AtMost => "the most there is",
    }
}
