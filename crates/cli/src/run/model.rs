//! Which model, and how far it may read.

use super::rope::RopeOptions;
use crate::bench::options::CacheDtype;
use crate::interrupt::Interrupt;
use crate::pull;
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_fetch::{FetchSettings, ModelReference};
use minference_model::decoder::rope::RopeOverride;
use minference_model::memory::{MemoryForecast, PlannedSession};
use minference_model::patterns::files::ModelPatterns;
use minference_model::session::kv_cache::KvCompression;
use minference_model::{AttentionPlan, CacheFormat, Compute, Model, ModelFiles};
use std::path::PathBuf;

/// Which model, and its context.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelOptions {
    /// A GGUF file (any part of a split one), a Hugging Face folder,
    /// hf:owner/name[@revision][:file], or a short name that `minference pull` lists
    #[arg(long, short, value_name = "MODEL")]
    model: ModelReference,
    /// Type of keys, values, queries and attention's output in memory. int8 and int4 are for keys
    /// and values only; the rest is in f16
    #[arg(long, value_enum, value_name = "TYPE", default_value = "f16")]
    dtype: CacheDtype,
    #[command(flatten)]
    rope: RopeOptions,
}

/// The folder where models are kept, and what goes with them; none where the system has no place
/// for caches.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    Some(FetchSettings::from_environment().ok()?.models)
}

/// The folder where searches leave what they found.
pub(crate) fn pattern_cache() -> Option<PathBuf> {
    Some(cache_folder()?.join("patterns"))
}

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
    path: PathBuf,
    pub(crate) weight_bytes: u64,
}

impl ModelOptions {
    /// A model by name, as its files describe it.
    pub(crate) fn named(model: ModelReference) -> Self {
        Self { model, dtype: CacheDtype::F16, rope: RopeOptions::default() }
    }

    /// Refuses what no model can have, before one is fetched.
    pub(crate) fn check(&self) -> Result<()> {
        self.rope.check()?;
        // No context reaches beyond a model without end: what is wrong even there is wrong for
        // every model.
        ensure!(
            self.rope.rope(usize::MAX).is_ok(),
            "--rope-scaling: expected --rope-factor or a larger --context beside it, found neither"
        );
        Ok(())
    }

    /// Finds the model, fetches it if need be, and reads it.
    pub(crate) fn load(&self, interrupt: &Interrupt) -> Result<LoadedModel> {
        let path = pull::resolve(&self.model, interrupt)?;
        let failed = |error| pull::of_model("load", &self.model, error);
        // mapped files may lie on a disk that does not answer
        let files = interrupt.exiting_at_once(|| ModelFiles::open(&path)).map_err(failed)?;
        let made_for = files.config().context;
        let rope = self.rope.rope(made_for)?;
        let context = self.rope.context().or(rope.context).unwrap_or(made_for);
        let model = interrupt.exiting_at_once(|| Model::from_files(&files, &rope)).map_err(failed)?;
        interrupt.check()?;
        Ok(LoadedModel {
            name: self.model.to_string(),
            model,
            cache: self.dtype.into(),
            context,
            rope,
            path,
            weight_bytes: files.weight_bytes(),
        })
    }
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
    pub(crate) fn capacity(&self, room: &Room<'_>) -> Result<usize> {
        let (context, prompt) = (self.context, room.prompt);
        ensure!(
            prompt < context,
            "the prompt has {prompt} tokens: expected less than {context}, the context, so that an answer fits; shorten it, or \
             stretch the context with --context and --rope-scaling"
        );
        self.forecast(room).check().context(
            "this does not fit into memory; a shorter prompt, a smaller --max-tokens, --chunk, --kv, or a --dtype of fewer bits needs less",
        )?;
        Ok(self.room_for(room))
    }

    /// The memory that a prompt takes beside what is there already: the weights, and keys and
    /// values of its known tokens.
    pub(crate) fn forecast_going_on(&self, room: &Room<'_>) -> MemoryForecast {
        MemoryForecast::going_on(self.model.decoder().config(), &self.planned(room))
    }

    /// The memory that a prompt takes.
    pub(crate) fn forecast(&self, room: &Room<'_>) -> MemoryForecast {
        MemoryForecast::new(self.model.decoder().config(), self.weight_bytes, &self.planned(room))
    }

    fn planned<'a>(&self, room: &Room<'a>) -> PlannedSession<'a> {
        let Room { prompt, known, chunk, compression, plan, compute, .. } = *room;
        let capacity = self.room_for(room);
        PlannedSession { prompt, known, chunk, capacity, compression, cache: self.cache, plan, compute }
    }

    /// Tokens of prompt and answer, as far as the context reaches.
    fn room_for(&self, room: &Room<'_>) -> usize {
        room.prompt.saturating_add(room.max_tokens).min(self.context)
    }
}

/// What a session must have room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room<'a> {
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// Of these, tokens that are not read again.
    pub(crate) known: usize,
    /// Tokens of the answer, at most.
    pub(crate) max_tokens: usize,
    /// Tokens that are read at once, if not all.
    pub(crate) chunk: Option<usize>,
    /// What stays of the prompt's keys and values, if not all.
    pub(crate) compression: Option<KvCompression>,
    /// Which pattern each head gets.
    pub(crate) plan: &'a AttentionPlan,
    pub(crate) compute: &'a Compute,
}
