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
pub(crate) struct Answering {
    pub(crate) generation: GenerationOptions,
    /// What stays of the keys and values of the prompt, if not all.
    pub(crate) compression: Option<KvCompression>,
    pub(crate) compute: Compute,
    /// The file of `--patterns`.
    pub(crate) patterns: Option<PatternFile>,
}

impl AnsweringOptions {
    /// Refuses what is wrong for every model, starts the threads and reads the pattern file.
    ///
    /// # Errors
    /// Wrong options, an instruction set that this machine lacks, an unreadable pattern file.
    pub(crate) fn prepare(&self) -> Result<Answering> {
        let generation = checked(self.answer.generation())?;
        checked(self.attention.check())?;
        let compression = checked(self.kv.compression())?;
        let compute = self.machine.compute(self.matmul)?;
        let patterns = self.attention.patterns()?;
        Ok(Answering { generation, compression, compute, patterns })
    }
}
