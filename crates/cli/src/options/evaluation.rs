//! What all evaluations share: the model, the methods, and where results go.

use crate::options::{
    ChatTemplateOptions, MachineOptions, MatmulOptions, ModelOptions, VariantOptions, checked,
};
use anyhow::Result;
use clap::Args;
use minference_eval::methods::{Methods, Variant};
use minference_eval::prompt::PromptTemplate;
use std::path::PathBuf;

/// Model, methods, results.
#[derive(Debug, Args)]
pub(crate) struct EvaluationOptions {
    #[command(flatten)]
    pub(crate) model: ModelOptions,
    /// Methods to compare, with commas between them; `minference eval --help` explains them
    /// [default: dense,minference]
    #[arg(long, value_name = "LIST", help_heading = "Evaluation")]
    pub(crate) methods: Option<Methods>,
    #[command(flatten)]
    pub(crate) variants: VariantOptions,
    /// Patterns for minference: a file of ours, or one as the paper's authors published them
    /// [default: the model's own]
    #[arg(long, value_name = "FILE", help_heading = "Evaluation")]
    pub(crate) patterns: Option<PathBuf>,
    /// Folder of results; a run that was interrupted goes on there [default: results/NAME, by the
    /// evaluation's name]
    #[arg(long, short, value_name = "FOLDER", help_heading = "Evaluation")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) matmul: MatmulOptions,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
}

impl EvaluationOptions {
    /// Methods to compare without `--methods`.
    pub(crate) fn default_methods() -> Result<Methods> {
        Ok(Methods::new(vec![Variant::DENSE, Variant::MINFERENCE])?)
    }

    /// Methods to compare, with those that shorthands add.
    ///
    /// - `default`: where the command line lists none
    pub(crate) fn methods(&self, default: Methods) -> Result<Methods> {
        let methods = self.methods.clone().unwrap_or(default);
        checked(self.variants.add_to(&methods))
    }
}

/// Refuses variables of the model's chat template where prompts have another form, before a model
/// is fetched.
pub(crate) fn check_template(options: &ChatTemplateOptions, template: PromptTemplate) -> Result<()> {
    match template {
        PromptTemplate::Model => options.check(),
        other => options.check_unused(&format!("--template {}", other.name())),
    }
}
