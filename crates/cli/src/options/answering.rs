//! [`AnsweringOptions`]: what `run` and `chat` share, from the prompt to the answer.

use crate::model::PatternFile;
use crate::options::{
    AnswerOptions, AttentionOptions, KvCompressionOptions, MachineOptions, MatmulOptions, checked,
};
use anyhow::Result;
use clap::Args;
use minference_model::Compute;
use minference_model::generation::GenerationOptions;
use minference_model::session::kv_cache::KvCompression;

/// How a prompt is read and answered.
#[derive(Debug, Args)]
pub(crate) struct AnsweringOptions {
    #[command(flatten)]
    pub(crate) attention: AttentionOptions,
    #[command(flatten)]
    kv: KvCompressionOptions,
    #[command(flatten)]
    answer: AnswerOptions,
    #[command(flatten)]
    matmul: MatmulOptions,
    #[command(flatten)]
    machine: MachineOptions,
}

/// What the options ask for, checked before a model is fetched.
pub(crate) struct AnswerSettings {
    pub(crate) generation: GenerationOptions,
    /// What stays of the keys and values of the prompt, if not all.
    pub(crate) compression: Option<KvCompression>,
}

impl AnsweringOptions {
    /// Refuses options that are wrong for every model.
    pub(crate) fn check(&self) -> Result<AnswerSettings> {
        let generation = checked(self.answer.generation())?;
        checked(self.attention.check())?;
        let compression = checked(self.kv.compression())?;
        Ok(AnswerSettings { generation, compression })
    }

    /// Starts the threads, and reads the file of `--patterns`.
    ///
    /// # Errors
    /// An instruction set that this machine lacks, an unreadable pattern file.
    pub(crate) fn prepare(&self) -> Result<(Compute, Option<PatternFile>)> {
        Ok((self.machine.compute(self.matmul)?, self.attention.patterns()?))
    }
}
