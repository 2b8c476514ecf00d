//! [`Objective`]: what a search tries, and what wins.

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::pattern::{HeadPattern, Notation};
use std::fmt;

/// What a search tries, and what wins. Candidates and target are data; the constructors give the
/// usual ones.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// The paper's: all candidates compute as many pairs as the target, and the smallest error
    /// wins.
    SamePairs {
        /// Its computed pairs are what every candidate gets.
        target: HeadPattern,
        /// Each is fitted by its last budget: the nearest keys of A-shape (and tri-shape), the
        /// diagonals of vertical-slash, the blocks of block-sparse.
        candidates: Vec<HeadPattern>,
    },
    /// The cheapest pattern whose output error is within a bound wins; dense, if none is.
    MaxError {
        /// Largest relative error of a head's output.
        bound: f64,
        /// Shares of the causal area that each family is fitted to, ascending, 0 to 1.
        shares: Vec<f64>,
        /// As `candidates` above; of the last budget, which is fitted, the value has no meaning.
        families: Vec<HeadPattern>,
        /// How often the winner is tried once more, between the share that was within the bound and
        /// the one that was not. A head that would be dense is tried beyond the largest share, with
        /// the family that came nearest.
        refinements: usize,
    },
}

impl Objective {
    /// The paper's search space at the pairs of A-shape (1024, 4096).
    pub fn paper() -> Self {
        let vertical_slash = |vertical, slash| HeadPattern::VerticalSlash { vertical, slash };
        Self::SamePairs {
            target: HeadPattern::AShape { sink: 1024, local: 4096 },
            candidates: vec![
                HeadPattern::AShape { sink: 1024, local: 4096 },
                vertical_slash(30, 2048),
                vertical_slash(100, 1800),
                vertical_slash(500, 1500),
                vertical_slash(3000, 200),
                HeadPattern::BlockSparse { top_k: 100 },
            ],
        }
    }

    /// Families of all three shapes at 2, 5, 10, 20 and 40 % of the causal area, refined twice.
    pub fn max_error(bound: f64) -> Self {
        let vertical_slash = |vertical| HeadPattern::VerticalSlash { vertical, slash: 0 };
        Self::MaxError {
            bound,
            shares: vec![0.02, 0.05, 0.1, 0.2, 0.4],
            families: vec![
                HeadPattern::AShape { sink: 128, local: 0 },
                vertical_slash(30),
                vertical_slash(200),
                vertical_slash(1000),
                HeadPattern::BlockSparse { top_k: 0 },
            ],
            refinements: 2,
        }
    }

    /// Refuses a prompt that is so short that a static target would compute nearly all of it: there
    /// is nothing to choose then.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the length that would do.
    pub fn check_length(&self, tokens: usize) -> Result<()> {
        /// Beyond this share sparse attention does not pay.
        const MOST: f64 = 0.9;
        let Self::SamePairs { target, .. } = self else { return Ok(()) };
        let covers = |tokens: usize| {
            let geometry = Geometry::prefill(tokens);
            target.least_pairs(geometry) as f64 >= MOST * geometry.causal_pairs() as f64
        };
        if tokens == 0 || !covers(tokens) {
            return Ok(());
        }
        let longer = std::iter::successors(Some(tokens), |tokens| Some(tokens + tokens / 16 + 1));
        let enough = longer.take_while(|tokens| *tokens < 1 << 24).find(|tokens| !covers(*tokens));
        Err(Error::Parameter {
            name: "calibration",
            expected: "a prompt of which the target leaves out a tenth at least",
            found: format!(
                "{tokens} tokens for {}; about {} would do",
                Notation(*target),
                enough.unwrap_or(tokens)
            ),
        })
    }

    /// What is tried: candidates, or families whose last budget has no meaning; and a target.
    pub fn patterns(&self) -> impl Iterator<Item = HeadPattern> + '_ {
        let (candidates, target) = match self {
            Self::SamePairs { target, candidates } => (candidates, Some(*target)),
            Self::MaxError { families, .. } => (families, None),
        };
        candidates.iter().copied().chain(target)
    }

    /// The largest share of a prompt's attention that a trial computes, 0 to 1. A target whose
    /// pairs depend on the prompt may compute any.
    pub fn largest_share(&self, geometry: Geometry) -> f64 {
        match self {
            Self::SamePairs { target: HeadPattern::VerticalSlash { .. }, .. } => 1.0,
            Self::SamePairs { target, .. } => {
                let share = target.least_pairs(geometry) as f64 / geometry.causal_pairs().max(1) as f64;
                // Budgets are fitted to a few percent, and spans are rounded.
                (1.1 * share).min(1.0)
            }
            Self::MaxError { shares, refinements, .. } => {
                let largest = shares.iter().copied().fold(0.0, f64::max);
                // Each goes half of the way that is left to all of it.
                (0..*refinements).fold(largest, |share, _| share.sqrt())
            }
        }
    }

    /// Trials that a head gets at most.
    pub fn trials(&self) -> usize {
        match self {
            Self::SamePairs { candidates, .. } => candidates.len(),
            Self::MaxError { shares, families, refinements, .. } => {
                shares.len() * families.len() + refinements
            }
        }
    }

    /// # Errors
    /// [`Error::Parameter`] for no candidates, for [`HeadPattern::Dense`] among them or as a
    /// target, for a bound or shares that are no positive numbers, for shares above 1 or out of
    /// order.
    pub fn check(&self) -> Result<()> {
        let wrong = |name, expected, found: String| Err(Error::Parameter { name, expected, found });
        let (candidates, target) = match self {
            Self::SamePairs { target, candidates } => (candidates, Some(target)),
            Self::MaxError { bound, shares, families, .. } => {
                if !(bound.is_finite() && *bound > 0.0) {
                    return wrong("error bound", "a number above 0", bound.to_string());
                }
                let ascend = shares.windows(2).all(|pair| pair[0] < pair[1]);
                if shares.is_empty() || !ascend || !shares.iter().all(|share| *share > 0.0 && *share <= 1.0) {
                    return wrong(
                        "shares",
                        "numbers above 0 up to 1, each above the last",
                        format!("{shares:?}"),
                    );
                }
                (families, None)
            }
        };
        if candidates.is_empty() {
            return wrong("candidates", "at least one pattern", "none".into());
        }
        if candidates.iter().chain(target).any(|pattern| *pattern == HeadPattern::Dense) {
            return wrong(
                "candidates and target",
                "sparse patterns",
                Notation(HeadPattern::Dense).to_string(),
            );
        }
        Ok(())
    }
}

/// As pattern files say it: `same pairs as a-shape:1024,4096: ...`, `at most 0.05 error at 2, 5 %
/// of pairs, refined 2 times: a-shape:128,* ...`.
impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |words: Vec<String>, between: &str| words.join(between);
        match self {
            Self::SamePairs { target, candidates } => {
                let candidates = candidates.iter().map(|pattern| Notation(*pattern).to_string()).collect();
                write!(f, "same pairs as {}: {}", Notation(*target), join(candidates, " "))
            }
            Self::MaxError { bound, shares, families, refinements } => {
                let shares =
                    shares.iter().map(|share| format!("{}", (share * 1e4).round() / 100.0)).collect();
                let open = |pattern: &HeadPattern| {
                    let closed = Notation(*pattern).to_string();
                    let fixed = closed.rfind([',', ':']).map_or(&*closed, |end| &closed[..=end]);
                    format!("{fixed}*")
                };
                let families = families.iter().map(open).collect();
                let (shares, families) = (join(shares, ", "), join(families, " "));
                write!(
                    f,
                    "at most {bound} error at {shares} % of pairs, refined {refinements} times: {families}"
                )
            }
        }
    }
}
