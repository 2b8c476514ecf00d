//! [`PromptText`]: the text of a prompt, and how it becomes tokens.

use crate::prompt::note_special_names;
use anyhow::{Context, Result};
use minference_model::Model;
use minference_model::text::chat_template::{Message, RenderOptions};

/// The separator between files, and before a question about them.
pub(crate) const BETWEEN_PARTS: &str = "\n\n";

/// The form in which a text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PromptForm {
    Chat,
    Raw,
    /// Raw, with names of special tokens that are these tokens.
    Rendered,
    /// Chat where the model has a template.
    Either,
}

/// The text of a prompt, and the form in which it is asked.
pub(crate) struct PromptText {
    pub(crate) text: String,
    pub(crate) system: Option<String>,
    pub(crate) form: PromptForm,
}

impl PromptText {
    /// Asked through the chat template where the model has one.
    pub(crate) fn new(text: String) -> Self {
        Self { text, system: None, form: PromptForm::Either }
    }

    /// The tokens that a model reads.
    ///
    /// - `render`: the variables of the chat template, where the text is asked through it
    pub(crate) fn tokens(&self, model: &Model, render: &RenderOptions) -> Result<Vec<u32>> {
        let tokens = match self.form_for(model) {
            PromptForm::Raw => model.raw_prompt(&self.text),
            PromptForm::Rendered => model.rendered_prompt(&self.text),
            PromptForm::Chat | PromptForm::Either => {
                let system = self.system.iter().map(Message::system);
                let messages: Vec<Message> = system.chain([Message::user(&self.text)]).collect();
                model.chat_prompt(&messages, render)
            }
        };
        tokens.context("can't make a prompt")
    }

    /// Writes a note where names of special tokens are read as text and may be meant as tokens.
    pub(crate) fn note_names_read_as_text(&self, model: &Model) {
        if self.form_for(model) == PromptForm::Raw {
            let advice = "--special reads them as these tokens";
            note_special_names(model, "the prompt", &self.text, advice);
        }
    }

    fn form_for(&self, model: &Model) -> PromptForm {
        match self.form {
            PromptForm::Either if model.tokenizer().chat_template().is_none() && self.system.is_none() => {
                PromptForm::Raw
            }
            PromptForm::Either => PromptForm::Chat,
            form => form,
        }
    }
}
