//! The offline search (paper, section 3.3, Algorithm 1): which pattern, with which budget, a head
//! should get.
//!
//! Every candidate is fitted until the pairs that its canonical layout computes reach a target, and
//! tried: its attention output is compared with dense attention's. [`Objective`] says what is tried
//! and what wins:
//!
//! | objective | tried | wins |
//! |---|---|---|
//! | [`Objective::SamePairs`] (the paper's) | each candidate at the pairs of one target pattern | the smallest error |
//! | [`Objective::MaxError`] | each family at 2, 5, 10, 20 and 40 % of the causal area, the best once more between two shares | the cheapest within the bound, else dense |
//!
//! [`search_layer`] does this for all heads of a layer at once, over one or more calibration
//! prompts. The result depends on nothing but its inputs (and the instruction set's rounding): not
//! on threads, not on time.
//!
//! ```
//! use minference_attention::pattern::provenance::Fit;
//! use minference_attention::search::{Objective, CalibrationSample, search_layer};
//! use minference_attention::synthetic::{Planted, planted_head};
//! use minference_attention::{AttentionBackend, AttentionInputs, CpuBackend, HeadPattern, SparseIndex, TensorView,
//!     TensorViewMut};
//!
//! // One head that looks at the first tokens, at some columns, and at two distances.
//! let (tokens, head_dim) = (2048, 32);
//! let head = planted_head(tokens, head_dim, &Planted::typical(tokens, 1), 1);
//! let shape = [tokens, 1, head_dim];
//! let inputs = AttentionInputs::new(
//!     TensorView::new(&head.q, shape)?, TensorView::new(&head.k, shape)?, TensorView::new(&head.v, shape)?)?;
//!
//! let backend = CpuBackend::new()?;
//! let mut dense = vec![0.0f32; tokens * head_dim];
//! backend.attend(&inputs, &[SparseIndex::Dense], &mut TensorViewMut::new(&mut dense, shape)?)?;
//!
//! let objective = Objective::SamePairs {
//!     target: HeadPattern::AShape { sink: 16, local: 400 },
//!     candidates: vec![
//!         HeadPattern::AShape { sink: 16, local: 400 },
//!         HeadPattern::VerticalSlash { vertical: 62, slash: 200 },
//!         HeadPattern::BlockSparse { top_k: 10 },
//!     ],
//! };
//! let sample = CalibrationSample { inputs, dense: TensorView::new(&dense, shape)? };
//! let found = search_layer(&backend, &[sample], &objective, 0, &mut || ())?;
//! assert!(matches!(found[0].pattern, HeadPattern::VerticalSlash { .. }));
//! assert!(found[0].trials.iter().all(|trial| matches!(trial.fit, Fit::Close | Fit::Nearest)));
//! # Ok::<(), minference_attention::Error>(())
//! ```

mod fit;
mod objective;
mod output_error;

pub use objective::Objective;
pub use output_error::{attention_errors, relative_errors};

use crate::backend::AttentionBackend;
use crate::error::{Error, Result};
use crate::index::SparseIndex;
use crate::inputs::AttentionInputs;
use crate::pattern::HeadPattern;
use crate::pattern::config::HeadEntry;
use crate::pattern::provenance::{Fit, Trial};
use crate::pattern::vertical_slash::LAST_QUERIES;
use crate::view::TensorView;
use fit::{FittedBudget, HeadFit, TOLERANCE, is_same_family};

/// Errors of the first queries say little: they see few keys, and every pattern holds most of those
/// (the authors' code; the paper has no figure).
pub const ERRORS_FROM: usize = 2500;

/// One calibration prompt's view of a layer.
#[derive(Debug, Clone, Copy)]
pub struct CalibrationSample<'a> {
    /// Queries, keys and values.
    pub inputs: AttentionInputs<'a>,
    /// What dense attention gives for them, `[queries, heads, head_dim]`.
    pub dense: TensorView<'a>,
}

/// Searches all heads of a layer.
///
/// - `samples`: at least one; all of the same heads
/// - `errors_from`: the first query row that counts in errors; where a prompt is not longer, all
///   rows count
/// - `on_trial`: called after each trial of all heads
///
/// Where even the target computes so much that the backend would run it dense, every head gets
/// [`HeadPattern::Dense`], and nothing is tried.
///
/// # Errors
/// [`Error::Shape`] for no samples, different numbers of heads, a dense output of another shape, or
/// a prompt of fewer than 64 tokens, which the estimates need; as for [`Objective::check`]; as for
/// the backend.
pub fn search_layer(
    backend: &impl AttentionBackend,
    samples: &[CalibrationSample<'_>],
    objective: &Objective,
    errors_from: usize,
    on_trial: &mut dyn FnMut(),
) -> Result<Vec<HeadEntry>> {
    objective.check()?;
    let heads = check_samples(samples)?;
    let mut layer = LayerTrials {
        backend,
        samples,
        errors_from,
        fits: (0..heads).map(|head| HeadFit::new(backend, samples, head)).collect(),
        trials: vec![Vec::new(); heads],
        on_trial,
    };
    match objective {
        Objective::SamePairs { target, candidates } => layer.same_pairs(*target, candidates)?,
        Objective::MaxError { bound, shares, families, refinements } => {
            layer.max_error(*bound, shares, families)?;
            for _ in 0..*refinements {
                layer.refine(*bound)?;
            }
        }
    }
    Ok(layer.trials.into_iter().map(|trials| winner(objective, trials)).collect())
}

fn check_samples(samples: &[CalibrationSample<'_>]) -> Result<usize> {
    let shape = |what, expected: String, found: String| Err(Error::Shape { what, expected, found });
    let Some(first) = samples.first() else {
        return shape("calibration", "at least one prompt".into(), "none".into());
    };
    let heads = first.inputs.heads();
    for CalibrationSample { inputs, dense } in samples {
        let wanted = inputs.q().shape();
        if inputs.heads() != heads {
            return shape(
                "calibration",
                format!("prompts of {heads} heads"),
                format!("{} heads", inputs.heads()),
            );
        }
        if dense.shape() != wanted {
            return shape("dense output", format!("{wanted:?}"), format!("{:?}", dense.shape()));
        }
        if wanted[0] < LAST_QUERIES {
            let expected = format!("at least {LAST_QUERIES} tokens, whose queries the estimates look at");
            return shape("calibration", expected, format!("{} tokens", wanted[0]));
        }
    }
    Ok(heads)
}

/// The trials of a layer's heads.
struct LayerTrials<'a, B> {
    backend: &'a B,
    samples: &'a [CalibrationSample<'a>],
    errors_from: usize,
    fits: Vec<HeadFit<'a, B>>,
    trials: Vec<Vec<Trial>>,
    on_trial: &'a mut dyn FnMut(),
}

impl<B: AttentionBackend> LayerTrials<'_, B> {
    fn causal_pairs(&self) -> u64 {
        self.samples.iter().map(|sample| sample.inputs.geometry().causal_pairs()).sum()
    }

    fn same_pairs(&mut self, target: HeadPattern, candidates: &[HeadPattern]) -> Result<()> {
        let crossover = self.backend.crossover(self.samples[0].inputs.k().element_type()).share;
        // A static target has the same pairs in every head; those of a dynamic one are its own in
        // each.
        let targets = self.fits.iter_mut().map(|fit| fit.pairs_of(target)).collect::<Result<Vec<u64>>>()?;
        if targets.iter().all(|&pairs| pairs as f64 >= crossover * self.causal_pairs() as f64) {
            return Ok(());
        }
        for &candidate in candidates {
            let fitted =
                self.fits.iter_mut().zip(&targets).map(|(fit, &pairs)| fit.fit(candidate, pairs).map(Some));
            let fitted = fitted.collect::<Result<Vec<_>>>()?;
            self.attempt(fitted)?;
        }
        Ok(())
    }

    fn max_error(&mut self, bound: f64, shares: &[f64], families: &[HeadPattern]) -> Result<()> {
        for &share in shares {
            let target = (share * self.causal_pairs() as f64) as u64;
            // What costs no more than this share and is good enough can't be beaten by a larger
            // share.
            let settled =
                |trials: &Vec<Trial>| trials.iter().any(|trial| trial.error <= bound && trial.share <= share);
            let settled: Vec<bool> = self.trials.iter().map(settled).collect();
            for &family in families {
                let mut fitted = Vec::with_capacity(self.fits.len());
                for (head, fit) in self.fits.iter_mut().enumerate() {
                    let new = if settled[head] { None } else { Some(fit.fit(family, target)?) };
                    // At a bound of its budget a family stays what it was at the share before.
                    let trials = &self.trials[head];
                    fitted.push(new.filter(|new| trials.iter().all(|trial| trial.pattern != new.pattern)));
                }
                self.attempt(fitted)?;
            }
        }
        Ok(())
    }

    /// Tries each head's best family once more, in the middle between the share that was enough and
    /// the one that was not.
    fn refine(&mut self, bound: f64) -> Result<()> {
        let causal_pairs = self.causal_pairs() as f64;
        let mut fitted = Vec::with_capacity(self.fits.len());
        for (fit, trials) in self.fits.iter_mut().zip(&self.trials) {
            let Some((family, share)) = between(trials, bound) else {
                fitted.push(None);
                continue;
            };
            let new = fit.fit(family, (share * causal_pairs) as u64)?;
            fitted.push(Some(new).filter(|new| trials.iter().all(|trial| trial.pattern != new.pattern)));
        }
        self.attempt(fitted)
    }

    /// Attends with what was fitted, and notes the errors; heads without anything are left out.
    fn attempt(&mut self, mut fitted: Vec<Option<FittedBudget>>) -> Result<()> {
        if fitted.iter().all(Option::is_none) {
            (self.on_trial)();
            return Ok(());
        }
        let heads = fitted.len();
        let mut errors = vec![0.0; heads];
        for (at, sample) in self.samples.iter().enumerate() {
            // A head that is left out costs next to nothing: each query sees itself.
            let alone = SparseIndex::lines(vec![], vec![0])?;
            // Moved, as indices of blocks may be large.
            let index = |fitted: &mut Option<FittedBudget>| match fitted {
                Some(fitted) => std::mem::replace(&mut fitted.indices[at], SparseIndex::Dense),
                None => alone.clone(),
            };
            let indices: Vec<SparseIndex> = fitted.iter_mut().map(index).collect();
            let (found, _) =
                attention_errors(self.backend, &sample.inputs, &indices, sample.dense, self.errors_from)?;
            errors.iter_mut().zip(found).for_each(|(sum, error)| *sum += error / self.samples.len() as f64);
        }
        let causal = self.causal_pairs() as f64;
        for ((trials, fitted), error) in self.trials.iter_mut().zip(fitted).zip(errors) {
            if let Some(FittedBudget { pattern, pairs, fit, .. }) = fitted {
                trials.push(Trial {
                    pattern,
                    error: rounded(error),
                    share: rounded(pairs as f64 / causal),
                    fit,
                });
            }
        }
        (self.on_trial)();
        Ok(())
    }
}

/// The family that is cheapest within the bound (or, where none is, nearest to it), and a share
/// between what was enough for it and what was not. None where nothing was tried.
fn between(trials: &[Trial], bound: f64) -> Option<(HeadPattern, f64)> {
    let (best, enough) = match cheapest_within(trials, bound) {
        Some(best) => (best, best.share),
        None => (least_error(trials.iter().copied())?, 1.0),
    };
    let failed =
        trials.iter().filter(|trial| is_same_family(trial.pattern, best.pattern) && trial.error > bound);
    let too_little = failed.map(|trial| trial.share).filter(|share| *share < enough).fold(0.0, f64::max);
    // Where even the smallest share was enough, a quarter of it stands for what may not be.
    let too_little = if too_little > 0.0 { too_little } else { enough / 4.0 };
    Some((best.pattern, (too_little * enough).sqrt()))
}

/// The trial with the smallest error; of equals the first.
fn least_error(trials: impl Iterator<Item = Trial>) -> Option<Trial> {
    trials.reduce(|best, trial| if trial.error < best.error { trial } else { best })
}

/// The trial that computes least among those within a bound. Budgets are fitted to 2 %, so that two
/// which differ by no more than that on both sides cost the same, and the smaller error counts.
fn cheapest_within(trials: &[Trial], bound: f64) -> Option<Trial> {
    let within = || trials.iter().copied().filter(|trial| trial.error <= bound);
    let cheapest = within().map(|trial| trial.share).fold(f64::INFINITY, f64::min);
    least_error(within().filter(|trial| trial.share <= cheapest * (1.0 + 2.0 * TOLERANCE)))
}

/// Six digits: more would be noise, and a tie is a tie in the file, too.
fn rounded(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

/// The trial that wins, if any; of equals the first.
fn winner(objective: &Objective, trials: Vec<Trial>) -> HeadEntry {
    let best = match objective {
        Objective::SamePairs { .. } => least_error(trials.iter().copied()),
        Objective::MaxError { bound, .. } => cheapest_within(&trials, *bound),
    };
    match best {
        Some(trial) => HeadEntry { pattern: trial.pattern, score: Some(trial.error), trials },
        None => HeadEntry { pattern: HeadPattern::Dense, score: Some(0.0), trials },
    }
}

/// How well a budget meets a target.
fn judge(pairs: u64, target: u64) -> Option<Fit> {
    let off = (pairs as f64 - target as f64).abs();
    (off <= TOLERANCE * target as f64).then_some(Fit::Close)
}
