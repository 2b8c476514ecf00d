//! [`Planner`]: what a method means for a prompt.

use super::AttentionMethod;
use super::fixed_indices::fix_indices;
use crate::error::{Error, Result};
use minference_attention::{HeadPattern, Progress};
use minference_model::{AttentionPlan, CacheFormat, Compute, Model};
use std::collections::HashMap;
use std::sync::Arc;

/// What `minference` stands for: the patterns of the model.
#[derive(Debug, Clone)]
pub struct ModelPlan {
    /// The patterns.
    pub plan: AttentionPlan,
    /// Where they come from, for readers.
    pub source: String,
}

/// A method for one prompt.
#[derive(Debug, Clone)]
pub struct PlannedMethod {
    /// What the heads attend to.
    pub plan: AttentionPlan,
    /// What it stands for: a pattern with its budgets, or a pattern file.
    pub pattern: String,
    /// The prompt that chose what all of its group attend to, for `static`.
    pub fixed_by: Option<String>,
}

/// What a method has to know of a prompt.
#[derive(Debug, Clone, Copy)]
pub struct PromptFacts<'a> {
    /// Its tokens.
    pub tokens: usize,
    /// Prompts of one group are alike, and about as long; `static` uses one index for all of them.
    pub group: &'a str,
    /// What `minference` computed of its attention, for shapes that compute as much.
    pub share: Option<f64>,
}

/// Knows what methods mean with a model.
#[derive(Debug)]
pub struct Planner<'a> {
    model: &'a Model,
    compute: &'a Compute,
    cache: CacheFormat,
    minference: &'a ModelPlan,
    /// Of the group that is asked now: the prompt that chose, and what.
    fixed: HashMap<String, (String, AttentionPlan)>,
}

impl<'a> Planner<'a> {
    /// - `minference`: the model's patterns
    pub fn new(
        model: &'a Model,
        compute: &'a Compute,
        cache: CacheFormat,
        minference: &'a ModelPlan,
    ) -> Self {
        Self { model, compute, cache, minference, fixed: HashMap::new() }
    }

    /// Whether a prompt is still to be [fixed](Self::fix) before `static` can be planned for others
    /// of a group.
    pub fn lacks_fixed(&self, group: &str) -> bool {
        !self.fixed.contains_key(group)
    }

    /// Chooses, with the model's patterns, what `static` attends to in the prompts of a group.
    ///
    /// - `name`: of the prompt that chooses
    ///
    /// # Errors
    /// As [`fix_indices`].
    pub fn fix(
        &mut self,
        group: &str,
        name: &str,
        tokens: &[u32],
        progress: Option<&Arc<dyn Progress>>,
    ) -> Result<()> {
        let (decoder, plan) = (self.model.decoder(), &self.minference.plan);
        // groups come one after the other; one that comes again is fixed by the same prompt
        self.fixed.clear();
        let fixed = fix_indices(decoder, self.compute, tokens, plan, self.cache, progress)?;
        self.fixed.insert(group.to_string(), (name.to_string(), fixed));
        Ok(())
    }

    /// What a method means for a prompt.
    ///
    /// # Errors
    /// A prompt longer than patterns can speak of, a matched shape without a share, `static` for a
    /// group of which no prompt was fixed.
    pub fn plan(&self, method: AttentionMethod, prompt: PromptFacts<'_>) -> Result<PlannedMethod> {
        let planned = |plan, pattern| PlannedMethod { plan, pattern, fixed_by: None };
        let uniform = |pattern: HeadPattern| planned(AttentionPlan::Uniform(pattern), pattern.to_string());
        let ModelPlan { plan, source } = self.minference;
        Ok(match method {
            AttentionMethod::Dense => planned(AttentionPlan::Dense, "every key".into()),
            AttentionMethod::Minference => planned(plan.clone(), source.clone()),
            AttentionMethod::Default => {
                planned(AttentionPlan::Default, HeadPattern::default_for(prompt.tokens).to_string())
            }
            AttentionMethod::Matched(shape) => match prompt.share {
                Some(share) => uniform(shape.pattern(prompt.tokens, share)?),
                None => {
                    let expected = "minference's share of the same prompt";
                    return Err(Error::choice(method.to_string(), expected, "none"));
                }
            },
            AttentionMethod::Uniform(pattern) => uniform(pattern),
            AttentionMethod::Static => match self.fixed.get(prompt.group) {
                Some((name, plan)) => PlannedMethod {
                    plan: plan.clone(),
                    pattern: format!("the index of one prompt, by {source}"),
                    fixed_by: Some(name.clone()),
                },
                None => {
                    let found = format!("none for {}", prompt.group);
                    return Err(Error::choice(method.to_string(), "a prompt whose index is used", found));
                }
            },
        })
    }
}
