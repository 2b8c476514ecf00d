//! Which model, and how far it may read.

use crate::model::{LoadedModel, model_error, resolve_model};
use crate::options::RopeOptions;
use crate::terminal::Interrupt;
use anyhow::{Result, ensure};
use clap::Args;
use minference_fetch::ModelReference;
use minference_model::{CacheFormat, Model, ModelFiles};

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
    dtype: CacheFormat,
    #[command(flatten)]
    rope: RopeOptions,
}

impl ModelOptions {
    /// A model by name, as its files describe it.
    pub(crate) fn named(model: ModelReference) -> Self {
        Self { model, dtype: CacheFormat::F16, rope: RopeOptions::default() }
    }

    /// Refuses what no model can have, before one is fetched.
    pub(crate) fn check(&self) -> Result<()> {
        self.rope.check()?;
        // Options that are wrong for a model of unlimited context are wrong for every model.
        ensure!(
            self.rope.rope(usize::MAX).is_ok(),
            "--rope-scaling: expected --rope-factor or a larger --context beside it, found neither"
        );
        Ok(())
    }

    /// Finds the model, fetches it if need be, and reads it.
    pub(crate) fn load(&self, interrupt: &Interrupt) -> Result<LoadedModel> {
        let path = resolve_model(&self.model, interrupt)?;
        let failed = |error| model_error("load", &self.model, error);
        // mapped files may lie on a disk that does not answer
        let files = interrupt.while_waiting(|| ModelFiles::open(&path)).map_err(failed)?;
        let made_for = files.config().context;
        let rope = self.rope.rope(made_for)?;
        let context = self.rope.context().or(rope.context).unwrap_or(made_for);
        let model = interrupt.while_waiting(|| Model::from_files(&files, &rope)).map_err(failed)?;
        interrupt.check()?;
        Ok(LoadedModel {
            name: self.model.to_string(),
            model,
            cache: self.dtype,
            context,
            rope,
            path,
            weight_bytes: files.weight_bytes(),
        })
    }
}
