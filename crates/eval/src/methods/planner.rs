//! [`Planner`]: what a method means for a prompt.

use super::Method;
use crate::error::Result;
use minference_attention::{ElementType, HeadPattern, Progress};
use minference_model::attention_plan::FixedIndices;
use minference_model::{AttentionPlan, Compute, Model};
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
}

/// Knows what methods mean with a model.
#[derive(Debug)]
pub struct Planner<'a> {
    model: &'a Model,
    compute: &'a Compute,
    element_type: ElementType,
    minference: &'a ModelPlan,
    /// By the class of length; see [`length_class`].
    fixed: HashMap<usize, Arc<FixedIndices>>,
}

/// Prompts of one class are about equally long: all up to a power of two, and longer than half of it.
pub(crate) fn length_class(tokens: usize) -> usize {
    tokens.next_power_of_two()
}

impl<'a> Planner<'a> {
    /// - `minference`: the model's patterns
    pub fn new(
        model: &'a Model,
        compute: &'a Compute,
        element_type: ElementType,
        minference: &'a ModelPlan,
    ) -> Self {
        Self { model, compute, element_type, minference, fixed: HashMap::new() }
    }

    /// Whether a prompt is still to be [fixed](Self::fix) before `static` can be planned for another of its length.
    pub fn lacks_fixed(&self, length: usize) -> bool {
        !self.fixed.contains_key(&length_class(length))
    }

    /// Chooses, with the model's patterns, what `static` attends to in prompts that are about as long as this one.
    ///
    /// - `length`: that by which samples are grouped
    ///
    /// # Errors
    /// As [`FixedIndices::of_prompt`].
    pub fn fix(&mut self, length: usize, tokens: &[u32], progress: Option<&Arc<dyn Progress>>) -> Result<()> {
        let (decoder, plan) = (self.model.decoder(), &self.minference.plan);
        let indices =
            FixedIndices::of_prompt(decoder, self.compute, tokens, plan, self.element_type, progress)?;
        self.fixed.insert(length_class(length), Arc::new(indices));
        Ok(())
    }

    /// What a method means for a prompt.
    ///
    /// - `length`: that by which samples are grouped
    /// - `tokens`: of the prompt
    /// - `share`: what `minference` computed of its attention, for shapes that compute as much
    ///
    /// # Errors
    /// A prompt longer than patterns can speak of.
    pub fn plan(
        &self,
        method: Method,
        length: usize,
        tokens: usize,
        share: Option<f64>,
    ) -> Result<PlannedMethod> {
        let uniform = |pattern: HeadPattern| PlannedMethod {
            plan: AttentionPlan::Uniform(pattern),
            pattern: pattern.to_string(),
        };
        Ok(match method {
            Method::Dense => PlannedMethod { plan: AttentionPlan::Dense, pattern: "every key".into() },
            Method::Minference => {
                PlannedMethod { plan: self.minference.plan.clone(), pattern: self.minference.source.clone() }
            }
            Method::Default => PlannedMethod {
                plan: AttentionPlan::Default,
                pattern: HeadPattern::default_for(tokens).to_string(),
            },
            // without a share, all of it: then nothing is shown that did not run
            Method::Matched(shape) => uniform(shape.pattern(tokens, share.unwrap_or(1.0))?),
            Method::Uniform(pattern) => uniform(pattern),
            Method::Static => PlannedMethod {
                plan: match self.fixed.get(&length_class(length)) {
                    Some(indices) => AttentionPlan::Fixed(indices.clone()),
                    None => self.minference.plan.clone(),
                },
                pattern: format!("the first prompt's, by {}", self.minference.source),
            },
        })
    }
}
