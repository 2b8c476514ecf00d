//! [`RulerTask`]: the thirteen tasks, as the benchmark's configuration has them.

use super::documents::QuestionFormat;
use super::niah::{NeedleHaystack, NeedlePart, NiahParameters};
use crate::error::{Error, Result};
use crate::scoring::Scoring;
use std::fmt;
use std::str::FromStr;

/// A task of RULER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RulerTask {
    /// A number in repeated sentences.
    NiahSingle1,
    /// A number in an essay.
    NiahSingle2,
    /// A UUID in an essay.
    NiahSingle3,
    /// A number in an essay, beside three others.
    NiahMultikey1,
    /// A number among nothing but numbers.
    NiahMultikey2,
    /// A UUID among nothing but UUIDs.
    NiahMultikey3,
    /// Four numbers of one key.
    NiahMultivalue,
    /// The numbers of four keys.
    NiahMultiquery,
    /// Variables that were assigned each other.
    Vt,
    /// The ten words that occur most often in a list.
    Cwe,
    /// The three invented words that occur most often in a text.
    Fwe,
    /// Questions about paragraphs (SQuAD).
    Qa1,
    /// Questions about several articles at once (HotpotQA).
    Qa2,
}

/// What a task is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskKind {
    Niah(NiahParameters),
    VariableTracking,
    CommonWords,
    FrequentWords,
    QuestionAnswering(QuestionFormat),
}

const fn niah(
    haystack: NeedleHaystack,
    keys: NeedlePart,
    values: NeedlePart,
    counts: (usize, usize, usize),
) -> TaskKind {
    let (key_count, values_per_key, queries) = counts;
    TaskKind::Niah(NiahParameters { haystack, keys, values, key_count, values_per_key, queries })
}

use NeedleHaystack::{Essay, Needles, Repeat};
use NeedlePart::{Numbers, Uuids, Words};

/// Tasks, names and parameters; a haystack's counts are keys, values of each, and keys that are
/// asked for.
const TASKS: [(RulerTask, &str, TaskKind); 13] = [
    (RulerTask::NiahSingle1, "niah_single_1", niah(Repeat, Words, Numbers, (1, 1, 1))),
    (RulerTask::NiahSingle2, "niah_single_2", niah(Essay, Words, Numbers, (1, 1, 1))),
    (RulerTask::NiahSingle3, "niah_single_3", niah(Essay, Words, Uuids, (1, 1, 1))),
    (RulerTask::NiahMultikey1, "niah_multikey_1", niah(Essay, Words, Numbers, (4, 1, 1))),
    (RulerTask::NiahMultikey2, "niah_multikey_2", niah(Needles, Words, Numbers, (1, 1, 1))),
    (RulerTask::NiahMultikey3, "niah_multikey_3", niah(Needles, Uuids, Uuids, (1, 1, 1))),
    (RulerTask::NiahMultivalue, "niah_multivalue", niah(Essay, Words, Numbers, (1, 4, 1))),
    (RulerTask::NiahMultiquery, "niah_multiquery", niah(Essay, Words, Numbers, (4, 1, 4))),
    (RulerTask::Vt, "vt", TaskKind::VariableTracking),
    (RulerTask::Cwe, "cwe", TaskKind::CommonWords),
    (RulerTask::Fwe, "fwe", TaskKind::FrequentWords),
    (RulerTask::Qa1, "qa_1", TaskKind::QuestionAnswering(QuestionFormat::Squad)),
    (RulerTask::Qa2, "qa_2", TaskKind::QuestionAnswering(QuestionFormat::Hotpot)),
];

impl RulerTask {
    /// All of them, in the benchmark's order.
    pub fn all() -> impl Iterator<Item = Self> {
        TASKS.iter().map(|entry| entry.0)
    }

    /// As the benchmark spells it.
    pub fn name(self) -> &'static str {
        TASKS[self as usize].1
    }

    /// The file that its questions come from, if they come from one.
    pub fn questions(self) -> Option<QuestionFormat> {
        match self.kind() {
            TaskKind::QuestionAnswering(format) => Some(format),
            _ => None,
        }
    }

    /// Longest answer, in tokens.
    pub fn max_tokens(self) -> usize {
        match self.kind() {
            TaskKind::Niah(_) => 128,
            TaskKind::VariableTracking => 30,
            TaskKind::CommonWords => 120,
            TaskKind::FrequentWords => 50,
            TaskKind::QuestionAnswering(_) => 32,
        }
    }

    /// How answers are judged.
    pub fn scoring(self) -> Scoring {
        match self.kind() {
            TaskKind::QuestionAnswering(_) => Scoring::MatchAny,
            _ => Scoring::MatchAll,
        }
    }

    pub(super) fn kind(self) -> TaskKind {
        TASKS[self as usize].2
    }
}

impl fmt::Display for RulerTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RulerTask {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || TASKS.map(|entry| entry.1).join(", ");
        let found = Self::all().find(|task| task.name() == name);
        found.ok_or_else(|| Error::choice("RULER task", format!("one of {}", known()), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_tasks() {
        for (place, (task, name, _)) in TASKS.into_iter().enumerate() {
            assert_eq!(task as usize, place);
            assert_eq!(name.parse::<RulerTask>().unwrap(), task);
        }
        let error = "niah".parse::<RulerTask>().unwrap_err().to_string();
        assert!(error.contains("niah_multikey_3") && error.ends_with("found niah"), "{error}");
    }
}
