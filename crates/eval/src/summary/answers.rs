//! [`AnswerSummary`]: answers by task, length and method.

use super::lengths::LengthRange;
use super::mean::{Share, mean, ratio};
use super::table::{Column, Table};
use super::{DENSE, methods_of};
use crate::numbers::{count, decimal, duration, percent, speedup};
use crate::results::{AnswerRecord, DenseAgreement};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Questions that only some methods have answered: they count for nothing.
    pub left_out: usize,
    /// One for each method that answered any question here.
    pub rows: Vec<AnswerRow>,
}

/// One method's answers to the questions that all methods of its group answered.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRow {
    /// The method.
    pub method: String,
    /// The mean score.
    pub score: Share,
    /// How many answers are the same as dense attention's; none where nothing was held against it.
    pub same: Option<Share>,
    /// How many have the same score as dense attention's.
    pub same_score: Option<Share>,
    /// Mean divergence of the first token's distribution from dense attention's, in nats.
    pub divergence: Option<f64>,
    /// Mean computed share of attention.
    pub computed_share: f64,
    /// Mean seconds for reading what questions share, a question's part of it.
    pub context: f64,
    /// Mean seconds for reading the rest of the prompt.
    pub question: f64,
    /// Mean seconds for answering.
    pub decode: f64,
    /// How many times as fast as dense attention it reads the same prompts.
    pub speedup: Option<f64>,
}

impl AnswerRow {
    fn of(method: &str, records: &[&AnswerRecord], dense: Option<f64>) -> Self {
        let held = |value: fn(&DenseAgreement) -> Option<f64>| {
            let share = Share::of(records.iter().filter_map(|record| record.dense.as_ref().and_then(value)));
            (share.number > 0).then_some(share)
        };
        let of = |value: fn(&AnswerRecord) -> f64| mean(records.iter().map(|record| value(record)));
        Self {
            method: method.to_string(),
            score: Share::of(records.iter().map(|record| record.score)),
            same: held(|dense| Some(dense.same)),
            same_score: held(|dense| dense.same_score),
            divergence: held(|dense| Some(dense.divergence)).map(|share| share.mean),
            computed_share: of(|record| record.computed_share),
            context: of(|record| record.seconds.context),
            question: of(|record| record.seconds.question),
            decode: of(|record| record.seconds.decode),
            speedup: dense.and_then(|dense| ratio(dense, prefill(records))),
        }
    }
}

/// Seconds until the first token, of all records.
fn prefill(records: &[&AnswerRecord]) -> f64 {
    records.iter().map(|record| record.seconds.context + record.seconds.question).sum()
}

/// Records of a group by method and question, each once: the last one counts.
struct Answered<'a>(BTreeMap<&'a str, BTreeMap<(&'a str, usize), &'a AnswerRecord>>);

impl<'a> Answered<'a> {
    fn new(records: &[&'a AnswerRecord]) -> Self {
        let mut by_method: BTreeMap<&str, BTreeMap<(&str, usize), &AnswerRecord>> = BTreeMap::new();
        for record in records {
            let questions = by_method.entry(&record.method).or_default();
            questions.insert((&record.sample, record.question), record);
        }
        Self(by_method)
    }

    /// Questions that all methods have, and how many only some have.
    fn common(&self) -> (BTreeSet<(&'a str, usize)>, usize) {
        let of =
            |questions: &BTreeMap<(&'a str, usize), _>| questions.keys().copied().collect::<BTreeSet<_>>();
        let all: BTreeSet<(&str, usize)> = self.0.values().flat_map(of).collect();
        let mut common = all.clone();
        self.0.values().for_each(|questions| common.retain(|question| questions.contains_key(question)));
        let left_out = all.len() - common.len();
        (common, left_out)
    }
}

/// Records by length and task, tasks in the order in which they come.
fn grouped(records: &[AnswerRecord]) -> Vec<(&str, LengthRange, Vec<&AnswerRecord>)> {
    let mut groups: Vec<(&str, LengthRange, Vec<&AnswerRecord>)> = Vec::new();
    for range in LengthRange::of(records.iter().map(|record| record.length)) {
        let first = groups.len();
        for record in records.iter().filter(|record| range.contains(record.length)) {
            match groups[first..].iter_mut().find(|(task, ..)| *task == record.task) {
                Some((.., of_task)) => of_task.push(record),
                None => groups.push((&record.task, range, vec![record])),
            }
        }
    }
    groups
}

/// The records that are compared: of each task and length those to questions that all of its methods answered.
pub(super) fn compared(records: &[AnswerRecord]) -> Vec<&AnswerRecord> {
    let mut kept = Vec::new();
    for (_, _, records) in grouped(records) {
        let answered = Answered::new(&records);
        let (common, _) = answered.common();
        let questions = answered.0.into_values().flatten();
        kept.extend(questions.filter(|(question, _)| common.contains(question)).map(|(_, record)| record));
    }
    kept
}

/// What says which answers a row is about.
const TASK: Column = Column { name: "task", meaning: "" };
const METHOD: Column = Column { name: "method", meaning: "" };
const LENGTH: Column = Column { name: "length", meaning: "the length that was asked for, in tokens" };

const SCORES: [Column; 9] = [
    TASK,
    METHOD,
    LENGTH,
    Column { name: "questions", meaning: "those that all methods of the task and length answered" },
    Column { name: "score", meaning: "mean of the answers' scores, with its 95% interval" },
    Column {
        name: "same answer",
        meaning: "answers that are word for word dense attention's, with the 95% interval",
    },
    Column {
        name: "same score",
        meaning: "answers that score as dense attention's do, with the 95% interval",
    },
    Column {
        name: "KL",
        meaning: "divergence of the first token's distribution from dense attention's, in nats; 0 is the same",
    },
    Column { name: "computed", meaning: "computed share of the prompt's attention" },
];

const TIMES: [Column; 7] = [
    TASK,
    METHOD,
    LENGTH,
    Column {
        name: "context",
        meaning: "mean time for reading what a sample's questions share, divided among them",
    },
    Column { name: "question", meaning: "mean time for reading the rest of the prompt" },
    Column { name: "decode", meaning: "mean time for answering" },
    Column {
        name: "speed-up",
        meaning: "reading the same prompts (context and question), dense attention's time over this one's",
    },
];

impl AnswerSummary {
    /// Of records, in any order.
    pub fn of(records: &[AnswerRecord]) -> Self {
        let methods = methods_of(records.iter().map(|record| &*record.method));
        let groups = grouped(records).into_iter().map(|(task, length, records)| {
            let answered = Answered::new(&records);
            let (common, left_out) = answered.common();
            let of = |method: &str| -> Option<Vec<&AnswerRecord>> {
                let questions = answered.0.get(method)?;
                Some(common.iter().filter_map(|question| questions.get(question).copied()).collect())
            };
            let dense = of(DENSE).map(|records| prefill(&records));
            let rows = methods
                .iter()
                .filter_map(|method| Some(AnswerRow::of(method, &of(method)?, dense)))
                .collect();
            AnswerGroup { task: task.to_string(), length, left_out, rows }
        });
        Self { groups: groups.collect(), methods }
    }

    /// What answers are worth, as text.
    pub fn scores(&self) -> Table {
        let mut table = Table::new("Scores by task, length and method", 2, &SCORES);
        let share = |share: Option<Share>| share.map_or("-".into(), |share| share.describe());
        self.add_rows(&mut table, |row| {
            vec![
                count(row.score.number),
                row.score.describe(),
                share(row.same),
                share(row.same_score),
                row.divergence.map_or("-".into(), |value| decimal(value, 4)),
                percent(row.computed_share),
            ]
        });
        let left_out: usize = self.groups.iter().map(|group| group.left_out).sum();
        if left_out > 0 {
            table.notes.push(format!(
                "Questions left out, as not all methods have answered them yet: {}. The same command goes on with them.",
                count(left_out)
            ));
        }
        table.without_empty_columns()
    }

    /// What answers took, as text.
    pub fn times(&self) -> Table {
        let mut table = Table::new("Times by task, length and method", 2, &TIMES);
        self.add_rows(&mut table, |row| {
            vec![
                duration(row.context),
                duration(row.question),
                duration(row.decode),
                row.speedup.map_or("-".into(), speedup),
            ]
        });
        table.without_empty_columns()
    }

    fn add_rows(&self, table: &mut Table, numbers: impl Fn(&AnswerRow) -> Vec<String>) {
        for group in &self.groups {
            for row in &group.rows {
                let mut cells = vec![group.task.clone(), row.method.clone(), group.length.to_string()];
                cells.extend(numbers(row));
                table.rows.push(cells);
            }
        }
    }
}

/// An answer that is not dense attention's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disagreement<'a> {
    /// The method's.
    pub record: &'a AnswerRecord,
    /// Dense attention's, to the same question.
    pub dense: &'a AnswerRecord,
}

/// Answers with other scores than dense attention's, worse ones first, and then those that only read differently.
pub fn disagreements(records: &[AnswerRecord]) -> Vec<Disagreement<'_>> {
    let key = |record: &'_ AnswerRecord| {
        (record.task.clone(), record.length, record.sample.clone(), record.question)
    };
    let dense: BTreeMap<_, &AnswerRecord> =
        records.iter().filter(|record| record.method == DENSE).map(|record| (key(record), record)).collect();
    let mut found: Vec<Disagreement<'_>> = records
        .iter()
        .filter_map(|record| Some(Disagreement { record, dense: dense.get(&key(record)).copied()? }))
        .filter(|found| found.record.answer != found.dense.answer)
        .collect();
    // a stable sort: otherwise as they were answered
    let gain = |found: &Disagreement<'_>| found.record.score - found.dense.score;
    found.sort_by(|a, b| gain(a).total_cmp(&gain(b)));
    let (changed, same): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| gain(found) != 0.0);
    changed.into_iter().chain(same).collect()
}
