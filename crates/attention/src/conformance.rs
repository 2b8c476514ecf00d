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

mod sinks;

pub use sinks::SinkCase;

use crate::backend::AttentionBackend;
use crate::element::ElementType;
use crate::error::Error;
use crate::index::{BLOCK, SparseIndex};
use crate::inputs::AttentionInputs;
use crate::layout::KeyLayout;
use crate::lowering::Lowering;
use crate::pattern::HeadPattern;
use crate::reference;
use crate::synthetic::{Random, normal};
use crate::view::{TensorView, TensorViewMut};
use half::{bf16, f16};
use std::collections::HashMap;
use std::fmt;

/// A case that a backend failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The backend refused valid inputs.
    #[error("{case}: {source}")]
    Refused {
        /// The case.
        case: String,
        /// What it said.
        source: Error,
    },
    /// The result is too far from the oracle.
    #[error("{case}: relative error {error:.2e}, but a plain implementation in {precision} has {plain:.2e}")]
    Inaccurate {
        /// The case.
        case: String,
        /// The backend's error.
        error: f64,
        /// The plain implementation's.
        plain: f64,
        /// What that one rounds to.
        precision: ElementType,
    },
    /// What lies behind an attention sink is lost.
    #[error("{case}: the {what} has a relative error of {error:.2e}, {limit:.2e} is allowed")]
    BehindSink {
        /// The case.
        case: String,
        /// The output, or an estimate.
        what: &'static str,
        /// The backend's error.
        error: f64,
        /// What is allowed.
        limit: f64,
    },
    /// The reported pair count is not that of the canonical layout.
    #[error("{case}: {found} pairs reported, {expected} counted")]
    Pairs {
        /// The case.
        case: String,
        /// By brute force.
        expected: u64,
        /// By the backend.
        found: u64,
    },
}

/// All cases that a backend failed.
#[derive(Debug)]
pub struct Failures(pub Vec<Failure>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cases failed", self.0.len())?;
        self.0.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl std::error::Error for Failures {}

/// How elements of Q, K and V are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filling {
    /// Standard normal.
    Noise,
    /// All ones: every probability is the same.
    Ones,
    /// Row `t` of every tensor is 1 at `t mod head_dim` and 0 elsewhere.
    Identity,
    /// Elements grow with the token.
    Ramp,
    /// Scores up to about 1e4 in magnitude.
    LargeScores,
    /// Three channels of Q and K are eight times as large as the others, as models have them.
    OutlierChannels,
}

/// One problem of the battery.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Queries of the chunk.
    pub queries: usize,
    /// Tokens before the chunk.
    pub offset: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Query heads of each.
    pub group: usize,
    /// Elements of a row.
    pub head_dim: usize,
    /// Type of Q, K and V.
    pub element_type: ElementType,
    /// Elements between the heads of one token, and the tokens, that belong to nothing.
    pub gap: usize,
    /// The model's sliding window.
    pub window: Option<usize>,
    /// The pattern of every head.
    pub pattern: HeadPattern,
    /// The inputs.
    pub filling: Filling,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} queries at {}, {}x{} heads of {}, {}, gap {}, window {:?}, {}, {:?}",
            self.queries,
            self.offset,
            self.kv_heads,
            self.group,
            self.head_dim,
            self.element_type,
            self.gap,
            self.window,
            self.pattern,
            self.filling
        )
    }
}

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
) -> Result<usize, Failures> {
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
        failures.extend(accuracy.judge(&name, precision(*element_type), 0.0));
    }
    let sink_cases = sinks::cases();
    failures
        .extend(sink_cases.iter().filter_map(|case| case.check(backend, precision(case.element_type)).err()));
    if failures.is_empty() { Ok(cases.len() + sink_cases.len()) } else { Err(Failures(failures)) }
}

/// Sums of squared relative errors, of a backend and of a plain implementation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accuracy {
    error: f64,
    plain: f64,
    rows: u32,
}

impl Accuracy {
    /// The backend's error: root of the mean over rows of squared relative errors.
    pub fn error(&self) -> f64 {
        (self.error / f64::from(self.rows)).sqrt()
    }
    /// The plain implementation's.
    pub fn plain(&self) -> f64 {
        (self.plain / f64::from(self.rows)).sqrt()
    }

    fn add(&mut self, other: Self) {
        self.error += other.error;
        self.plain += other.plain;
        self.rows += other.rows;
    }

    /// The failure that this accuracy is, if it is one.
    fn judge(&self, case: &str, precision: ElementType, allowance: f64) -> Option<Failure> {
        // Written so that NaN fails.
        if self.error() <= 2.0 * self.plain() + 8.0 * f64::from(f32::EPSILON) + allowance {
            return None;
        }
        Some(Failure::Inaccurate { case: case.into(), error: self.error(), plain: self.plain(), precision })
    }
}

/// Every length around the block boundaries with every pattern; the other dimensions turn at
/// different speeds, so that all their values meet.
fn cases() -> Vec<Case> {
    let lengths = [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 193, 255, 256, 257, 319, 320, 321];
    let patterns = |tokens: usize| {
        [
            HeadPattern::Dense,
            HeadPattern::AShape { sink: 20, local: 50 },
            HeadPattern::AShape { sink: 0, local: 0 },
            HeadPattern::TriShape { sink: 5, local: 70, last: 30 },
            HeadPattern::VerticalSlash { vertical: 40, slash: 110 },
            HeadPattern::VerticalSlash { vertical: 0, slash: 0 },
            HeadPattern::VerticalSlash { vertical: tokens / 2, slash: 2 * tokens },
            HeadPattern::BlockSparse { top_k: 2 },
            HeadPattern::BlockSparse { top_k: 0 },
            HeadPattern::BlockSparse { top_k: 1000 },
        ]
    };
    let types = [ElementType::F32, ElementType::F16, ElementType::Bf16];
    let fillings = [Filling::Noise, Filling::Noise, Filling::LargeScores, Filling::OutlierChannels];
    let mut cases = Vec::new();
    for (l, &queries) in lengths.iter().enumerate() {
        for (p, pattern) in patterns(queries).into_iter().enumerate() {
            let turn = 7 * l + p;
            cases.push(Case {
                queries,
                offset: [0, 0, 1, 63, 64, 100, 0][turn % 7],
                kv_heads: 1 + turn % 2,
                group: [1, 3, 1, 7, 1][turn % 5],
                head_dim: [64, 8, 80, 96, 64, 128, 192, 40, 64, 256, 72][turn % 11],
                element_type: types[turn % 3],
                gap: [0, 0, 0, 5][turn % 4],
                window: [None, None, None, Some(1), None, None, Some(90), None][turn % 8],
                pattern,
                filling: fillings[(turn / 3) % 4],
            });
        }
    }
    // decoding steps: cache lengths around the steps and partitions of a streaming kernel
    for (l, tokens) in [1, 63, 64, 65, 300, 2047, 2049, 2113].into_iter().enumerate() {
        for (d, head_dim) in [8, 24, 72, 80, 128].into_iter().enumerate() {
            let turn = 5 * l + d;
            cases.push(Case {
                queries: 1,
                offset: tokens - 1,
                kv_heads: 1 + turn % 2,
                group: [1, 3, 4, 7][turn % 4],
                head_dim,
                element_type: types[turn % 3],
                gap: [0, 5, 0][turn % 3],
                window: [None, None, Some(90), None, None, Some(1), Some(2050)][turn % 7],
                pattern: HeadPattern::Dense,
                filling: Filling::Noise,
            });
        }
    }
    // decoding steps of every group size up to and beyond what shares a pass, with a whole and a
    // part of a vector
    for (g, group) in [2, 5, 6, 8, 9, 17].into_iter().enumerate() {
        for (d, head_dim) in [64, 72].into_iter().enumerate() {
            cases.push(Case {
                queries: 1,
                offset: 70 + g,
                kv_heads: 2,
                group,
                head_dim,
                element_type: types[(g + d) % 3],
                gap: 0,
                window: None,
                pattern: HeadPattern::Dense,
                filling: Filling::Noise,
            });
        }
    }
    for filling in [Filling::Ones, Filling::Identity, Filling::Ramp, Filling::LargeScores] {
        for element_type in types {
            for pattern in [HeadPattern::Dense, HeadPattern::VerticalSlash { vertical: 40, slash: 100 }] {
                let (queries, offset, window) = (200, 30, None);
                let (kv_heads, group, head_dim, gap) = (1, 2, 64, 0);
                let case = Case {
                    queries,
                    offset,
                    kv_heads,
                    group,
                    head_dim,
                    element_type,
                    gap,
                    window,
                    pattern,
                    filling,
                };
                // a decoding step, and a long cache behind a short chunk
                cases.extend([
                    case,
                    Case { queries: 1, offset: 4999, ..case },
                    Case { queries: 3, offset: 2500, ..case },
                ]);
            }
        }
    }
    cases
}

/// A tensor's memory in its own type.
#[derive(Debug)]
enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Data {
    /// The numbers, rounded to a type.
    fn new(data: Vec<f32>, element_type: ElementType) -> Self {
        match element_type {
            ElementType::F32 => Self::F32(data),
            ElementType::F16 => Self::F16(data.into_iter().map(f16::from_f32).collect()),
            ElementType::Bf16 => Self::Bf16(data.into_iter().map(bf16::from_f32).collect()),
        }
    }

    fn view(&self, shape: [usize; 3], strides: [usize; 2]) -> crate::Result<TensorView<'_>> {
        match self {
            Self::F32(data) => TensorView::strided(data, shape, strides),
            Self::F16(data) => TensorView::strided(data, shape, strides),
            Self::Bf16(data) => TensorView::strided(data, shape, strides),
        }
    }
}

/// The inputs of a case, with the gaps between rows poisoned by NaN: a kernel that reads them is
/// found out.
#[derive(Debug)]
pub struct CaseInputs {
    tensors: [(Data, [usize; 3], [usize; 2]); 3],
    window: Option<usize>,
}

impl CaseInputs {
    /// Makes the inputs; the same case always gets the same.
    pub fn new(case: &Case) -> Self {
        let keys = case.queries + case.offset;
        let heads = case.kv_heads * case.group;
        let tensor = |tokens: usize, heads: usize, seed: u64| {
            let shape = [tokens, heads, case.head_dim];
            let head_stride = case.head_dim + case.gap;
            let strides = [heads * head_stride + 3 * case.gap, head_stride];
            let mut data = vec![f32::NAN; tokens * strides[0]];
            for token in 0..tokens {
                for head in 0..heads {
                    let row = &mut data[token * strides[0] + head * strides[1]..][..case.head_dim];
                    fill(row, case.filling, token, tokens, seed + head as u64, seed == 3);
                }
            }
            (Data::new(data, case.element_type), shape, strides)
        };
        let tensors =
            [tensor(case.queries, heads, 1), tensor(keys, case.kv_heads, 2), tensor(keys, case.kv_heads, 3)];
        Self { tensors, window: case.window }
    }

    /// Views of them.
    ///
    /// # Errors
    /// None, unless the case is impossible.
    pub fn view(&self) -> crate::Result<AttentionInputs<'_>> {
        let [q, k, v] = self.tensors.each_ref().map(|(data, shape, strides)| data.view(*shape, *strides));
        AttentionInputs::new(q?, k?, v?)?.with_sliding_window(self.window)
    }
}

fn fill(row: &mut [f32], filling: Filling, token: usize, tokens: usize, seed: u64, is_value: bool) {
    let noise = normal(row.len(), seed * 1_000_003 + token as u64);
    let head_dim = row.len();
    for (d, x) in row.iter_mut().enumerate() {
        *x = match filling {
            Filling::Noise => noise[d],
            Filling::Ones => 1.0,
            Filling::Identity => f32::from(u8::from(token % head_dim == d)),
            Filling::Ramp => (token + 1) as f32 / tokens as f32,
            Filling::LargeScores if is_value => noise[d],
            // q . k / sqrt(head_dim) is then about 3e3 of a standard deviation
            Filling::LargeScores => 55.0 * noise[d],
            Filling::OutlierChannels if !is_value && [3, 17, 40].contains(&d) => 8.0 * noise[d],
            Filling::OutlierChannels => noise[d],
        };
    }
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
) -> Result<Accuracy, Failure> {
    let refused = |source: Error| Failure::Refused { case: case.to_string(), source };
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
            return Err(Failure::Pairs { case: case.to_string(), expected, found });
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

/// Square of the relative error of a row.
pub fn relative_square(row: &[f32], expected: &[f64]) -> f64 {
    let difference: f64 = row.iter().zip(expected).map(|(&x, y)| (f64::from(x) - y).powi(2)).sum();
    let norm: f64 = expected.iter().map(|y| y * y).sum();
    difference / norm.max(1e-30)
}

/// Pairs by brute force: one question per query and key.
fn count_pairs(lowering: &Lowering<'_>) -> u64 {
    let geometry = lowering.geometry();
    let of_block = |layout: KeyLayout| -> usize {
        layout.queries().map(|i| (0..geometry.keys()).filter(|&j| layout.contains(i, j)).count()).sum()
    };
    (0..geometry.query_blocks()).map(|block| of_block(lowering.layout(block)) as u64).sum()
}
