//! What an answer took, for people.

use crate::answer::{Comparison, EarlierCompression, PromptCache, ReusedContext, SavedContext, TimedAnswer};
use crate::options::AttentionKind;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
use minference_eval::numbers::{duration, memory};
use minference_model::generation::{Answer, Finish};
use std::io::{self, Write};

/// The number of layers in one line.
const LAYERS_PER_LINE: usize = 24;

/// Prints what was measured.
pub(crate) fn print_summary(out: &mut impl Write, comparison: &Comparison<'_>) -> io::Result<()> {
    let answers: Vec<&TimedAnswer> =
        [Some(comparison.answer), comparison.dense].into_iter().flatten().collect();
    writeln!(out, "{}", table(&answers))?;
    let answer = comparison.answer;
    if answer.plan.kind != AttentionKind::DENSE {
        print_layers(out, answer)?;
    }
    print_contexts(out, answer)?;
    print_compression(out, answer)?;
    if let Some(advice) = &answer.plan.advice {
        writeln!(out, "{advice}")?;
    }
    if let (Some(speedup), Some(agree)) = (comparison.speedup(), comparison.answers_agree()) {
        let agree = if agree { "the answers agree" } else { "the answers differ" };
        writeln!(out, "The first token came {speedup:.2} times as fast as with dense attention; {agree}.")?;
    }
    Ok(())
}

/// Says which option gives the rest of an answer that was cut.
pub(crate) fn print_truncation(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
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

/// What came from a context file, and what went into one.
fn print_contexts(out: &mut impl Write, answer: &TimedAnswer) -> io::Result<()> {
    if let Some(reused) = &answer.reused {
        let ReusedContext { path, tokens, load, attention, .. } = reused;
        let (all, load) = (answer.prompt_tokens, duration(load.as_secs_f64()));
        let attention = attention.as_ref().map_or(String::new(), |kind| format!(" ({kind})"));
        writeln!(
            out,
            "{tokens} of the prompt's {all} tokens were read before{attention} and came from {} in {load}.",
            path.display()
        )?;
    }
    if let Some(Ok(SavedContext { path, bytes, save })) = &answer.saved {
        let (path, size, save) = (path.display(), memory(*bytes), duration(save.as_secs_f64()));
        writeln!(
            out,
            "The prompt's context was saved in {save}: {size}. --context-file {path} goes on from it."
        )?;
    }
    Ok(())
}

/// What compressions left of the prompt's keys and values, this run's and that of a context file.
fn print_compression(out: &mut impl Write, answer: &TimedAnswer) -> io::Result<()> {
    match (answer.cache.compression, answer.compressed_before()) {
        (None, None) => Ok(()),
        (None, Some(EarlierCompression { tokens, by })) => {
            writeln!(
                out,
                "The answer saw what {by} kept of the prompt's first {tokens} tokens, and all others."
            )
        }
        (Some(compression), None) => writeln!(out, "The answer saw what {compression} kept of the prompt."),
        (Some(compression), Some(EarlierCompression { tokens, by })) => writeln!(
            out,
            "The answer saw what {compression} kept of the prompt, and of its first {tokens} tokens what {by} had left."
        ),
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
        row("attention computed", &|answer| {
            let of = if answer.read_only_the_rest() { " of what was read now" } else { "" };
            format!("{:.1} %{of}", 100.0 * answer.report.computed_share())
        }),
        row("key-value cache", &cache),
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
fn cache(answer: &TimedAnswer) -> String {
    let PromptCache { compression, bytes, full_bytes } = answer.cache;
    let [kept, full] = [bytes, full_bytes].map(|bytes| memory(bytes as u64));
    if compression.is_some() || answer.compressed_before().is_some() {
        format!("{kept} of {full}")
    } else {
        kept
    }
}

/// The computed share of each layer, first to last.
fn print_layers(out: &mut impl Write, answer: &TimedAnswer) -> io::Result<()> {
    let layers = &answer.report.layers;
    let is_dense = layers.iter().all(|layer| layer.dense_heads == layer.heads);
    if is_dense && answer.read_only_the_rest() {
        // a few tokens behind a long text: nothing follows for a prompt of this length
        return Ok(());
    }
    if is_dense {
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
