//! The prompt: texts from the command line, files and standard input, as a conversation or as they stand.

use anyhow::{Context, Result, bail};
use clap::Args;
use minference_model::Model;
use minference_model::chat_template::Message;
use std::io::Read;
use std::path::PathBuf;

/// Where the prompt comes from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompt")]
pub(super) struct PromptOptions {
    /// Text of the prompt; it follows the files
    #[arg(long, short)]
    prompt: Option<String>,
    /// A file to read; may be given several times, - is standard input
    #[arg(long, short = 'f', value_name = "FILE")]
    prompt_file: Vec<PathBuf>,
    /// Instructions before the prompt
    #[arg(long, conflicts_with = "raw")]
    system: Option<String>,
    /// Ask through the model's chat template [default where the model has one]
    #[arg(long, conflicts_with = "raw")]
    chat: bool,
    /// Let the model go on from the text as it stands
    #[arg(long)]
    raw: bool,
}

/// How the text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Chat,
    Raw,
    /// Chat where the model has a template.
    Either,
}

/// What was read.
pub(crate) struct PromptText {
    text: String,
    system: Option<String>,
    form: Form,
}

/// A prompt, as a model reads it.
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<u32>,
}

impl PromptOptions {
    /// Reads all parts, files first.
    pub(super) fn read(&self) -> Result<PromptText> {
        let mut parts = Vec::new();
        for path in &self.prompt_file {
            let bytes = if path.as_os_str() == "-" {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).context("can't read standard input")?;
                bytes
            } else {
                std::fs::read(path).with_context(|| format!("can't read the prompt {}", path.display()))?
            };
            let text = String::from_utf8(bytes).map_err(|error| {
                let place = error.utf8_error().valid_up_to();
                anyhow::anyhow!("{}: expected UTF-8 text, found other bytes at {place}", path.display())
            })?;
            parts.push(text);
        }
        parts.extend(self.prompt.clone());
        let text = parts.join("\n\n");
        if text.is_empty() {
            bail!("no prompt: give --prompt TEXT, --prompt-file FILE, or pipe a text into --prompt-file -");
        }
        let form = match (self.chat, self.raw) {
            (true, _) => Form::Chat,
            (_, true) => Form::Raw,
            _ => Form::Either,
        };
        Ok(PromptText { text, system: self.system.clone(), form })
    }
}

impl PromptText {
    /// A question to a chat model.
    pub(crate) fn chat(text: String) -> Self {
        Self { text, system: None, form: Form::Chat }
    }

    /// The tokens that a model reads.
    pub(crate) fn tokens(&self, model: &Model) -> Result<Prompt> {
        let has_template = model.tokenizer().chat_template().is_some();
        let is_chat = match self.form {
            Form::Chat => true,
            Form::Raw => false,
            Form::Either => has_template || self.system.is_some(),
        };
        let tokens = if is_chat {
            let system = self.system.iter().map(Message::system);
            let messages: Vec<Message> = system.chain([Message::user(&self.text)]).collect();
            model.chat_prompt(&messages)?
        } else {
            model.raw_prompt(&self.text)?
        };
        Ok(Prompt { tokens })
    }
}
