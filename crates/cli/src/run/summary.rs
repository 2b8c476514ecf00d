//! What an answer took: a table for people, an object for programs.

use super::answer::TimedAnswer;
use crate::bench::table::{duration, new_table};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::io::Write;

/// An answer, and the dense one if it was asked for.
pub(crate) struct Comparison<'a> {
    pub(crate) model: &'a str,
    pub(crate) answer: &'a TimedAnswer,
    pub(crate) dense: Option<&'a TimedAnswer>,
}

impl Comparison<'_> {
    /// How much sooner the first token comes than with dense attention.
    pub(crate) fn speedup(&self) -> Option<f64> {
        self.dense.map(|dense| dense.first_token.as_secs_f64() / self.answer.first_token.as_secs_f64())
    }

    /// Whether the answers are the same, token by token.
    pub(crate) fn answers_agree(&self) -> Option<bool> {
        self.dense.map(|dense| dense.answer.tokens == self.answer.answer.tokens)
    }

    /// The stable fields of `--json`.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = fields(self.model, self.answer);
        if let Some(dense) = self.dense {
            object.insert("dense".into(), Value::Object(fields(self.model, dense)));
            object.insert("speedup".into(), json!(self.speedup()));
            object.insert("answers_agree".into(), json!(self.answers_agree()));
        }
        Value::Object(object)
    }
}

fn fields(model: &str, answer: &TimedAnswer) -> Map<String, Value> {
    let mut object = Map::new();
    let layers: Vec<f64> = answer.report.layers.iter().map(|layer| layer.computed_share()).collect();
    let times = answer.report.times;
    for (name, value) in [
        ("model", json!(model)),
        ("attention", json!(answer.attention)),
        ("prompt_tokens", json!(answer.prompt_tokens)),
        ("answer", json!(answer.answer.text)),
        ("answer_tokens", json!(answer.answer.tokens.len())),
        ("time_to_first_token_s", json!(answer.first_token.as_secs_f64())),
        ("prefill_tokens_per_s", json!(answer.prefill_tokens_per_second())),
        ("decode_tokens_per_s", json!(answer.answer.decode_tokens_per_second())),
        ("computed_share", json!(answer.report.computed_share())),
        ("computed_share_per_layer", json!(layers)),
        (
            "seconds",
            json!({
                "projections": times.projections.as_secs_f64(),
                "index": times.index.as_secs_f64(),
                "attention": times.attention.as_secs_f64(),
                "mlp": times.mlp.as_secs_f64(),
            }),
        ),
        ("peak_memory_bytes", json!(answer.peak_memory)),
    ] {
        object.insert(name.into(), value);
    }
    object
}

/// Prints what was measured, to standard error: standard output holds the answer alone.
pub(crate) fn print_summary(comparison: &Comparison<'_>) -> Result<()> {
    let answers: Vec<&TimedAnswer> =
        [Some(comparison.answer), comparison.dense].into_iter().flatten().collect();
    let mut header = vec!["".to_string()];
    header.extend(answers.iter().map(|answer| answer.attention.clone()));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = new_table(&header);
    let mut row = |name: &str, cell: &dyn Fn(&TimedAnswer) -> String| {
        let mut cells = vec![name.to_string()];
        cells.extend(answers.iter().map(|answer| cell(answer)));
        table.add_row(cells);
    };
    row("prompt", &|answer| format!("{} tokens", answer.prompt_tokens));
    row("time to first token", &|answer| duration(answer.first_token.as_secs_f64()));
    row("prefill", &|answer| format!("{:.0} tokens/s", answer.prefill_tokens_per_second()));
    row("decode", &|answer| match answer.answer.decode_tokens_per_second() {
        Some(rate) => format!("{rate:.1} tokens/s"),
        None => "-".into(),
    });
    row("attention computed", &|answer| format!("{:.1} %", 100.0 * answer.report.computed_share()));
    row("of that, per layer", &|answer| {
        let shares = || answer.report.layers.iter().map(|layer| 100.0 * layer.computed_share());
        let (least, most) = (shares().fold(f64::INFINITY, f64::min), shares().fold(0.0, f64::max));
        format!("{least:.0} to {most:.0} %")
    });
    row("projections / index", &|answer| {
        let times = answer.report.times;
        format!("{} / {}", duration(times.projections.as_secs_f64()), duration(times.index.as_secs_f64()))
    });
    row("attention / MLP", &|answer| {
        let times = answer.report.times;
        format!("{} / {}", duration(times.attention.as_secs_f64()), duration(times.mlp.as_secs_f64()))
    });
    row("peak memory", &|answer| match answer.peak_memory {
        Some(bytes) => format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30)),
        None => "-".into(),
    });
    let mut out = std::io::stderr().lock();
    writeln!(out, "{table}")?;
    if let (Some(speedup), Some(agree)) = (comparison.speedup(), comparison.answers_agree()) {
        let agree = if agree { "the answers agree" } else { "the answers differ" };
        writeln!(out, "first token {speedup:.2} times as soon as with dense attention; {agree}")?;
    }
    Ok(())
}
