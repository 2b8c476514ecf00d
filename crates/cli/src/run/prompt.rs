//! The prompt: texts from the command line, files and standard input, as a conversation or as they
//! stand.

use super::template::TemplateOptions;
use crate::complain;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use minference_attention::files::text_without_mark;
use minference_attention::files::{self, FileProblem};
use minference_model::Model;
use minference_model::text::chat_template::{LocalTime, Message, RenderOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What stands between files, and before a question about them.
pub(crate) const BETWEEN_PARTS: &str = "\n\n";

/// Names of special tokens that a note shows at most.
const NAMES_SHOWN: usize = 3;

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
    template: TemplateOptions,
}

/// How the text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Chat,
    Raw,
    /// Raw, with names of special tokens that are these tokens.
    Rendered,
    /// Chat where the model has a template.
    Either,
}

/// What was read.
pub(crate) struct PromptText {
    text: String,
    system: Option<String>,
    form: Form,
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
            Self { special: true, .. } => Form::Rendered,
            Self { chat: true, .. } => Form::Chat,
            Self { raw: true, .. } => Form::Raw,
            _ => Form::Either,
        };
        Ok(PromptText { text: parts.join(BETWEEN_PARTS), system: self.system.clone(), form })
    }
}

/// All that comes, as long as a model could read it.
fn standard_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = files::TEXT_BYTES;
    if io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
        return Err(FileProblem::TooLong { limit, found: None }.into());
    }
    Ok(bytes)
}

/// A file of UTF-8 text, which is not empty.
///
/// - `what`: what people call it
pub(crate) fn read_text(path: &Path, what: &str) -> Result<String> {
    let bytes = files::read(path, files::TEXT_BYTES)
        .with_context(|| format!("can't read the {what} {}", path.display()))?;
    text_of(bytes, &path.display().to_string())
}

fn text_of(bytes: Vec<u8>, source: &str) -> Result<String> {
    let text = String::from_utf8(bytes).map(text_without_mark).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        anyhow!("{source}: expected text in UTF-8, found other bytes at {place}; convert it, for example with iconv")
    })?;
    ensure!(!text.is_empty(), "{source}: expected a text, found nothing");
    Ok(text)
}

/// Says so where a text that is read as it stands holds names of special tokens.
///
/// - `what`: the text
/// - `advice`: what to do if the tokens are meant
pub(crate) fn complain_about_names(model: &Model, what: &str, text: &str, advice: &str) {
    let names = model.tokenizer().special_names_in(text);
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        let more = if names.len() > NAMES_SHOWN { ", ..." } else { "" };
        complain(&format!(
            "note: {what} holds {}{more}: names of special tokens of this model, read as text; {advice}",
            shown.join(", ")
        ));
    }
}

impl PromptText {
    /// Asked through the chat template where the model has one.
    pub(crate) fn new(text: String) -> Self {
        Self { text, system: None, form: Form::Either }
    }

    /// The tokens that a model reads.
    ///
    /// - `render`: what the chat template is told, where the text is asked through it
    pub(crate) fn tokens(&self, model: &Model, render: &RenderOptions) -> Result<Vec<u32>> {
        let tokens = match self.form_for(model) {
            Form::Raw => model.raw_prompt(&self.text),
            Form::Rendered => model.rendered_prompt(&self.text),
            Form::Chat | Form::Either => {
                let system = self.system.iter().map(Message::system);
                let messages: Vec<Message> = system.chain([Message::user(&self.text)]).collect();
                model.chat_prompt(&messages, render)
            }
        };
        tokens.context("can't make a prompt")
    }

    /// Says so where names of special tokens are read as text and may not be meant so.
    pub(crate) fn complain_about_names(&self, model: &Model) {
        if self.form_for(model) == Form::Raw {
            let advice = "--special reads them as these tokens";
            complain_about_names(model, "the prompt", &self.text, advice);
        }
    }

    fn form_for(&self, model: &Model) -> Form {
        match self.form {
            Form::Either if model.tokenizer().chat_template().is_none() && self.system.is_none() => Form::Raw,
            Form::Either => Form::Chat,
            form => form,
        }
    }
}
