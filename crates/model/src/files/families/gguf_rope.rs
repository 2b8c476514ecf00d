//! RoPE as GGUF describes it: fields, and divisors of single pairs as tensors.

use super::fields::Fields;
use super::gguf_fields::GgufFields;
use crate::decoder::config::ModelConfig;
use crate::decoder::rope::{PairLayout, RopeConfig, RopeScaling};
use crate::error::{Error, Result, shown};
use crate::files::Tensors;

/// One divisor for each pair: for all prompts, for long ones, for short ones.
const DIVISORS: [&str; 3] = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

impl GgufFields<'_> {
    /// RoPE of all layers, or of those without a window of their own.
    pub(super) fn rope(
        &self,
        config: &ModelConfig,
        layout: PairLayout,
        tensors: &Tensors,
    ) -> Result<RopeConfig> {
        let rotary_dim = self.size("rope.dimension_count", 4..=config.head_dim, Some(config.head_dim))?;
        let base = self.positive("rope.freq_base", 10_000.0)?;
        if base <= 1.0 {
            return Err(Error::config(self.path("rope.freq_base"), "a number above 1", base));
        }
        let rope = |scaling| RopeConfig { rotary_dim, base, context: config.context, scaling, layout };
        let factor = match (self.number("rope.scaling.factor")?, self.number("rope.scale_linear")?) {
            (Some(factor), _) | (None, Some(factor)) if factor != 0.0 => factor,
            _ => 1.0,
        };
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::config(self.path("rope.scaling.factor"), "a number above 0", factor));
        }
        let [all, long, short] = DIVISORS.map(|name| {
            let present = tensors.get(name).map(|_| tensors.vector(name, rotary_dim / 2));
            present
                .transpose()
                .map(|list| list.map(|list| list.into_iter().map(f64::from).collect::<Vec<_>>()))
        });
        let (all, long, short) = (all?, long?, short?);
        let kind = self.text("rope.scaling.type")?;
        // Phi-3's files hold it with or without a scaling, where it changes nothing.
        let original = self.size("rope.scaling.original_context_length", 2..=1 << 30, Some(config.context));
        let attention_factor = match self.number("rope.scaling.attn_factor")? {
            Some(_) => Some(self.positive("rope.scaling.attn_factor", 1.0)?),
            None => None,
        };
        let scaling = match (kind, all, long, short) {
            (None | Some("none" | "longrope"), None, Some(long), Some(short)) => {
                let original_context = original?;
                let ratio = config.context as f64 / original_context as f64;
                // the rule of the paper's authors, where a file has no number
                let rule = if ratio > 1.0 {
                    (1.0 + ratio.ln() / (original_context as f64).ln()).sqrt()
                } else {
                    1.0
                };
                let attention_factor = attention_factor.unwrap_or(rule);
                RopeScaling::LongRope { short, long, original_context, attention_factor }
            }
            (Some("yarn"), None, None, None) => RopeScaling::Yarn {
                factor,
                original_context: original?,
                beta_fast: self.positive("rope.scaling.yarn_beta_fast", 32.0)?,
                beta_slow: self.positive("rope.scaling.yarn_beta_slow", 1.0)?,
                attention_factor: attention_factor.unwrap_or(1.0)
                    * if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 },
                truncate: true,
            },
            (None | Some("linear" | "none"), divisors, None, None) => {
                if attention_factor.is_some_and(|found| found != 1.0) {
                    let expected = "1 unless rope.scaling.type is yarn or longrope";
                    let found = attention_factor.unwrap_or(1.0);
                    return Err(Error::config(self.path("rope.scaling.attn_factor"), expected, found));
                }
                let factor = if kind == Some("none") { 1.0 } else { factor };
                match divisors {
                    None if factor == 1.0 => RopeScaling::Default,
                    None => RopeScaling::Linear { factor },
                    Some(divisors) => {
                        // Llama 3.1's scaling, computed when the file was made: the same divisors
                        // however long the prompt is.
                        let divisors: Vec<f64> = divisors.iter().map(|divisor| divisor * factor).collect();
                        let (short, original_context) = (divisors.clone(), config.context);
                        RopeScaling::LongRope {
                            short,
                            long: divisors,
                            original_context,
                            attention_factor: 1.0,
                        }
                    }
                }
            }
            (kind, ..) => {
                let expected = "one of none, linear, yarn, or longrope with both rope_factors tensors";
                let found = format!("\"{}\" with other tensors", shown(kind.unwrap_or("none")));
                return Err(Error::config(self.path("rope.scaling.type"), expected, found));
            }
        };
        Ok(rope(scaling))
    }
}
