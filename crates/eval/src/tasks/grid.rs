//! [`grid`]: samples of each task at each length, as benchmarks that can make samples of any length
//! have them.

use crate::error::{Error, Result};
use std::fmt::Display;

/// Samples of a run at most. The names of all are in memory at once; asking them would take years.
const MOST: usize = 1_000_000;

/// A sample that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SamplePlace<T> {
    pub(super) task: T,
    pub(super) length: usize,
    /// Among those of the task and length, from 0.
    pub(super) number: usize,
}

impl<T: Display> SamplePlace<T> {
    /// The sample's name.
    pub(super) fn name(&self) -> String {
        format!("{}/{}/{}", self.task, self.length, self.number)
    }
}

/// All samples, length by length; what is named twice is made once.
///
/// - `samples`: of each task at each length
///
/// # Errors
/// No tasks, lengths or samples, and more than a million in all.
pub(super) fn grid<T: Copy + PartialEq>(
    tasks: &[T],
    lengths: &[usize],
    samples: usize,
) -> Result<Vec<SamplePlace<T>>> {
    let (tasks, lengths) = (distinct(tasks), distinct(lengths));
    for (what, count) in
        [("tasks", tasks.len()), ("lengths", lengths.len()), ("samples of each task", samples)]
    {
        if count == 0 {
            return Err(Error::choice(what, "at least one", "none"));
        }
    }
    let most = MOST / (tasks.len() * lengths.len());
    if samples > most {
        let what = format!("samples of each of {} tasks at each of {} lengths", tasks.len(), lengths.len());
        return Err(Error::choice(what, format!("at most {most}, {MOST} in all"), samples));
    }
    let mut places = Vec::with_capacity(tasks.len() * lengths.len() * samples);
    for &length in &lengths {
        for &task in &tasks {
            places.extend((0..samples).map(|number| SamplePlace { task, length, number }));
        }
    }
    Ok(places)
}

/// Without later repetitions.
pub(super) fn distinct<T: Copy + PartialEq>(values: &[T]) -> Vec<T> {
    let mut distinct = Vec::new();
    for &value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// The sample of a number.
///
/// # Errors
/// There are not so many.
pub(super) fn nth<T>(samples: &[T], number: usize) -> Result<&T> {
    samples
        .get(number)
        .ok_or_else(|| Error::choice("number of a sample", format!("less than {}", samples.len()), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_named_once_length_by_length() {
        let places = grid(&['a', 'b', 'a'], &[8, 4, 8], 2).unwrap();
        let names: Vec<String> = places.iter().map(SamplePlace::name).collect();
        assert_eq!(names, ["a/8/0", "a/8/1", "b/8/0", "b/8/1", "a/4/0", "a/4/1", "b/4/0", "b/4/1"]);
        assert_eq!(nth(&places, 7).unwrap().length, 4);
        assert!(nth(&places, 8).unwrap_err().to_string().ends_with("expected less than 8, found 8"));
    }

    #[test]
    fn too_few_and_too_many_are_refused() {
        let refused = |tasks: &[char], lengths: &[usize], samples| {
            grid(tasks, lengths, samples).unwrap_err().to_string()
        };
        assert_eq!(refused(&[], &[1], 1), "tasks: expected at least one, found none");
        assert_eq!(refused(&['a'], &[], 1), "lengths: expected at least one, found none");
        assert_eq!(refused(&['a'], &[1], 0), "samples of each task: expected at least one, found none");
        assert_eq!(grid(&['a'], &[1, 2], 500_000).unwrap().len(), 1_000_000);
        for samples in [500_001, usize::MAX] {
            let found = refused(&['a'], &[1, 2], samples);
            assert!(
                found.contains("at each of 2 lengths: expected at most 500000, 1000000 in all"),
                "{found}"
            );
        }
    }
}
