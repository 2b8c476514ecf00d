//! How the frequencies of RoPE are stretched beyond the context that a model was trained with.

use super::RopeConfig;
use crate::error::{Error, Result};
use std::f64::consts::TAU;

/// A scaling of RoPE; names and parameters as in Hugging Face's `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// None.
    Default,
    /// Positions divided by a factor (arXiv 2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// A base that grows with prompts beyond the context.
    DynamicNtk {
        /// How fast it grows.
        factor: f64,
    },
    /// Fast pairs as they were, slow pairs interpolated, a ramp between (arXiv 2309.00071).
    Yarn {
        /// The divisor of slow pairs.
        factor: f64,
        /// Context of the first training.
        original_context: usize,
        /// Turns within the original context from which a pair counts as fast.
        beta_fast: f64,
        /// Turns up to which it counts as slow.
        beta_slow: f64,
        /// Factor on cosines and sines.
        attention_factor: f64,
        /// Whether the ends of the ramp are whole pairs.
        truncate: bool,
    },
    /// Llama 3.1: as YaRN, with a ramp in wavelengths.
    Llama3 {
        /// The divisor of slow pairs.
        factor: f64,
        /// Turns within the original context up to which a pair counts as slow.
        low_freq_factor: f64,
        /// Turns from which it counts as fast.
        high_freq_factor: f64,
        /// Context of the first training.
        original_context: usize,
    },
    /// A divisor for every pair, found by search (arXiv 2402.13753): one set for short prompts, one for long ones.
    LongRope {
        /// Divisors for prompts within the original context.
        short: Vec<f64>,
        /// Divisors for longer ones.
        long: Vec<f64>,
        /// Context of the first training.
        original_context: usize,
        /// Factor on cosines and sines.
        attention_factor: f64,
    },
}

/// The unscaled frequencies of a base.
fn plain(base: f64, dim: usize) -> impl Iterator<Item = f64> {
    (0..dim / 2).map(move |i| base.powf(-2.0 * i as f64 / dim as f64))
}

fn collect(frequencies: impl Iterator<Item = f64>) -> Vec<f32> {
    frequencies.map(|x| x as f32).collect()
}

impl RopeScaling {
    /// YaRN with the constants of its paper, for a model that was trained with `original_context` tokens.
    pub fn yarn(factor: f64, original_context: usize) -> Self {
        let attention_factor = if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
        Self::Yarn {
            factor,
            original_context,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor,
            truncate: true,
        }
    }

    /// Frequencies and the factor on cosines and sines, for a prompt of `tokens` tokens.
    pub(super) fn frequencies(&self, config: &RopeConfig, tokens: usize) -> Result<(Vec<f32>, f32)> {
        let (base, dim) = (config.base, config.rotary_dim);
        Ok(match self {
            Self::Default => (collect(plain(base, dim)), 1.0),
            Self::Linear { factor } => (collect(plain(base, dim).map(|x| x / factor)), 1.0),
            Self::DynamicNtk { factor } => {
                let ratio = tokens.max(config.context) as f64 / config.context as f64;
                let base = base * (factor * ratio - (factor - 1.0)).powf(dim as f64 / (dim as f64 - 2.0));
                (collect(plain(base, dim)), 1.0)
            }
            Self::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor, truncate } => {
                // the pair that makes so many turns within the original context
                let pair_of = |turns: f64| {
                    dim as f64 * (*original_context as f64 / (turns * TAU)).ln() / (2.0 * base.ln())
                };
                let (mut low, mut high) = (pair_of(*beta_fast), pair_of(*beta_slow));
                if *truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
                if low == high {
                    high += 0.001;
                }
                let scaled = plain(base, dim).enumerate().map(|(i, x)| {
                    let slow = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    x / factor * slow + x * (1.0 - slow)
                });
                (collect(scaled), *attention_factor as f32)
            }
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let scaled = plain(base, dim).map(|x| {
                    let turns = *original_context as f64 * x / TAU;
                    let fast = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    let fast = fast.clamp(0.0, 1.0);
                    x / factor * (1.0 - fast) + x * fast
                });
                (collect(scaled), 1.0)
            }
            Self::LongRope { short, long, original_context, attention_factor } => {
                let (name, divisors) =
                    if tokens > *original_context { ("long_factor", long) } else { ("short_factor", short) };
                if divisors.len() != dim / 2 {
                    let field = format!("rope_scaling.{name}");
                    return Err(Error::config(field, format!("{} numbers", dim / 2), divisors.len()));
                }
                let scaled = plain(base, dim).zip(divisors).map(|(x, divisor)| x / divisor);
                (collect(scaled), *attention_factor as f32)
            }
        })
    }
}
