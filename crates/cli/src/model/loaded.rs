//! [`LoadedModel`]: a model that was found and read.

use crate::model::{SessionRequirements, pattern_cache};
use crate::terminal::Interrupt;
use anyhow::{Context, Result, ensure};
use minference_model::decoder::rope::RopeOverride;
use minference_model::memory::{MemoryForecast, PlannedSession};
use minference_model::patterns::files::ModelPatterns;
use minference_model::{CacheFormat, Model};
use std::path::PathBuf;

/// A model, ready to read.
pub(crate) struct LoadedModel {
    /// As the user named it.
    pub(crate) name: String,
    pub(crate) model: Model,
    /// How keys and values are stored.
    pub(crate) cache: CacheFormat,
    /// Tokens, prompt and answer together.
    pub(crate) context: usize,
    /// Whether positions are those of its files, and what they are otherwise.
    pub(crate) rope: RopeOverride,
    /// Its file or folder.
    pub(crate) path: PathBuf,
    pub(crate) weight_bytes: u64,
}

impl LoadedModel {
    /// The pattern file that belongs to it.
    pub(crate) fn own_patterns(&self) -> Result<Option<ModelPatterns>> {
        let (config, fingerprint) = (self.model.decoder().config(), self.model.fingerprint());
        ModelPatterns::find(&self.path, config, fingerprint, pattern_cache().as_deref()).context(
            "can't use the model's own pattern file; --patterns names another, --attention another pattern",
        )
    }

    /// Its name without the folders of this machine.
    pub(crate) fn short_name(&self) -> String {
        match self.path.file_name() {
            Some(name) if self.name == self.path.to_string_lossy() => name.to_string_lossy().into_owned(),
            _ => self.name.clone(),
        }
    }

    /// Tokens that a session must have room for, after checking that context and memory suffice.
    pub(crate) fn capacity(&self, requirements: &SessionRequirements<'_>) -> Result<usize> {
        let (context, prompt) = (self.context, requirements.prompt);
        ensure!(
            prompt < context,
            "the prompt has {prompt} tokens: expected less than {context}, the context, so that an answer fits; shorten it, or \
             stretch the context with --context and --rope-scaling"
        );
        self.forecast(requirements).check().context(
            "this does not fit into memory; a shorter prompt, a smaller --max-tokens, --chunk, --kv, or a --dtype of fewer bits needs less",
        )?;
        Ok(self.session_tokens(requirements))
    }

    /// The memory that a prompt takes beside what is there already: the weights, and keys and
    /// values of its known tokens.
    pub(crate) fn forecast_beside_session(&self, requirements: &SessionRequirements<'_>) -> MemoryForecast {
        MemoryForecast::going_on(self.model.decoder().config(), &self.planned(requirements))
    }

    /// The memory that a prompt takes.
    pub(crate) fn forecast(&self, requirements: &SessionRequirements<'_>) -> MemoryForecast {
        MemoryForecast::new(self.model.decoder().config(), self.weight_bytes, &self.planned(requirements))
    }

    fn planned<'a>(&self, requirements: &SessionRequirements<'a>) -> PlannedSession<'a> {
        let SessionRequirements { prompt, known, chunk, compression, plan, compute, .. } = *requirements;
        let capacity = self.session_tokens(requirements);
        PlannedSession { prompt, known, chunk, capacity, compression, cache: self.cache, plan, compute }
    }

    /// Tokens of prompt and answer, as far as the context reaches.
    fn session_tokens(&self, requirements: &SessionRequirements<'_>) -> usize {
        requirements.prompt.saturating_add(requirements.max_tokens).min(self.context)
    }

    /// Brings all weights into memory, so that the first of several answers does not wait for the
    /// disk and all are comparable.
    pub(crate) fn preload(&self, interrupt: &Interrupt) -> Result<()> {
        for matrix in self.model.decoder().weights().matrices() {
            interrupt.check()?;
            matrix.preload();
        }
        Ok(())
    }
}
