//! [`TaskAverages`]: scores by length, averaged over tasks; for RULER with the length up to which a
//! model is good.

use super::answers::AnswerSummary;
use super::lengths::LengthRange;
use super::mean::mean;
use super::table::{Column, METHOD, Table};
use crate::numbers::{count, decimal};
use crate::results::EvaluationKind;
use crate::tasks::ruler::{EFFECTIVE_SCORE, RulerTask, effective_length};

/// Averages over tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskAverages {
    /// Dense attention first.
    pub methods: Vec<String>,
    /// From the shortest one on.
    pub lengths: Vec<LengthRange>,
    /// How many tasks are averaged at each length: those that all of its methods have.
    pub tasks: Vec<usize>,
    /// By length, then by method, from 0 to 1; no number where a method was not run.
    pub scores: Vec<Vec<f64>>,
}

impl TaskAverages {
    /// Of a summary. Only tasks that all methods of a length have count there.
    pub fn of(summary: &AnswerSummary) -> Self {
        let methods = summary.methods.clone();
        let mut lengths: Vec<LengthRange> = summary.groups.iter().map(|group| group.length).collect();
        lengths.dedup(); // groups are in the order of lengths
        let (mut tasks, mut scores) = (Vec::new(), Vec::new());
        for &length in &lengths {
            let groups: Vec<_> = summary.groups.iter().filter(|group| group.length == length).collect();
            let score = |task: usize, method: &str| {
                let row = groups[task].rows.iter().find(|row| row.method == method);
                row.map(|row| row.score.mean).filter(|mean| mean.is_finite())
            };
            let all = 0..groups.len();
            let present: Vec<&String> = methods
                .iter()
                .filter(|method| all.clone().any(|task| score(task, method).is_some()))
                .collect();
            let common: Vec<usize> =
                all.filter(|&task| present.iter().all(|method| score(task, method).is_some())).collect();
            tasks.push(common.len());
            let average = |method: &String| mean(common.iter().filter_map(|&task| score(task, method)));
            scores.push(methods.iter().map(average).collect());
        }
        Self { methods, lengths, tasks, scores }
    }

    /// The greatest length up to which a method, named by its place, has at least RULER's threshold
    /// at every length.
    pub fn effective_length(&self, method: usize) -> Option<usize> {
        let averages = self.lengths.iter().zip(&self.scores);
        let averages = averages.map(|(length, scores)| (length.longest, 100.0 * scores[method]));
        effective_length(&averages.collect::<Vec<_>>())
    }

    /// As text: a row for each method, a column for each length; one for the effective length where
    /// it has a meaning, in RULER.
    pub fn table(&self, evaluation: EvaluationKind) -> Table {
        let mut table = Table::new("Average over tasks", 1, &[METHOD]);
        table.head.extend(self.lengths.iter().map(LengthRange::to_string));
        table.meanings = vec![Column::new("each length", "mean of the tasks' mean scores at it, in percent")];
        for (place, method) in self.methods.iter().enumerate() {
            let scores = self.scores.iter().map(|scores| decimal(100.0 * scores[place], 1));
            table.rows.push(std::iter::once(method.clone()).chain(scores).collect());
        }
        if self.tasks.windows(2).any(|pair| pair[0] != pair[1]) {
            let tasks = self.lengths.iter().zip(&self.tasks);
            let tasks: Vec<String> = tasks.map(|(length, tasks)| format!("{tasks} at {length}")).collect();
            table.notes.push(format!("Lengths have different numbers of tasks: {}.", tasks.join(", ")));
        }
        if evaluation == EvaluationKind::Ruler {
            self.add_effective_lengths(&mut table);
        }
        table
    }

    fn add_effective_lengths(&self, table: &mut Table) {
        const NAME: &str = "effective length";
        table.head.push(NAME.into());
        table.meanings.push(Column {
            name: NAME,
            meaning: "the greatest length up to which the average is at least 85.6, RULER's threshold",
        });
        for (place, row) in table.rows.iter_mut().enumerate() {
            row.push(self.effective_length(place).map_or("none".into(), count));
        }
        let (all, fewest) = (RulerTask::all().count(), self.tasks.iter().min().copied().unwrap_or(0));
        if fewest < all {
            table.notes.push(format!(
                "Averages of {fewest} of RULER's {all} tasks: the threshold of {EFFECTIVE_SCORE} is meant for all of them, so that these \
                 effective lengths can't be held against published ones."
            ));
        }
    }
}
