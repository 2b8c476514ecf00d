//! What evaluations found, as tables in the terminal: those of the report.

use crate::terminal::new_table;
use minference_eval::results::{AnswerRecord, EvaluationKind, LatencyRecord, PerplexityRecord};
use minference_eval::summary::{
    AnswerSummary, LatencySummary, Lengths, PerplexitySummary, Table, TaskAverages,
};
use std::io::{self, Write};

/// Scores, agreement and times; where there are any, compressed caches and prompts in chunks; with
/// several tasks also their average by length.
///
/// - `lengths`: whether those of the samples were chosen
pub(crate) fn print_answers(
    out: &mut impl Write,
    evaluation: EvaluationKind,
    lengths: Lengths,
    records: &[AnswerRecord],
) -> io::Result<()> {
    let summary = AnswerSummary::of(records, lengths);
    print(out, &summary.scores())?;
    print(out, &summary.times())?;
    print(out, &summary.caches(evaluation))?;
    print(out, &summary.chunks())?;
    let averages = TaskAverages::of(&summary);
    if averages.tasks.iter().any(|&tasks| tasks > 1) {
        print(out, &averages.table(evaluation))?;
    }
    Ok(())
}

/// Perplexity by length.
pub(crate) fn print_perplexity(out: &mut impl Write, records: &[PerplexityRecord]) -> io::Result<()> {
    print(out, &PerplexitySummary::of(records).table())
}

/// Times to the first token.
pub(crate) fn print_latency(out: &mut impl Write, records: &[LatencyRecord]) -> io::Result<()> {
    print(out, &LatencySummary::of(records).table())
}

/// Prints a table, unless it has no rows.
fn print(out: &mut impl Write, summary: &Table) -> io::Result<()> {
    if summary.rows.is_empty() {
        return Ok(());
    }
    let head: Vec<&str> = summary.head.iter().map(String::as_str).collect();
    let mut table = new_table(&head, summary.words);
    table.add_rows(&summary.rows);
    writeln!(out, "{}\n{table}", summary.title)?;
    summary.notes.iter().try_for_each(|note| writeln!(out, "{note}"))
}
