//! What `minference bench attention` measured, as tables for people.

use super::measurement::AttentionRow;
use crate::terminal::new_table;
use minference_eval::numbers::duration;
use std::io::{self, Write};

/// Prints the methods of one prompt length.
pub(super) fn print_rows(rows: &[AttentionRow]) -> io::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}, {} heads ({} key-value) of {}, {} inputs, {} arithmetic with {}, {} threads; peak {:.0} GFLOP/s",
        queries_of(first),
        first.heads,
        first.kv_heads,
        first.head_dim,
        first.dtype,
        first.arithmetic,
        first.instruction_set,
        first.threads,
        first.peak_gflops
    )?;
    let header =
        ["method", "time", "computed", "index", "GFLOP/s", "of peak", "speed-up", "kernel error", "vs dense"];
    let mut table = new_table(&header, 1);
    for row in rows {
        let all_dense = row.heads_run_dense == row.heads && row.method != "dense";
        table.add_row([
            if all_dense { format!("{} (ran dense)", row.method) } else { row.method.into() },
            duration(row.seconds),
            format!("{:.1} %", 100.0 * row.pairs as f64 / row.causal_pairs as f64),
            format!("{:.1} %", 100.0 * row.index_seconds / row.seconds),
            format!("{:.0}", row.gflops),
            format!("{:.0} %", 100.0 * row.gflops / row.peak_gflops),
            row.speedup_over_dense.map_or("-".into(), |speedup| format!("{speedup:.2}x")),
            format!("{:.1e}", row.relative_error),
            format!("{:.1e}", row.dense_error),
        ]);
    }
    writeln!(out, "{table}")
}

/// What of a prompt attends.
fn queries_of(row: &AttentionRow) -> String {
    match row.queries {
        queries if queries < row.tokens => format!("the last {queries} of {} tokens", row.tokens),
        _ => format!("{} tokens", row.tokens),
    }
}
