//! [`RecordGroup`]: records that are summed up together, by method, and of these the ones that can
//! be compared.

use super::DENSE;
use super::lengths::{LengthRange, Lengths};
use crate::results::MethodRecord;
use std::collections::{BTreeMap, BTreeSet};

/// Records of one task and length.
pub(super) struct RecordGroup<'a, R> {
    pub(super) task: &'a str,
    pub(super) length: LengthRange,
    /// Each method with its records, in the order of [`method_names`].
    pub(super) methods: Vec<(&'a str, Vec<&'a R>)>,
    /// Observations that [`compared`](Self::compared) dropped.
    pub(super) left_out: usize,
}

impl<'a, R: MethodRecord> RecordGroup<'a, R> {
    /// All groups in the order of lengths, within it of tasks as they come.
    pub(super) fn all(records: &'a [R], lengths: Lengths) -> Vec<Self> {
        let names = method_names(records);
        let mut groups = Vec::new();
        for length in lengths.ranges(records.iter().map(|record| record.key().length)) {
            let of_length = records.iter().filter(|record| length.contains(record.key().length));
            for (task, records) in by_name(of_length, |record| record.key().task) {
                let mut methods = by_method(records);
                methods.sort_by_key(|(method, _)| names.iter().position(|name| name == method));
                groups.push(Self { task, length, methods, left_out: 0 });
            }
        }
        groups
    }

    /// The same groups with only those observations that all methods of a group have, each once and
    /// in the order of their names, so that methods' records stand beside each other.
    pub(super) fn compared(records: &'a [R], lengths: Lengths) -> Vec<Self> {
        Self::all(records, lengths).into_iter().map(Self::with_common_observations).collect()
    }

    fn with_common_observations(mut self) -> Self {
        let mut counts: BTreeMap<(&str, usize), usize> = BTreeMap::new();
        for (_, records) in &mut self.methods {
            // of an observation that was made again the last record counts
            let mut once = BTreeMap::new();
            for &record in records.iter() {
                once.insert(record.key().observation, record);
            }
            for &observation in once.keys() {
                *counts.entry(observation).or_default() += 1;
            }
            *records = once.into_values().collect();
        }
        let all = self.methods.len();
        for (_, records) in &mut self.methods {
            records.retain(|record| counts[&record.key().observation] == all);
        }
        self.left_out = counts.values().filter(|&&count| count < all).count();
        self
    }

    /// The records of a method; none where it has none here.
    pub(super) fn of_method(&self, method: &str) -> Option<&[&'a R]> {
        self.methods.iter().find(|(name, _)| *name == method).map(|(_, records)| records.as_slice())
    }

    /// How many samples, or documents, the records belong to.
    pub(super) fn samples(&self) -> usize {
        let records = self.methods.iter().flat_map(|(_, records)| records);
        records.map(|record| record.key().observation.0).collect::<BTreeSet<_>>().len()
    }
}

/// Methods in the order in which they come first, dense attention before the others.
pub(crate) fn method_names<R: MethodRecord>(records: &[R]) -> Vec<String> {
    let mut methods: Vec<String> = by_method(records).into_iter().map(|(method, _)| method.into()).collect();
    methods.sort_by_key(|method| method != DENSE);
    methods
}

fn by_method<'a, R: MethodRecord>(records: impl IntoIterator<Item = &'a R>) -> Vec<(&'a str, Vec<&'a R>)> {
    by_name(records, |record| record.key().method)
}

/// Records by a name that each has; names in the order in which they come first.
fn by_name<'a, R>(
    records: impl IntoIterator<Item = &'a R>,
    name: impl Fn(&'a R) -> &'a str,
) -> Vec<(&'a str, Vec<&'a R>)> {
    let mut groups: Vec<(&str, Vec<&R>)> = Vec::new();
    for record in records {
        match groups.iter_mut().find(|(found, _)| *found == name(record)) {
            Some((_, records)) => records.push(record),
            None => groups.push((name(record), vec![record])),
        }
    }
    groups
}
