//! The battery that every backend must pass: what it computes is what [`KeyLayout::contains`] says,
//! to the precision of its arithmetic.
//!
//! ```no_run
//! use minference_attention::{CpuBackend, conformance::conforms};
//!
//! // The kernel may err at most twice as much as a plain implementation in the inputs' own type.
//! conforms(&CpuBackend::new()?, |element_type| element_type)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The tolerance follows from the precision: against the `f64` oracle a kernel may be at most twice
//! as far off as a plain implementation that rounds inputs and probabilities to a type and computes
//! products and sums in `f32`, plus a few units in the last place of `f32` (a prompt of one token
//! leaves a plain implementation no error at all). Cases with large scores are pooled before they
//! are judged: there the error is that of the few rows in which two keys compete for the whole
//! probability, and in a single case chance decides which implementation meets such a row.
//!
//! Rows behind an attention sink ([`SinkCase`]) have a tolerance of their own, since no plain
//! implementation in 16 bits passes there.

mod accuracy;
mod case;
mod case_inputs;
mod failure;
mod sinks;

pub use accuracy::{Accuracy, relative_square};
pub use case::{Case, Filling};
pub use case_inputs::CaseInputs;
pub use failure::{FailedCase, FailedCases};
pub use sinks::SinkCase;

use crate::backend::AttentionBackend;
use crate::element::ElementType;
use crate::error::Error;
use crate::index::{BLOCK, SparseIndex};
use crate::layout::KeyLayout;
use crate::lowering::Lowering;
use crate::reference;
use crate::synthetic::Random;
use crate::view::TensorViewMut;
use case::cases;
use std::collections::HashMap;

/// Runs the battery; returns the number of cases passed.
///
/// `precision` maps the inputs' type to what the plain implementation rounds to. A backend with
/// 16-bit arithmetic is held to `bf16` (or to a 16-bit type of the inputs).
///
/// # Errors
/// The cases that fail.
pub fn conforms(
    backend: &impl AttentionBackend,
    precision: impl Fn(ElementType) -> ElementType,
) -> Result<usize, FailedCases> {
    conforms_with(backend, precision, Roundings::default())
}

/// What a backend rounds that a plain implementation does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roundings {
    /// Inputs of these types are rounded before they are multiplied. Their sink cases are left out:
    /// the rounding of a sink's score alone is more than they allow.
    pub inputs: &'static [ElementType],
    /// Probabilities are relative to an earlier maximum than the row's own, so that rounding
    /// changes that of a row's one dominant key, which is 1 in a plain implementation. Where scores
    /// are large, one rounding is forgiven.
    pub dominant_keys: bool,
    /// Sums of products are cut off, not rounded, each time 16 keys are added (tensor cores).
    /// Behind a sink all terms are alike and none is negative, so that what is cut off adds up: one
    /// unit in the last place of `f32` for each 16 keys.
    pub truncated_sums: bool,
}

/// [`conforms`], for a backend with roundings of its own.
///
/// # Errors
/// The cases that fail.
pub fn conforms_with(
    backend: &impl AttentionBackend,
    precision: impl Fn(ElementType) -> ElementType,
    roundings: Roundings,
) -> Result<usize, FailedCases> {
    let cases = cases();
    let mut failures = Vec::new();
    let mut pooled: HashMap<(ElementType, Filling), Accuracy> = HashMap::new();
    for case in &cases {
        let precision = precision(case.element_type);
        let accuracy = match check(backend, case, precision) {
            Ok(accuracy) => accuracy,
            Err(failure) => {
                failures.push(failure);
                continue;
            }
        };
        match case.filling {
            Filling::LargeScores | Filling::OutlierChannels => {
                pooled.entry((case.element_type, case.filling)).or_default().add(accuracy);
            }
            Filling::Noise => failures.extend(accuracy.judge(&case.to_string(), precision, 0.0)),
            // All rows and elements round alike, so that chance decides: one rounding is forgiven.
            Filling::Ones | Filling::Identity | Filling::Ramp => {
                failures.extend(accuracy.judge(&case.to_string(), precision, precision.unit_roundoff()));
            }
        }
    }
    for ((element_type, filling), accuracy) in &pooled {
        let name = format!("all cases of {filling:?} in {element_type}");
        let precision = precision(*element_type);
        let forgiven = if roundings.dominant_keys { precision.unit_roundoff() } else { 0.0 };
        failures.extend(accuracy.judge(&name, precision, forgiven));
    }
    let mut sink_cases = sinks::cases();
    sink_cases.retain(|case| !roundings.inputs.contains(&case.element_type));
    let of_sink = |case: &SinkCase| case.check_with(backend, precision(case.element_type), roundings).err();
    failures.extend(sink_cases.iter().filter_map(of_sink));
    if failures.is_empty() { Ok(cases.len() + sink_cases.len()) } else { Err(FailedCases(failures)) }
}

/// Rows of a case that are compared with the oracle: all of a short one, a sample of a long one,
/// the last always.
fn rows_to_check(case: &Case) -> Vec<usize> {
    if case.queries <= 8 {
        return (0..case.queries).collect();
    }
    let mut random = Random::new(case.queries as u64);
    let mut rows: Vec<usize> = (0..10).map(|_| random.below(case.queries)).collect();
    rows.extend([0, case.queries - 1]);
    rows
}

/// Runs one case: its accuracy, beside that of a plain implementation in `precision`.
///
/// # Errors
/// Inputs refused, or pairs miscounted.
pub fn check(
    backend: &impl AttentionBackend,
    case: &Case,
    precision: ElementType,
) -> Result<Accuracy, FailedCase> {
    let refused = |source: Error| FailedCase::Refused { case: case.to_string(), source };
    let data = CaseInputs::new(case);
    let inputs = data.view().map_err(refused)?;
    let geometry = inputs.geometry();
    let indices: Vec<SparseIndex> = (0..inputs.heads())
        .map(|head| case.pattern.select(backend, &inputs, head))
        .collect::<crate::Result<_>>()
        .map_err(refused)?;
    let lowerings: Vec<Lowering<'_>> = indices
        .iter()
        .map(|index| Lowering::new(index, geometry))
        .collect::<crate::Result<_>>()
        .map_err(refused)?;
    for lowering in &lowerings {
        let (expected, found) = (count_pairs(lowering), backend.pairs(lowering));
        if expected != found {
            return Err(FailedCase::Pairs { case: case.to_string(), expected, found });
        }
    }
    // The output starts as NaN: a row that is not written is found out.
    let shape = inputs.q().shape();
    let mut output = vec![f32::NAN; shape.iter().product()];
    let mut view = TensorViewMut::new(&mut output, shape).map_err(refused)?;
    backend.attend(&inputs, &indices, &mut view).map_err(refused)?;
    let mut accuracy = Accuracy::default();
    for (head, lowering) in lowerings.iter().enumerate() {
        for token in rows_to_check(case) {
            let layout = lowering.layout(token / BLOCK);
            let expected = reference::attend_row(&inputs, &layout, head, token);
            let plain = reference::plain_row(&inputs, &layout, head, token, precision);
            let row = &output[(token * shape[1] + head) * shape[2]..][..shape[2]];
            accuracy.add(Accuracy {
                error: relative_square(row, &expected),
                plain: relative_square(&plain, &expected),
                rows: 1,
            });
        }
    }
    Ok(accuracy)
}

/// Pairs by brute force: one question per query and key.
fn count_pairs(lowering: &Lowering<'_>) -> u64 {
    let geometry = lowering.geometry();
    let of_block = |layout: KeyLayout| -> usize {
        layout.queries().map(|i| (0..geometry.keys()).filter(|&j| layout.contains(i, j)).count()).sum()
    };
    (0..geometry.query_blocks()).map(|block| of_block(lowering.layout(block)) as u64).sum()
}
