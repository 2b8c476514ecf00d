//! [`DepthGrid`]: scores by length and depth, as heat maps show them.

use super::DENSE;
use super::group::{RecordGroup, method_names};
use super::lengths::Lengths;
use super::mean::Share;
use crate::results::AnswerRecord;

/// More depths than these are put together in tenths.
const MOST_DEPTHS: usize = 11;

/// Scores by length, depth and method, of the questions that all methods answered and whose answers
/// lie in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthGrid {
    /// From the shortest one on.
    pub lengths: Vec<usize>,
    /// From the beginning of the context, 0, to its end, 1. Where depths were put together, the
    /// middle of each tenth.
    pub depths: Vec<f64>,
    /// Dense attention first.
    pub methods: Vec<String>,
    cells: Vec<GridCell>,
}

/// Questions of one length and depth with one method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridCell {
    /// The mean score; of no questions where there are none.
    pub score: Share,
    /// How much better than dense attention's it is; none without that, or for dense attention
    /// itself.
    pub difference: Option<f64>,
}

impl DepthGrid {
    /// Of one task; none where no answer lies in one place.
    pub fn of(records: &[AnswerRecord], task: &str) -> Option<Self> {
        let all_methods = method_names(records);
        let records: Vec<(&AnswerRecord, f64)> = RecordGroup::compared(records, Lengths::Chosen)
            .into_iter()
            .filter(|group| group.task == task)
            .flat_map(|group| group.methods)
            .flat_map(|(_, records)| records)
            .filter_map(|record| Some((record, record.depth.filter(|depth| depth.is_finite())?)))
            .collect();
        let mut depths = sorted(records.iter().map(|&(_, depth)| depth));
        let are_tenths = depths.len() > MOST_DEPTHS;
        let place = |depth: f64| {
            if are_tenths { (depth * 10.0).floor().clamp(0.0, 9.0) / 10.0 + 0.05 } else { depth }
        };
        if are_tenths {
            depths = sorted(depths.into_iter().map(place));
        }
        let mut lengths: Vec<usize> = records.iter().map(|(record, _)| record.length).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let is_met = |method: &String| records.iter().any(|(record, _)| record.method == *method);
        let methods: Vec<String> = all_methods.into_iter().filter(is_met).collect();
        if methods.is_empty() {
            return None;
        }
        let mut cells = Vec::new();
        for method in &methods {
            for &length in &lengths {
                for &depth in &depths {
                    let of_cell = |method: &str| {
                        let of_cell = records.iter().filter(|(record, at)| {
                            record.method == method && record.length == length && place(*at) == depth
                        });
                        Share::of_samples(of_cell.map(|(record, _)| (record.sample.as_str(), record.score)))
                    };
                    let (score, dense) = (of_cell(method), of_cell(DENSE));
                    let is_held = method != DENSE && score.number > 0 && dense.number > 0;
                    let difference = is_held.then_some(score.mean - dense.mean);
                    cells.push(GridCell { score, difference });
                }
            }
        }
        Some(Self { lengths, depths, methods, cells })
    }

    /// A cell, by the places of its method, length and depth.
    pub fn cell(&self, method: usize, length: usize, depth: usize) -> Option<&GridCell> {
        let is_inside = length < self.lengths.len() && depth < self.depths.len();
        let place = (method * self.lengths.len() + length) * self.depths.len() + depth;
        self.cells.get(place).filter(|_| is_inside)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}
