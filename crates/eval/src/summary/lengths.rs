//! [`Lengths`]: whether lengths are a choice; [`LengthRange`]: one that was chosen, or all of those
//! that were found.

use crate::numbers::count;
use crate::results::{EvaluationKind, LIMIT_SETTING};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where the lengths of samples come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// Samples were made for them: each is summed up by itself, however many there are.
    Chosen,
    /// Files happen to have them, hardly any twice: all of a task are summed up together, however
    /// few there are.
    Found,
}

impl Lengths {
    /// Those of an evaluation with its settings. Only InfiniteBench's own files have prompts of any
    /// length; where they are read, the settings say where longer ones were cut.
    pub fn of(evaluation: EvaluationKind, settings: &BTreeMap<String, String>) -> Self {
        let are_found = evaluation == EvaluationKind::InfiniteBench && settings.contains_key(LIMIT_SETTING);
        if are_found { Self::Found } else { Self::Chosen }
    }

    /// The ranges that are summed up, from the shortest one on.
    pub(super) fn ranges(self, lengths: impl Iterator<Item = usize>) -> Vec<LengthRange> {
        let lengths: BTreeSet<usize> = lengths.collect();
        match (self, lengths.first(), lengths.last()) {
            (Self::Found, Some(&shortest), Some(&longest)) => vec![LengthRange { shortest, longest }],
            _ => {
                lengths.into_iter().map(|length| LengthRange { shortest: length, longest: length }).collect()
            }
        }
    }
}

/// Lengths that are summed up together: one, where they were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LengthRange {
    /// In tokens.
    pub shortest: usize,
    /// In tokens.
    pub longest: usize,
}

impl LengthRange {
    /// Whether it holds a length.
    pub fn contains(&self, length: usize) -> bool {
        (self.shortest..=self.longest).contains(&length)
    }

    /// Whether it is one length.
    pub fn is_single(&self) -> bool {
        self.shortest == self.longest
    }
}

impl fmt::Display for LengthRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&count(self.shortest))?;
        if self.is_single() { Ok(()) } else { write!(formatter, " to {}", count(self.longest)) }
    }
}
