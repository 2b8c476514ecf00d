//! Context files: keys and values of a prompt that are saved, or were saved before.

use crate::answer::check_target;
use crate::options::PromptOptions;
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_model::session::context_file::ContextFile;
use minference_model::session::kv_cache::KvCompression;
use std::path::{Path, PathBuf};

/// Where contexts come from and go to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Context files")]
pub(crate) struct ContextOptions {
    /// Save what was read of the prompt, for later questions about the same text
    #[arg(long, value_name = "FILE")]
    save_context: Option<PathBuf>,
    /// Go on from what --save-context saved: what the prompt begins with there is not read again
    #[arg(long, value_name = "FILE")]
    context_file: Option<PathBuf>,
}

impl ContextOptions {
    /// Refuses what would have no meaning, before anything is read.
    pub(crate) fn check(&self, compare: bool) -> Result<()> {
        ensure!(
            !(compare && self.context_file.is_some()),
            "--compare: expected no --context-file beside it, found one; what it holds may have been read sparsely, and took its time \
             before: neither answers nor times could be compared"
        );
        Ok(())
    }

    /// Refuses to save what no other prompt could go on from. A compressed context is used as a
    /// whole or not at all; behind a chat template it would end with the beginning of the answer to
    /// this very question.
    pub(crate) fn check_use(&self, prompt: &PromptOptions, compression: Option<KvCompression>) -> Result<()> {
        ensure!(
            self.save_context.is_none() || compression.is_none() || prompt.is_raw(),
            "--save-context: expected no --kv beside it, or --raw, found --kv alone; what it leaves of a question in a chat template is of no use \
             for another question. Save without --kv, or read the document with `minference chat --kv` and /save it there"
        );
        Ok(())
    }

    /// The file of `--context-file`, opened before a model is fetched.
    pub(crate) fn open(&self) -> Result<Option<ContextFile>> {
        self.context_file
            .as_deref()
            .map(ContextFile::open)
            .transpose()
            .context("can't use this --context-file")
    }

    /// The file of `--save-context`, checked before a long prompt is read in vain.
    pub(crate) fn target(&self) -> Result<Option<&Path>> {
        let path = self.save_context.as_deref();
        path.map(check_target).transpose().context("can't use this --save-context")?;
        Ok(path)
    }
}
