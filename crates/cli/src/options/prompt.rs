//! The prompt: texts from the command line, files and standard input, as a conversation or as they
//! stand.

use crate::options::ChatTemplateOptions;
use crate::prompt::{BETWEEN_PARTS, PromptForm, PromptText, read_text, standard_input, text_of};
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_model::Model;
use minference_model::text::chat_template::{LocalTime, RenderOptions};
use std::path::PathBuf;

/// Where the prompt comes from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompt")]
pub(crate) struct PromptOptions {
    /// Text of the prompt; it stands after the files, such as a question about them
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// A file of UTF-8 text, - for standard input (other pipes are not waited for); may be given
    /// several times
    #[arg(long, short = 'f', value_name = "FILE")]
    prompt_file: Vec<PathBuf>,
    /// Instructions before the prompt, for models with a chat template
    #[arg(long, value_name = "TEXT", conflicts_with = "raw", allow_hyphen_values = true)]
    system: Option<String>,
    /// Ask through the model's chat template [default where the model has one]
    #[arg(long, conflicts_with = "raw")]
    chat: bool,
    /// Let the model go on from the text as it stands [default where the model has no chat
    /// template]
    #[arg(long)]
    raw: bool,
    /// As --raw, for a text that a chat template has written: names of special tokens are read as
    /// these tokens
    #[arg(long, conflicts_with_all = ["chat", "system"])]
    special: bool,
    #[command(flatten)]
    template: ChatTemplateOptions,
}

impl PromptOptions {
    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.prompt.is_none() && self.prompt_file.is_empty()
    }

    /// Refuses what is no prompt, before anything is read.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(
            self.prompt.is_some() || !self.prompt_file.is_empty(),
            "no prompt: give --prompt TEXT or --prompt-file FILE, or pipe a text into --prompt-file -"
        );
        ensure!(self.prompt.as_deref() != Some(""), "--prompt: expected a text, found an empty one");
        if self.raw {
            self.template.check_unused("--raw")?;
        }
        self.template.check()
    }

    /// Whether the prompt is read as it stands, without a chat template.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw || self.special
    }

    /// What the model's chat template is told besides the messages.
    ///
    /// - `time`: the time, where no --date was given
    pub(crate) fn render_options(&self, model: &Model, time: LocalTime) -> Result<RenderOptions> {
        self.template.render_options(model.tokenizer(), time)
    }

    /// Reads all parts, files first.
    pub(crate) fn read(&self) -> Result<PromptText> {
        let mut parts = Vec::new();
        for path in &self.prompt_file {
            parts.push(if path.as_os_str() == "-" {
                text_of(standard_input().context("can't read standard input")?, "standard input")?
            } else {
                read_text(path, "prompt")?
            });
        }
        if let Some(prompt) = &self.prompt {
            parts.push(prompt.clone());
        }
        let form = match self {
            Self { special: true, .. } => PromptForm::Rendered,
            Self { chat: true, .. } => PromptForm::Chat,
            Self { raw: true, .. } => PromptForm::Raw,
            _ => PromptForm::Either,
        };
        Ok(PromptText { text: parts.join(BETWEEN_PARTS), system: self.system.clone(), form })
    }
}
