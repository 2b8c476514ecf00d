//! Prompts that were read in chunks beside the same prompts read as a whole, by the same method.

use super::answer_row::{AnswerRow, BesideWhole};
use super::answers::{AnswerSummary, LENGTH, METHOD, TASK};
use super::table::{Column, Table};
use crate::numbers::{decimal, percent, speedup};

const COLUMNS: [Column; 11] = [
    TASK,
    METHOD,
    LENGTH,
    Column {
        name: "same as whole",
        meaning: "answers that are word for word those of the method without chunks",
    },
    Column { name: "same answer", meaning: "answers that are word for word dense attention's" },
    Column { name: "whole: same", meaning: "the same share without chunks" },
    Column {
        name: "KL",
        meaning: "divergence of the first token's distribution from dense attention's, in nats",
    },
    Column { name: "whole: KL", meaning: "the same without chunks" },
    Column { name: "speed-up", meaning: "reading the same prompts, dense attention's time over this one's" },
    Column { name: "whole: speed-up", meaning: "the same without chunks" },
    Column { name: "speed-up kept", meaning: "the first over the second" },
];

impl AnswerSummary {
    /// Agreement and speed-up of methods in chunks, and without; no rows where none were run in
    /// both ways.
    pub fn chunks(&self) -> Table {
        let mut table = Table::new("In chunks and as a whole, by task, length and method", 2, &COLUMNS);
        for group in &self.groups {
            for row in &group.rows {
                let Some(beside) = &row.whole else { continue };
                let Some(whole) = group.rows.iter().find(|row| row.method == beside.method) else { continue };
                let names = [group.task.clone(), row.method.clone(), group.length.to_string()];
                table.rows.push(names.into_iter().chain(cells(row, beside, whole)).collect());
            }
        }
        table.without_empty_columns()
    }
}

fn cells(row: &AnswerRow, beside: &BesideWhole, whole: &AnswerRow) -> [String; 8] {
    let same = |row: &AnswerRow| row.same.map_or("-".into(), |share| share.describe());
    let divergence = |row: &AnswerRow| row.divergence.map_or("-".into(), |value| decimal(value, 4));
    let gain = |row: &AnswerRow| row.speedup.map_or("-".into(), speedup);
    [
        beside.same.describe(),
        same(row),
        same(whole),
        divergence(row),
        divergence(whole),
        gain(row),
        gain(whole),
        beside.speed_kept.map_or("-".into(), percent),
    ]
}
