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
    /// A divisor for every pair, found by search (arXiv 2402.13753): one set for short prompts, one
    /// for long ones.
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
    /// YaRN with the constants of its paper, for a model that was trained with `original_context`
    /// tokens.
    pub fn yarn(factor: f64, original_context: usize) -> Self {
        Self::Yarn {
            factor,
            original_context,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor: Self::yarn_attention_factor(factor),
            truncate: true,
        }
    }

    /// Its name, as in `config.json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Linear { .. } => "linear",
            Self::DynamicNtk { .. } => "dynamic",
            Self::Yarn { .. } => "yarn",
            Self::Llama3 { .. } => "llama3",
            Self::LongRope { .. } => "longrope",
        }
    }

    /// This model's scaling, stretched by another one. A model that has a scaling of its own was
    /// trained with it: linear factors and YaRN's multiply, dynamic NTK's is replaced, and
    /// [`RopeScaling::Default`] takes the model's own away.
    ///
    /// # Errors
    /// [`Error::Config`] for two kinds that can't be one.
    pub fn stretched(&self, by: &Self) -> Result<Self> {
        Ok(match (self, by) {
            (Self::Default, by)
            | (_, by @ Self::Default)
            | (Self::DynamicNtk { .. }, by @ Self::DynamicNtk { .. }) => by.clone(),
            (Self::Linear { factor: own }, Self::Linear { factor }) => Self::Linear { factor: own * factor },
            (
                Self::Yarn { factor: own, original_context, beta_fast, beta_slow, truncate, .. },
                Self::Yarn { factor, .. },
            ) => {
                let factor = own * factor;
                let attention_factor = Self::yarn_attention_factor(factor);
                let (original_context, truncate) = (*original_context, *truncate);
                let (beta_fast, beta_slow) = (*beta_fast, *beta_slow);
                Self::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor, truncate }
            }
            (own, by) => {
                let expected = format!("no other than the model's own, {}, or none", own.name());
                return Err(Error::config("RoPE scaling that was asked for", expected, by.name()));
            }
        })
    }

    /// YaRN's factor on cosines and sines (section 3.4 of its paper).
    fn yarn_attention_factor(factor: f64) -> f64 {
        if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaling_of_the_model_is_stretched_or_the_other_refused() {
        let linear = |factor| RopeScaling::Linear { factor };
        let yarn = RopeScaling::yarn;
        assert_eq!(RopeScaling::Default.stretched(&yarn(4.0, 100)).unwrap(), yarn(4.0, 100));
        assert_eq!(linear(8.0).stretched(&linear(2.0)).unwrap(), linear(16.0));
        // a model for 100 tokens that YaRN made one for 400, made one for 800
        assert_eq!(yarn(4.0, 100).stretched(&yarn(2.0, 400)).unwrap(), yarn(8.0, 100));
        assert_eq!(yarn(4.0, 100).stretched(&RopeScaling::Default).unwrap(), RopeScaling::Default);
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192,
        };
        let error = llama3.stretched(&yarn(2.0, 131_072)).unwrap_err().to_string();
        assert!(error.contains("llama3") && error.contains("yarn"), "{error}");
        assert!(linear(8.0).stretched(&yarn(2.0, 100)).is_err());
    }
}
