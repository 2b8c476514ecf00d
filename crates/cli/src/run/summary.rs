//! What an answer took, for people.

use super::answer::{PromptCache, TimedAnswer};
use super::attention::AttentionKind;
use super::comparison::Comparison;
use crate::bench::table::duration;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
use minference_eval::numbers::memory;
use minference_model::decoder::LayerSummary;
use minference_model::generate::{Answer, Finish};
use std::io::{self, Write};

/// Layers whose shares stand in one line.
const LAYERS_PER_LINE: usize = 24;

/// Prints what was measured.
pub(crate) fn print_summary(out: &mut impl Write, comparison: &Comparison<'_>) -> io::Result<()> {
    let answers: Vec<&TimedAnswer> =
        [Some(comparison.answer), comparison.dense].into_iter().flatten().collect();
    writeln!(out, "{}", table(&answers))?;
    let answer = comparison.answer;
    if answer.plan.kind != AttentionKind::Dense {
        print_layers(out, &answer.report.layers)?;
    }
    if let Some(compression) = answer.cache.compression {
        writeln!(out, "The answer saw what {compression} kept of the prompt.")?;
    }
    if let Some(advice) = &answer.plan.advice {
        writeln!(out, "{advice}")?;
    }
    if let (Some(speedup), Some(agree)) = (comparison.speedup(), comparison.answers_agree()) {
        let agree = if agree { "the answers agree" } else { "the answers differ" };
        writeln!(out, "The first token came {speedup:.2} times as fast as with dense attention; {agree}.")?;
    }
    Ok(())
}

/// Says how to get the rest of an answer that was cut, to those who have such options.
pub(super) fn print_what_was_cut(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    match answer.finish {
        Finish::MaxTokens => {
            let tokens = answer.tokens.len();
            writeln!(out, "The answer was cut after {tokens} tokens; --max-tokens allows more.")
        }
        Finish::ContextFull => {
            writeln!(out, "The answer was cut where the context was full; --context stretches it.")
        }
        Finish::Stop(_) | Finish::Interrupted => Ok(()),
    }
}

/// A column for each answer.
fn table(answers: &[&TimedAnswer]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    let row = |name: &str, cell: &dyn Fn(&TimedAnswer) -> String| {
        let mut cells = vec![name.to_string()];
        cells.extend(answers.iter().map(|answer| cell(answer)));
        cells
    };
    table.set_header(row("attention", &|answer| answer.plan.kind.name().into()));
    let seconds = |time: std::time::Duration| duration(time.as_secs_f64());
    for cells in [
        row("pattern", &|answer| answer.plan.pattern.clone()),
        row("prompt", &|answer| format!("{} tokens", answer.prompt_tokens)),
        row("time to first token", &|answer| seconds(answer.first_token)),
        row("  attention", &|answer| seconds(answer.report.times.attention)),
        row("  its estimates", &|answer| seconds(answer.report.times.index)),
        row("  projections", &|answer| seconds(answer.report.times.projections)),
        row("  MLP", &|answer| seconds(answer.report.times.mlp)),
        row("prefill", &|answer| format!("{:.0} tokens/s", answer.prefill_tokens_per_second())),
        row("decode", &|answer| match answer.answer.decode_tokens_per_second() {
            Some(rate) => format!("{rate:.1} tokens/s"),
            None => "-".into(),
        }),
        row("attention computed", &|answer| format!("{:.1} %", 100.0 * answer.report.computed_share())),
        row("key-value cache", &|answer| cache(&answer.cache)),
        row("peak memory", &|answer| match answer.peak_memory {
            Some(bytes) => format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30)),
            None => "-".into(),
        }),
    ] {
        table.add_row(cells);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// What the prompt's keys and values take, and what they would.
fn cache(cache: &PromptCache) -> String {
    let [kept, full] = [cache.bytes, cache.full_bytes].map(|bytes| memory(bytes as u64));
    match cache.compression {
        None => kept,
        Some(_) => format!("{kept} of {full}"),
    }
}

/// The computed share of each layer, first to last.
fn print_layers(out: &mut impl Write, layers: &[LayerSummary]) -> io::Result<()> {
    if layers.iter().all(|layer| layer.dense_heads == layer.heads) {
        return writeln!(out, "Every head ran dense: at this length sparse attention would not have paid.");
    }
    writeln!(out, "Attention computed by layer, in % (the last layer for one query only):")?;
    for line in layers.chunks(LAYERS_PER_LINE) {
        for layer in line {
            write!(out, " {:3.0}", 100.0 * layer.computed_share())?;
        }
        writeln!(out)?;
    }
    Ok(())
}
