//! Attention sinks: a few keys hold nearly all of a row's probability and have nothing to say
//! (their values are zeros), so that the row's output is that of the many keys behind them. Heads
//! with 99 % of their mass on the first token are common; a kernel that rounds probabilities
//! relative to the largest one loses the rest without a word.

use super::Roundings;
use super::accuracy::relative_square;
use super::case_inputs::TensorData;
use super::failure::FailedCase;
use crate::backend::AttentionBackend;
use crate::element::ElementType;
use crate::error::Error;
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use crate::lowering::Lowering;
use crate::pattern::HeadPattern;
use crate::reference;
use crate::synthetic::Random;
use crate::view::{TensorView, TensorViewMut};
use std::fmt;

/// Relative error that a row behind a sink may have, and the estimate of the keys there, where the
/// keys are so many that their roundings average out.
const LARGEST_ERROR: f64 = 1e-3;
/// The element of queries and keys that makes a sink one.
const SINK_QUERY: f32 = 8.0;

/// The last queries of one head, with sinks among their keys.
#[derive(Debug, Clone)]
pub struct SinkCase {
    /// Keys.
    pub keys: usize,
    /// Queries, which are the last tokens.
    pub queries: usize,
    /// Elements of a row.
    pub head_dim: usize,
    /// Type of Q, K and V.
    pub element_type: ElementType,
    /// The sinks' tokens.
    pub sinks: Vec<usize>,
    /// What part of the last row's probability the sinks hold together, about.
    pub mass: f64,
    /// The head's pattern.
    pub pattern: HeadPattern,
}

impl fmt::Display for SinkCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, queries, head_dim, element_type, sinks, mass, pattern } = self;
        write!(
            f,
            "{queries} queries over {keys} keys of {head_dim}, {element_type}, {mass} of the mass on {sinks:?}, {pattern}"
        )
    }
}

/// Short ones around every place where a sink can stand, and long ones through one block of
/// queries.
pub(super) fn cases() -> Vec<SinkCase> {
    let types = [ElementType::F16, ElementType::Bf16, ElementType::F16, ElementType::F32];
    let masses = [0.9, 0.99, 0.999, 0.9999];
    let lines = HeadPattern::VerticalSlash { vertical: 300, slash: 300 };
    let mut cases = Vec::new();
    for (l, keys) in [50, 64, 130, 1000, 2500].into_iter().enumerate() {
        let places =
            [vec![0], vec![0, 1, 2, 3], vec![keys / 2], vec![3, 20], vec![5, keys / 3, keys / 2 + 1]];
        for (s, sinks) in places.into_iter().enumerate() {
            for (m, mass) in masses.into_iter().enumerate() {
                let turn = l + 3 * s + m;
                cases.push(SinkCase {
                    keys,
                    queries: if turn.is_multiple_of(3) { 1 } else { BLOCK.min(keys) },
                    head_dim: [64, 128, 64, 80][turn % 4],
                    element_type: types[(l + s + m) % 4],
                    sinks: sinks.clone(),
                    mass,
                    pattern: if turn % 5 == 1 { lines } else { HeadPattern::Dense },
                });
            }
        }
    }
    let long = [
        (32_768, 64, vec![0], 0.99),
        (32_768, 64, vec![20_000], 0.999),
        (131_072, 64, vec![0], 0.999),
        (131_072, 64, vec![0, 1, 77_777], 0.9999),
        (1 << 20, 8, vec![0], 0.999),
        (1 << 20, 8, vec![1, 500_000], 0.9999),
    ];
    for (keys, head_dim, sinks, mass) in long {
        for queries in [1, 16] {
            cases.push(SinkCase {
                keys,
                queries,
                head_dim,
                element_type: ElementType::F16,
                sinks: sinks.clone(),
                mass,
                pattern: HeadPattern::Dense,
            });
        }
    }
    cases
}

impl SinkCase {
    /// Q, K and V, as elements of the case's type.
    fn tensors(&self) -> [TensorData; 3] {
        let sinks = self.sinks.len() as f64;
        // The other scores are normal, with a variance of 1: a sum of e^0.5 for each key.
        let others = self.keys as f64 * 0.5f64.exp();
        let score = (self.mass / (1.0 - self.mass) * others / sinks).ln();
        let sink_key = (score * (self.head_dim as f64).sqrt() / f64::from(SINK_QUERY)) as f32;
        let mut random = Random::new(self.keys as u64);
        let mut tensor = |tokens: usize, fill: &dyn Fn(usize, &mut Random, &mut [f32])| {
            let mut data = vec![0.0f32; tokens * self.head_dim];
            for (token, row) in data.chunks_exact_mut(self.head_dim).enumerate() {
                fill(token, &mut random, row);
            }
            TensorData::new(data, self.element_type)
        };
        // The element that makes a sink is 0 in the other keys, and takes no part of the others'
        // variance.
        let spread = (self.head_dim as f32 / (self.head_dim - 1) as f32).sqrt().sqrt();
        let normal = |random: &mut Random, row: &mut [f32]| {
            row[1..].iter_mut().for_each(|x| *x = spread * random.normal());
        };
        let q = tensor(self.queries, &|_, random, row| {
            normal(random, row);
            row[0] = SINK_QUERY;
        });
        let k = tensor(self.keys, &|token, random, row| match self.sinks.contains(&token) {
            true => row[0] = sink_key,
            false => normal(random, row),
        });
        let v = tensor(self.keys, &|token, random, row| {
            if !self.sinks.contains(&token) {
                row.iter_mut().for_each(|x| *x = 1.0 + 0.1 * random.normal());
            }
        });
        [q, k, v]
    }

    /// Attends with the backend, and estimates: both must be within 1e-3 of the oracle, and what
    /// the roundings of few keys to `precision` are beyond that.
    ///
    /// # Errors
    /// Inputs refused, or an error that is larger.
    pub fn check(&self, backend: &impl AttentionBackend, precision: ElementType) -> Result<(), FailedCase> {
        self.check_with(backend, precision, Roundings::default())
    }

    /// The same for a backend with roundings of its own.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    pub fn check_with(
        &self,
        backend: &impl AttentionBackend,
        precision: ElementType,
        roundings: Roundings,
    ) -> Result<(), FailedCase> {
        let truncations = if roundings.truncated_sums { self.keys.div_ceil(16) } else { 0 };
        let truncated = truncations as f64 * f64::from(f32::EPSILON);
        let limit = LARGEST_ERROR + truncated + 2.0 * precision.unit_roundoff() / (self.keys as f64).sqrt();
        let refused = |source: Error| FailedCase::Refused { case: self.to_string(), source };
        let tensors = self.tensors();
        let inputs = self.inputs(&tensors).map_err(refused)?;
        let index = self.pattern.select(backend, &inputs, 0).map_err(refused)?;
        let of_output = self.output_error(backend, &inputs, index).map_err(refused)?;
        let of_estimate = self.estimate_error(backend, &inputs).map_err(refused)?;
        for (what, error) in [("output", of_output), ("estimate", of_estimate)] {
            // NaN is more than any limit.
            if error > limit || error.is_nan() {
                return Err(FailedCase::BehindSink { case: self.to_string(), what, error, limit });
            }
        }
        Ok(())
    }

    fn inputs<'a>(&self, [q, k, v]: &'a [TensorData; 3]) -> crate::Result<AttentionInputs<'a>> {
        let strides = [self.head_dim, self.head_dim];
        let view = |data: &'a TensorData, tokens| -> crate::Result<TensorView<'a>> {
            data.view([tokens, 1, self.head_dim], strides)
        };
        AttentionInputs::new(view(q, self.queries)?, view(k, self.keys)?, view(v, self.keys)?)
    }

    /// Root of the mean over a few rows of squared relative errors of the output.
    fn output_error(
        &self,
        backend: &impl AttentionBackend,
        inputs: &AttentionInputs<'_>,
        index: SparseIndex,
    ) -> crate::Result<f64> {
        let indices = [index];
        let lowering = Lowering::new(&indices[0], inputs.geometry())?;
        let mut output = vec![f32::NAN; self.queries * self.head_dim];
        let mut view = TensorViewMut::new(&mut output, inputs.q().shape())?;
        backend.attend(inputs, &indices, &mut view)?;
        let rows = [0, self.queries / 2, self.queries - 1];
        let square = |&row: &usize| {
            let expected = reference::attend_row(inputs, &lowering.layout(row / BLOCK), 0, row);
            relative_square(&output[row * self.head_dim..][..self.head_dim], &expected)
        };
        Ok((rows.iter().map(square).sum::<f64>() / rows.len() as f64).sqrt())
    }

    /// Relative error of the columns' scores over the keys that are no sinks.
    fn estimate_error(
        &self,
        backend: &impl AttentionBackend,
        inputs: &AttentionInputs<'_>,
    ) -> crate::Result<f64> {
        let voting = self.queries.min(2);
        let scores = backend.last_query_scores(inputs, 0, voting)?;
        let expected = reference::column_scores(inputs, 0, voting)?;
        let behind = |token: &usize| !self.sinks.contains(token);
        let found: Vec<f32> = (0..self.keys).filter(behind).map(|token| scores.columns[token]).collect();
        let expected: Vec<f64> = (0..self.keys).filter(behind).map(|token| expected[token]).collect();
        // Sums of small numbers: in units of their mean, so that the norm is no rounding error of
        // nothing.
        let unit = expected.iter().sum::<f64>() / expected.len() as f64;
        let found: Vec<f32> = found.iter().map(|x| (f64::from(*x) / unit) as f32).collect();
        let expected: Vec<f64> = expected.iter().map(|x| x / unit).collect();
        Ok(relative_square(&found, &expected).sqrt())
    }
}
