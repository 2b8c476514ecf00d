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

/// With the method, what a row is about: [`AnswerGroup::names`].
pub(super) const TASK: Column = Column::new("task", "");
pub(super) const LENGTH: Column = Column::new("length", "the length that was asked for, in tokens");

const SCORES: [Column; 10] = [
    TASK,
    METHOD,
    LENGTH,
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

const TIMES: [Column; 8] = [
    TASK,
    METHOD,
    LENGTH,
    Column::new("context", "mean time for reading what a sample's questions share, divided among them"),
    Column::new("question", "mean time for reading the rest of the prompt"),
    Column::new("decode", "mean time for answering"),
    Column::new("tokens/s", "tokens of answers that were decoded in a second"),
    Column::new(
        "speed-up",
        "reading the same prompts (context and question), dense attention's time over this one's",
    ),
];

impl AnswerGroup {
    /// The first cells of a row: task, method and length.
    pub(super) fn names(&self, row: &AnswerRow) -> [String; 3] {
        [self.task.clone(), row.method.clone(), self.length.to_string()]
    }
}

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
        let mut table = Table::new("Scores by task, length and method", 2, &SCORES);
        let share = |share: Option<Share>| cell(share, |share| share.describe());
        // a column that says nothing new is left out
        let is_shared = |group: &AnswerGroup| group.rows.iter().any(|row| row.score.number > group.samples);
        let are_shared = self.groups.iter().any(is_shared);
        self.add_rows(&mut table, |group, row| {
            vec![
                count(row.score.number),
                if are_shared { count(group.samples) } else { "-".into() },
                row.score.describe(),
                share(row.same),
                share(row.same_score),
                cell(row.divergence, |value| decimal(value, 4)),
                percent(row.computed_share),
            ]
        });
        let left_out = self.groups.iter().map(|group| group.left_out).sum();
        table.note_left_out("Questions", "answered", left_out);
        table.without_empty_columns()
    }

    /// What answers took, as text.
    pub fn times(&self) -> Table {
        let mut table = Table::new("Times by task, length and method", 2, &TIMES);
        self.add_rows(&mut table, |_, row| {
            vec![
                duration(row.context),
                duration(row.question),
                duration(row.decode),
                cell(row.decode_speed, |speed| decimal(speed, 1)),
                cell(row.speedup, speedup),
            ]
        });
        table.without_empty_columns()
    }

    fn add_rows(&self, table: &mut Table, numbers: impl Fn(&AnswerGroup, &AnswerRow) -> Vec<String>) {
        for group in &self.groups {
            for row in &group.rows {
                table.rows.push(group.names(row).into_iter().chain(numbers(group, row)).collect());
            }
        }
    }
}
