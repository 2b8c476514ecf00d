//! [`LengthRange`]: a length, or all lengths of prompts that were taken as they come.

use crate::numbers::count;
use std::collections::BTreeSet;
use std::fmt;

/// More lengths than these are no choice but what texts happen to have: they are summed up as one.
const MOST_LENGTHS: usize = 12;

/// Lengths that are summed up together, mostly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LengthRange {
    /// In tokens.
    pub shortest: usize,
    /// In tokens.
    pub longest: usize,
}

impl LengthRange {
    /// One for each of a few lengths; one for all of many.
    pub(super) fn of(lengths: impl Iterator<Item = usize>) -> Vec<Self> {
        let lengths: BTreeSet<usize> = lengths.collect();
        match (lengths.first(), lengths.last()) {
            (Some(&shortest), Some(&longest)) if lengths.len() > MOST_LENGTHS => {
                vec![Self { shortest, longest }]
            }
            _ => lengths.into_iter().map(|length| Self { shortest: length, longest: length }).collect(),
        }
    }

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
