//! Which model, and how far it may read.

use crate::bench::options::Dtype;
use crate::interrupt::Interrupt;
use crate::pull;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use minference_model::fetch::ModelReference;
use minference_model::memory::MemoryForecast;
use minference_model::rope::{RopeOverride, RopeScaling};
use minference_model::{Model, ModelFiles};

/// Which model, and its positions.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelOptions {
    /// A GGUF file, a Hugging Face folder, hf:owner/name[:file], or the short name "demo"
    #[arg(long)]
    model: ModelReference,
    /// Tokens of context, prompt and answer together [default: as many as they need]; more than the model was made for needs
    /// --rope-scaling or --rope-base
    #[arg(long)]
    context: Option<usize>,
    /// How positions are stretched beyond the context that the model was made for
    #[arg(long, value_enum)]
    rope_scaling: Option<RopeScalingChoice>,
    /// By how much [default: --context over the model's own context]
    #[arg(long)]
    rope_factor: Option<f64>,
    /// The base of RoPE's wavelengths
    #[arg(long)]
    rope_base: Option<f64>,
    /// Type of the key-value cache, of queries and of attention's output
    #[arg(long, value_enum, default_value = "f16")]
    dtype: Dtype,
}

/// Scalings of RoPE that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RopeScalingChoice {
    /// As trained
    None,
    /// Positions divided by the factor
    Linear,
    /// A base that grows with the context
    Dynamic,
    /// Slow pairs divided, fast ones kept: best quality for long contexts
    Yarn,
}

/// A model, ready to read.
pub(crate) struct LoadedModel {
    /// As the user named it.
    pub(crate) name: String,
    pub(crate) model: Model,
    pub(crate) dtype: Dtype,
    /// Context that was asked for.
    context: Option<usize>,
    weight_bytes: u64,
}

impl ModelOptions {
    /// The same for a model by name, with nothing else said.
    pub(crate) fn named(model: ModelReference) -> Self {
        Self {
            model,
            context: None,
            rope_scaling: None,
            rope_factor: None,
            rope_base: None,
            dtype: Dtype::F16,
        }
    }

    /// Finds the model, fetches it if need be, and reads it.
    pub(crate) fn load(&self, interrupt: &Interrupt) -> Result<LoadedModel> {
        let path = pull::resolve(&self.model, interrupt)?;
        let context = || format!("can't load the model {}", self.model);
        let files = ModelFiles::open(&path).with_context(context)?;
        let rope = self.rope(files.config().context)?;
        let model = Model::from_files(&files, &rope).with_context(context)?;
        Ok(LoadedModel {
            name: self.model.to_string(),
            model,
            dtype: self.dtype,
            context: self.context,
            weight_bytes: files.weight_bytes(),
        })
    }

    fn rope(&self, trained: usize) -> Result<RopeOverride> {
        let factor = self
            .rope_factor
            .or_else(|| self.context.map(|context| (context as f64 / trained as f64).max(1.0)))
            .unwrap_or(1.0);
        if !(factor.is_finite() && factor >= 1.0) {
            bail!("--rope-factor: expected a number from 1 on, found {factor}");
        }
        if self.rope_factor.is_some() && self.rope_scaling.is_none() {
            bail!("--rope-factor needs --rope-scaling: linear, dynamic or yarn");
        }
        let scaling = self.rope_scaling.map(|choice| match choice {
            RopeScalingChoice::None => RopeScaling::Default,
            RopeScalingChoice::Linear => RopeScaling::Linear { factor },
            RopeScalingChoice::Dynamic => RopeScaling::DynamicNtk { factor },
            RopeScalingChoice::Yarn => RopeScaling::yarn(factor, trained),
        });
        let extended = scaling.is_some() || self.rope_base.is_some();
        let context = if extended {
            let stretched = (trained as f64 * factor) as usize;
            Some(self.context.map_or(stretched, |context| context.max(stretched)))
        } else {
            None
        };
        Ok(RopeOverride { base: self.rope_base, scaling, context })
    }
}

impl LoadedModel {
    /// Room for a prompt and its answer, after checking that context and memory suffice.
    pub(crate) fn capacity(&self, prompt: usize, max_tokens: usize, chunk: Option<usize>) -> Result<usize> {
        let trained = self.model.decoder().config().context;
        let limit = self.context.unwrap_or(trained);
        if limit > trained {
            bail!(
                "--context {limit}: the model was made for {trained} tokens; beyond that it needs --rope-scaling (yarn, dynamic or \
                 linear) or --rope-base"
            );
        }
        if prompt >= limit {
            bail!(
                "the prompt has {prompt} tokens: expected less than the context of {limit}, with room for an answer; shorten it, or \
                 stretch the context with --context and --rope-scaling"
            );
        }
        let capacity = prompt.saturating_add(max_tokens).min(limit);
        let config = self.model.decoder().config();
        let forecast =
            MemoryForecast::new(config, self.weight_bytes, (prompt, chunk), capacity, self.dtype.into());
        forecast
            .check()
            .context("the prompt does not fit into memory; a shorter one, or --chunk, needs less")?;
        Ok(capacity)
    }
}
