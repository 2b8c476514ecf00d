//! [`Sampler`]: from a row of logits to the next token.
//!
//! The steps and their order are llama.cpp's default: repetition penalty, top-k, top-p, min-p,
//! temperature, draw. Shares (top-p, min-p) are thus taken before the temperature flattens or
//! sharpens them; transformers applies the temperature first. Temperature 0 is greedy: the largest
//! logit after the penalty, the lowest id among equals.
//!
//! A seed gives the same tokens for the same logits on every platform and in every release.
//!
//! ```
//! use minference_model::generation::sampling::{Sampler, SamplingOptions};
//!
//! let mut greedy = Sampler::new(SamplingOptions::default())?;
//! assert_eq!(greedy.sample(&[0.5, 2.0, -1.0, 2.0], &[])?, 1);
//!
//! let options = SamplingOptions { temperature: 0.8, top_k: Some(2), seed: 7, ..SamplingOptions::default() };
//! let token = Sampler::new(options)?.sample(&[0.5, 2.0, -1.0, 2.0], &[])?;
//! assert!(token == 1 || token == 3);
//! # Ok::<(), minference_model::Error>(())
//! ```

mod candidates;

use crate::error::{Error, Result};
use candidates::Candidates;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

/// How tokens are chosen. The default is greedy.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// 0 takes the likeliest token; below 1 likelier ones gain, above 1 they lose.
    pub temperature: f32,
    /// Only so many of the likeliest tokens. None: all.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens whose probabilities sum to this share, from above 0 to 1. 1: all.
    pub top_p: f32,
    /// Only tokens at least this share as likely as the likeliest, from 0 to 1. 0: all.
    pub min_p: f32,
    /// The logit of a token that was there before is divided by this where it is positive and
    /// multiplied where it is negative. 1: no penalty.
    pub repetition_penalty: f32,
    /// How many of the last tokens count as there before. None: all, the prompt included.
    pub repetition_window: Option<usize>,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            repetition_window: None,
            seed: 0,
        }
    }
}

impl SamplingOptions {
    /// Whether every number is within its range.
    ///
    /// # Errors
    /// [`Error::Config`] with the field, its range and what it is.
    pub fn validate(&self) -> Result<()> {
        let checks = [
            ("temperature", self.temperature, self.temperature >= 0.0, "0 or a positive number"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "a number above 0 and up to 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "a number from 0 to 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0,
                "a positive number (1: no penalty)",
            ),
        ];
        for (field, value, is_right, expected) in checks {
            if !is_right || !value.is_finite() {
                return Err(Error::config(field, expected, value));
            }
        }
        if self.top_k == Some(0) {
            return Err(Error::config("top_k", "at least 1, or none for all tokens", 0));
        }
        Ok(())
    }
}

/// Chooses tokens, one after the other.
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplingOptions,
    random: Pcg64,
    penalised: Vec<f32>,
    seen: Vec<bool>,
    candidates: Candidates,
}

impl Sampler {
    /// With options, from their seed's first number on.
    ///
    /// # Errors
    /// As [`SamplingOptions::validate`].
    pub fn new(options: SamplingOptions) -> Result<Self> {
        options.validate()?;
        let random = Pcg64::seed_from_u64(options.seed);
        Ok(Self {
            options,
            random,
            penalised: Vec::new(),
            seen: Vec::new(),
            candidates: Candidates::default(),
        })
    }

    /// The next token.
    ///
    /// - `logits`: one per id of the vocabulary; minus infinity rules a token out.
    /// - `history`: the tokens so far, prompt and answer; only the repetition penalty reads it.
    ///
    /// # Errors
    /// [`Error::Logits`] where one is NaN or plus infinity, and where none is finite;
    /// [`Error::UnknownToken`] for a history with ids beyond the logits.
    pub fn sample(&mut self, logits: &[f32], history: &[u32]) -> Result<u32> {
        let best = largest(logits)?;
        let penalised = self.penalise(logits, history)?;
        let logits = if penalised { &self.penalised } else { logits };
        if self.options.temperature == 0.0 {
            return if penalised { largest(logits) } else { Ok(best) };
        }
        self.candidates.fill(logits, self.options.top_k);
        self.candidates.keep_top_p(self.options.top_p);
        self.candidates.keep_min_p(self.options.min_p);
        // 53 bits: an f64's share of [0, 1).
        let random = (self.random.next_u64() >> 11) as f64 * (0.5f64).powi(53);
        Ok(self.candidates.draw(self.options.temperature, random))
    }

    /// Writes penalised logits; false where no penalty applies.
    fn penalise(&mut self, logits: &[f32], history: &[u32]) -> Result<bool> {
        let penalty = self.options.repetition_penalty;
        let window = self.options.repetition_window.unwrap_or(history.len()).min(history.len());
        let recent = &history[history.len() - window..];
        if penalty == 1.0 || recent.is_empty() {
            return Ok(false);
        }
        self.penalised.clear();
        self.penalised.extend_from_slice(logits);
        self.seen.clear();
        self.seen.resize(logits.len(), false);
        for &id in recent {
            let index = usize::try_from(id).unwrap_or(usize::MAX);
            let (Some(logit), Some(seen)) = (self.penalised.get_mut(index), self.seen.get_mut(index)) else {
                return Err(Error::UnknownToken { id, vocabulary: logits.len() });
            };
            if !std::mem::replace(seen, true) && logit.is_finite() {
                let penalised = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
                // A product beyond f32 must neither rule a token out nor make it certain.
                *logit = penalised.clamp(f32::MIN, f32::MAX);
            }
        }
        Ok(true)
    }
}

/// The id of the largest logit, the lowest among equals.
fn largest(logits: &[f32]) -> Result<u32> {
    // Two passes that compilers turn into vector code; one that also tracks the place would not be.
    const LANES: usize = 16;
    let mut maxima = [f32::NEG_INFINITY; LANES];
    let mut sums = [0.0f32; LANES];
    let chunks = logits.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks.chain(std::iter::once(rest)) {
        for ((maximum, sum), &logit) in maxima.iter_mut().zip(&mut sums).zip(chunk) {
            *maximum = if logit > *maximum { logit } else { *maximum };
            // NaN for NaN only: a product with zero would also be NaN for infinities.
            *sum += if logit.is_nan() { f32::NAN } else { 0.0 };
        }
    }
    let maximum = maxima.into_iter().fold(f32::NEG_INFINITY, f32::max);
    if sums.iter().any(|sum| sum.is_nan()) || maximum == f32::INFINITY {
        let index = logits.iter().position(|x| x.is_nan() || *x == f32::INFINITY).unwrap_or(0);
        return Err(Error::Logits { found: format!("{} for token {index}", logits[index]) });
    }
    let index = logits.iter().position(|&x| x == maximum).filter(|_| maximum > f32::NEG_INFINITY);
    index
        .and_then(|index| u32::try_from(index).ok())
        .ok_or_else(|| Error::Logits { found: format!("none among {} logits", logits.len()) })
}

#[cfg(test)]
mod tests;
