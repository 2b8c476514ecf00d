//! Prompts that were read in chunks beside the same prompts read as a whole, by the same method.

use super::answer_row::{AnswerRow, BesideWhole};
use super::answers::AnswerSummary;
use super::table::{Column, Table, cell};
use crate::numbers::{decimal, percent, speedup};

const COLUMNS: [Column; 8] = [
    Column::new("same as whole", "answers that are word for word those of the method without chunks"),
    Column::new("same answer", "answers that are word for word dense attention's"),
    Column::new("whole: same", "the same share without chunks"),
    Column::new("KL", "divergence of the first token's distribution from dense attention's, in nats"),
    Column::new("whole: KL", "the same without chunks"),
    Column::new("speed-up", "reading the same prompts, dense attention's time over this one's"),
    Column::new("whole: speed-up", "the same without chunks"),
    Column::new("speed-up kept", "the first over the second"),
];

impl AnswerSummary {
    /// Agreement and speed-up of methods in chunks, and without; no rows where none were run in
    /// both ways.
    pub fn chunks(&self) -> Table {
        self.table("In chunks and as a whole, by task, length and method", &COLUMNS, |group, row| {
            let beside = row.whole.as_ref()?;
            let whole = group.rows.iter().find(|row| row.method == beside.method)?;
            Some(cells(row, beside, whole))
        })
    }
}

fn cells(row: &AnswerRow, beside: &BesideWhole, whole: &AnswerRow) -> [String; 8] {
    let same = |row: &AnswerRow| cell(row.same, |share| share.describe());
    let divergence = |row: &AnswerRow| cell(row.divergence, |value| decimal(value, 4));
    let gain = |row: &AnswerRow| cell(row.speedup, speedup);
    [
        beside.same.describe(),
        same(row),
        same(whole),
        divergence(row),
        divergence(whole),
        gain(row),
        gain(whole),
        cell(beside.speed_kept, percent),
    ]
}
