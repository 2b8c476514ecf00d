//! [`AnswerSummary`]: answers by task, length and method.

use super::answer_row::AnswerRow;
use super::group::{RecordGroup, method_names};
use super::lengths::{LengthRange, Lengths};
use super::mean::Share;
use super::table::{Column, METHOD, Table, cell};
use crate::numbers::{count, decimal, duration, percent, speedup};
use crate::results::AnswerRecord;

/// Answers by task, length and method.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerSummary {
    /// All methods, dense attention first.
    pub methods: Vec<String>,
    /// In the order of lengths, within it of tasks as they come.
    pub groups: Vec<AnswerGroup>,
}

/// One task at one length.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerGroup {
    /// The task.
    pub task: String,
    /// The length.
    pub length: LengthRange,
    /// Samples that the questions belong to.
    pub samples: usize,
    /// Questions that only some methods have answered: they count for nothing.
    pub left_out: usize,
    /// One for each method that answered any question here.
    pub rows: Vec<AnswerRow>,
}

/// What a row is about.
const NAMES: [Column; 3] =
    [Column::new("task", ""), METHOD, Column::new("length", "the length that was asked for, in tokens")];

const SCORES: [Column; 7] = [
    Column::new("questions", "those that all methods of the task and length answered"),
    Column::new(
        "samples",
        "texts that the questions are about; questions about one text may fail together, as a method reads it once for all of them, so \
                  that intervals count them as one observation",
    ),
    Column::new("score", "mean of the answers' scores, with its 95% interval"),
    Column::new("same answer", "answers that are word for word dense attention's, with the 95% interval"),
    Column::new("same score", "answers that score as dense attention's do, with the 95% interval"),
    Column::new(
        "KL",
        "divergence of the first token's distribution from dense attention's, in nats; 0 is the same",
    ),
    Column::new("computed", "computed share of the prompt's attention"),
];

const TIMES: [Column; 5] = [
    Column::new("context", "mean time for reading what a sample's questions share, divided among them"),
    Column::new("question", "mean time for reading the rest of the prompt"),
    Column::new("decode", "mean time for answering"),
    Column::new("tokens/s", "tokens of answers that were decoded in a second"),
    Column::new(
        "speed-up",
        "reading the same prompts (context and question), dense attention's time over this one's",
    ),
];

impl AnswerSummary {
    /// Of records, in any order.
    ///
    /// - `lengths`: whether their lengths were chosen
    pub fn of(records: &[AnswerRecord], lengths: Lengths) -> Self {
        let group = |group: &RecordGroup<'_, AnswerRecord>| AnswerGroup {
            task: group.task.to_string(),
            length: group.length,
            samples: group.samples(),
            left_out: group.left_out,
            rows: group
                .methods
                .iter()
                .map(|(method, records)| AnswerRow::of(method, records, group))
                .collect(),
        };
        let groups = RecordGroup::compared(records, lengths);
        Self { methods: method_names(records), groups: groups.iter().map(group).collect() }
    }

    /// What answers are worth, as text.
    pub fn scores(&self) -> Table {
        let share = |share: Option<Share>| cell(share, |share| share.describe());
        // a column that says nothing new is left out
        let is_shared = |group: &AnswerGroup| group.rows.iter().any(|row| row.score.number > group.samples);
        let are_shared = self.groups.iter().any(is_shared);
        let mut table = self.table("Scores by task, length and method", &SCORES, |group, row| {
            Some([
                count(row.score.number),
                if are_shared { count(group.samples) } else { "-".into() },
                row.score.describe(),
                share(row.same),
                share(row.same_score),
                cell(row.divergence, |value| decimal(value, 4)),
                percent(row.computed_share),
            ])
        });
        let left_out = self.groups.iter().map(|group| group.left_out).sum();
        table.note_left_out("Questions", "answered", left_out);
        table
    }

    /// What answers took, as text.
    pub fn times(&self) -> Table {
        self.table("Times by task, length and method", &TIMES, |_, row| {
            Some([
                duration(row.context),
                duration(row.question),
                duration(row.decode),
                cell(row.decode_speed, |speed| decimal(speed, 1)),
                cell(row.speedup, speedup),
            ])
        })
    }

    /// A table by task, method and length.
    ///
    /// - `cells`: a row's, under `columns`; none leaves the row out
    pub(super) fn table<const COLUMNS: usize>(
        &self,
        title: &str,
        columns: &[Column; COLUMNS],
        cells: impl Fn(&AnswerGroup, &AnswerRow) -> Option<[String; COLUMNS]>,
    ) -> Table {
        let mut table = Table::new(title, 2, &[&NAMES[..], columns].concat());
        for (group, row) in
            self.groups.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row)))
        {
            if let Some(cells) = cells(group, row) {
                let names = [group.task.clone(), row.method.clone(), group.length.to_string()];
                table.rows.push(names.into_iter().chain(cells).collect());
            }
        }
        table.without_empty_columns()
    }
}
