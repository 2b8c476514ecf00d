//! What compressed caches save, and what they cost: answers by task, length and method.

use super::answers::AnswerSummary;
use super::mean::ratio;
use super::table::{Column, Table, cell};
use super::{AnswerGroup, DENSE};
use crate::numbers::{decimal, memory, percent, speedup};
use crate::results::{CacheBytes, EvaluationKind};

const COLUMNS: [Column; 7] = [
    Column::new("full", "memory of all keys and values of a prompt"),
    Column::new("kept", "memory of those that are kept when it was read"),
    Column::new("smaller", "all over those that are kept"),
    Column::new("score", "mean of the answers' scores"),
    Column::new("same answer", "answers that are word for word dense attention's, which keeps all"),
    Column::new("tokens/s", "tokens of answers that were decoded in a second"),
    Column::new("decode speed-up", "that over dense attention's"),
];

impl CacheBytes {
    /// Whether something was dropped.
    pub(super) fn is_compressed(&self) -> bool {
        self.kept < self.full
    }

    /// How many times smaller it became, as text.
    pub(super) fn smaller(&self) -> String {
        cell(ratio(self.full as f64, self.kept as f64), speedup)
    }
}

/// Whether any method dropped something.
fn is_compressed(group: &AnswerGroup) -> bool {
    group.rows.iter().any(|row| row.cache.is_some_and(|cache| cache.is_compressed()))
}

impl AnswerSummary {
    /// Memory of keys and values before and after compression, with what decoding from the rest
    /// brings; no rows where nothing was compressed.
    ///
    /// - `evaluation`: says whether questions were known when it was chosen what stays
    pub fn caches(&self, evaluation: EvaluationKind) -> Table {
        let mut table = self.table("Keys and values by task, length and method", &COLUMNS, |group, row| {
            let of_cache = |text: fn(&CacheBytes) -> String| cell(row.cache.as_ref(), text);
            let dense = group.rows.iter().find(|row| row.method == DENSE).and_then(|row| row.decode_speed);
            let gain = row.decode_speed.zip(dense).and_then(|(speed, dense)| ratio(speed, dense));
            is_compressed(group).then(|| {
                [
                    of_cache(|cache| memory(cache.full)),
                    of_cache(|cache| memory(cache.kept)),
                    of_cache(CacheBytes::smaller),
                    percent(row.score.mean),
                    cell(row.same, |share| percent(share.mean)),
                    cell(row.decode_speed, |speed| decimal(speed, 1)),
                    cell(gain, speedup),
                ]
            })
        });
        let is_one_text = matches!(evaluation, EvaluationKind::Ruler | EvaluationKind::InfiniteBench);
        if is_one_text && !table.rows.is_empty() {
            let note = "What stays was chosen with the question in sight: prompts of this benchmark are read as one text.";
            table.notes.push(note.into());
        }
        table
    }
}
