//! How far a model may read, and how positions beyond what it was made for are encoded.

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use minference_model::decoder::rope::{RopeOverride, RopeScaling};

/// Context and position encoding.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct RopeOptions {
    /// Tokens of prompt and answer together; more than the model was made for needs --rope-scaling
    /// or --rope-base [default: what the model was made for]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// How positions are stretched beyond the context that the model was made for
    #[arg(long, value_enum, value_name = "KIND")]
    rope_scaling: Option<RopeScalingKind>,
    /// By how much they are stretched [default: --context over what the model was made for]
    #[arg(long, value_name = "FACTOR")]
    rope_factor: Option<f64>,
    /// Another base of the wavelengths of positions, such as 1000000 [default: the model's]
    #[arg(long, value_name = "BASE")]
    rope_base: Option<f64>,
}

/// Scalings of RoPE that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RopeScalingKind {
    /// Not at all, whatever the model's files say
    None,
    /// Positions are divided by the factor
    Linear,
    /// The base grows with what was read, beyond what the model was made for
    Dynamic,
    /// Slow wavelengths are divided, fast ones kept: mostly the best for long contexts
    Yarn,
}

impl RopeOptions {
    /// The context that was asked for.
    pub(crate) fn context(&self) -> Option<usize> {
        self.context
    }

    fn stretches(&self) -> bool {
        !matches!(self.rope_scaling, None | Some(RopeScalingKind::None))
    }

    /// Refuses what is wrong for every model.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(context) = self.context {
            ensure!(context >= 2, "--context: expected at least 2 tokens, found {context}");
        }
        if let Some(factor) = self.rope_factor {
            let is_right = factor.is_finite() && factor >= 1.0;
            ensure!(is_right, "--rope-factor: expected a number from 1 on, found {factor}");
            ensure!(
                self.stretches(),
                "--rope-factor: expected --rope-scaling linear, dynamic or yarn beside it, found none"
            );
        }
        if let Some(base) = self.rope_base {
            let is_right = base.is_finite() && base > 1.0;
            ensure!(is_right, "--rope-base: expected a number above 1, found {base}");
        }
        Ok(())
    }

    /// What to change of a model that was made for a context of `made_for` tokens.
    pub(crate) fn rope(&self, made_for: usize) -> Result<RopeOverride> {
        self.check()?;
        let asked_for = self.context.unwrap_or(made_for);
        if asked_for > made_for && !self.stretches() && self.rope_base.is_none() {
            bail!(
                "--context: expected at most {made_for}, which the model was made for, found {asked_for}; beyond that it needs \
                 --rope-scaling (yarn, dynamic or linear) or --rope-base"
            );
        }
        if self.stretches() && self.context.is_none() && self.rope_factor.is_none() {
            bail!(
                "--rope-scaling: expected --rope-factor beside it, or a --context beyond the {made_for} tokens that the model was \
                 made for, found neither"
            );
        }
        let factor = self.rope_factor.unwrap_or(asked_for as f64 / made_for as f64).max(1.0);
        let reaches = (made_for as f64 * factor).round() as usize;
        if matches!(self.rope_scaling, Some(RopeScalingKind::Linear | RopeScalingKind::Yarn))
            && asked_for > reaches
        {
            bail!(
                "--context: expected at most {reaches}, which --rope-factor {factor} reaches, found {asked_for}"
            );
        }
        let scaling = self.rope_scaling.map(|kind| match kind {
            RopeScalingKind::None => RopeScaling::Default,
            RopeScalingKind::Linear => RopeScaling::Linear { factor },
            RopeScalingKind::Dynamic => RopeScaling::DynamicNtk { factor },
            RopeScalingKind::Yarn => RopeScaling::yarn(factor, made_for),
        });
        let stretched = if self.stretches() { (made_for as f64 * factor) as usize } else { made_for };
        let context = (asked_for > made_for || self.stretches()).then_some(asked_for.max(stretched));
        Ok(RopeOverride { base: self.rope_base, scaling, context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_stretched_as_far_as_asked_for() {
        let none = RopeOptions::default();
        let yarn = RopeOptions { rope_scaling: Some(RopeScalingKind::Yarn), ..none.clone() };
        assert_eq!(none.rope(100).unwrap(), RopeOverride::default());
        let by_factor = RopeOptions { rope_factor: Some(2.5), ..yarn.clone() }.rope(100).unwrap();
        assert_eq!(by_factor.context, Some(250));
        assert_eq!(by_factor.scaling, Some(RopeScaling::yarn(2.5, 100)));
        let by_context = RopeOptions { context: Some(400), ..yarn.clone() }.rope(100).unwrap();
        assert_eq!(by_context.context, Some(400));
        assert_eq!(by_context.scaling, Some(RopeScaling::yarn(4.0, 100)));
        let too_far = RopeOptions { context: Some(400), rope_factor: Some(2.0), ..yarn.clone() };
        assert!(too_far.rope(100).unwrap_err().to_string().contains("at most 200"));
        let less = RopeOptions { context: Some(50), ..yarn }.rope(100).unwrap();
        assert_eq!(less.scaling, Some(RopeScaling::yarn(1.0, 100)));
        let by_base = RopeOptions { context: Some(300), rope_base: Some(1e6), ..none.clone() };
        assert_eq!(
            by_base.rope(100).unwrap(),
            RopeOverride { base: Some(1e6), scaling: None, context: Some(300) }
        );
        let plain = RopeOptions { rope_scaling: Some(RopeScalingKind::None), ..none };
        let plain = plain.rope(100).unwrap();
        assert_eq!((plain.scaling, plain.context), (Some(RopeScaling::Default), None));
    }

    #[test]
    fn a_huge_factor_is_a_huge_context() {
        let options = RopeOptions {
            rope_scaling: Some(RopeScalingKind::Linear),
            rope_factor: Some(1e300),
            ..RopeOptions::default()
        };
        assert_eq!(options.rope(100).unwrap().context, Some(usize::MAX));
    }
}
