//! [`Sampler`]: from a row of logits to the next token.
//!
//! The steps and their order are llama.cpp's default: bias, penalties, top-k, top-p, min-p,
//! temperature, draw. A mask rules tokens out before all of them. Shares (top-p, min-p) are thus
//! taken before the temperature flattens or sharpens them; transformers applies the temperature
//! first. Temperature 0 is greedy: the largest logit after the penalties, the lowest id among
//! equals.
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
mod mask;
mod penalties;

pub use mask::TokenMask;

use crate::error::{Error, Result};
use candidates::Candidates;
use penalties::Penalties;
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
    /// Taken from the logit of each token that is in the answer already, from -2 to 2. 0: none.
    pub presence_penalty: f32,
    /// The same for each time that it is there, from -2 to 2. 0: none.
    pub frequency_penalty: f32,
    /// Tokens with what is added to their logits, from -100 (never) to 100 (always).
    pub bias: Vec<(u32, f32)>,
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
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            bias: Vec::new(),
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
        let range = |penalty| (-2.0..=2.0).contains(&penalty);
        let (presence, frequency) = (self.presence_penalty, self.frequency_penalty);
        let additive = [
            ("presence_penalty", presence, range(presence), "a number from -2 to 2 (0: no penalty)"),
            ("frequency_penalty", frequency, range(frequency), "a number from -2 to 2 (0: no penalty)"),
        ];
        let bias = self.bias.iter().map(|&(_, bias)| {
            ("bias", bias, (-100.0..=100.0).contains(&bias), "a number from -100 to 100 for each token")
        });
        for (field, value, is_right, expected) in checks.into_iter().chain(additive).chain(bias) {
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
    penalties: Penalties,
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
        Ok(Self { options, random, penalties: Penalties::default(), candidates: Candidates::default() })
    }

    /// The next token.
    ///
    /// - `logits`: one per id of the vocabulary; minus infinity rules a token out.
    /// - `history`: the tokens so far, prompt and answer; only penalties read it, and those of
    ///   presence and frequency count all of it as the answer.
    ///
    /// # Errors
    /// [`Error::Logits`] where one is NaN or plus infinity, and where none is finite;
    /// [`Error::UnknownToken`] for a history or a bias with ids beyond the logits.
    pub fn sample(&mut self, logits: &[f32], history: &[u32]) -> Result<u32> {
        self.sample_among(logits, history, 0, None)
    }

    /// The next token, from those that are allowed.
    ///
    /// - `prompt`: so many tokens of the history are the prompt's
    /// - `allowed`: all without it
    ///
    /// # Errors
    /// As [`sample`](Self::sample), and where no token is allowed that could be chosen.
    pub fn sample_among(
        &mut self,
        logits: &[f32],
        history: &[u32],
        prompt: usize,
        allowed: Option<&TokenMask>,
    ) -> Result<u32> {
        let best = largest(logits)?;
        let changed = self.penalties.apply(&self.options, logits, history, prompt, allowed)?;
        let logits = changed.unwrap_or(logits);
        if self.options.temperature == 0.0 {
            return if changed.is_some() { largest(logits) } else { Ok(best) };
        }
        if changed.is_some() {
            // some token is left
            largest(logits)?;
        }
        self.candidates.fill(logits, self.options.top_k);
        self.candidates.keep_top_p(self.options.top_p);
        self.candidates.keep_min_p(self.options.min_p);
        // 53 bits: an f64's share of [0, 1).
        let random = (self.random.next_u64() >> 11) as f64 * (0.5f64).powi(53);
        Ok(self.candidates.draw(self.options.temperature, random))
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
