//! [`PromptEncoder`]: from the text of a question to the tokens that a model reads.
//!
//! ```no_run
//! use minference_eval::prompt::{PromptEncoder, PromptTemplate};
//! use minference_eval::sample::QuestionPrompt;
//! use minference_model::Model;
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let template: PromptTemplate = "meta-chat".parse()?;
//! let encoder = PromptEncoder::new(&model, template);
//! let prompt = QuestionPrompt::Asked { user: "What is 2+2?".into(), answer_prefix: " It is".into() };
//! assert_eq!(encoder.text(&prompt)?, "[INST] What is 2+2? [/INST] It is");
//! # Ok::<(), minference_eval::Error>(())
//! ```

mod published;

pub use published::PublishedTemplate;

use crate::error::{Error, Result};
use crate::sample::{AnsweredMessage, QuestionPrompt};
use minference_model::Model;
use minference_model::text::chat_template::{ChatTemplate, Message, RenderOptions};
use minference_model::text::tokenizer::SpecialTokens;
use std::str::FromStr;

/// The form in which a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PromptTemplate {
    /// The model's own chat template; as [`Raw`](Self::Raw) where it has none.
    #[default]
    Model,
    /// The text as it stands.
    Raw,
    /// A form that RULER publishes.
    Published(PublishedTemplate),
}

impl PromptTemplate {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Model, Self::Raw].into_iter().chain(PublishedTemplate::all().map(Self::Published))
    }

    /// As commands and results spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Raw => "raw",
            Self::Published(template) => template.name(),
        }
    }
}

impl FromStr for PromptTemplate {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::all().map(Self::name).collect::<Vec<_>>().join(", ");
        let found = Self::all().find(|template| template.name() == name);
        found.ok_or_else(|| Error::choice("prompt template", format!("one of {}", known()), name))
    }
}

/// Makes tokens of texts, as one model reads them.
#[derive(Debug, Clone, Copy)]
pub struct PromptEncoder<'a> {
    model: &'a Model,
    template: PromptTemplate,
    /// As [`RenderOptions::reproducible`] where there are none.
    render: Option<&'a RenderOptions>,
}

impl<'a> PromptEncoder<'a> {
    /// For a model, which is asked in some form. Its chat template gets a [fixed
    /// date](minference_model::text::chat_template::LocalTime::FIXED), so that prompts are the same
    /// on every day.
    pub fn new(model: &'a Model, template: PromptTemplate) -> Self {
        Self { model, template, render: None }
    }

    /// With other options for the model's chat template.
    #[must_use]
    pub fn with_render_options(self, render: &'a RenderOptions) -> Self {
        Self { render: Some(render), ..self }
    }

    /// The tokens of a prompt. Special tokens come from templates and from
    /// [`QuestionPrompt::Rendered`] texts; elsewhere their names are text.
    ///
    /// # Errors
    /// A chat template that refuses, a text that can't be encoded.
    pub fn encode(&self, prompt: &QuestionPrompt) -> Result<Vec<u32>> {
        let tokenizer = self.model.tokenizer();
        let tokens = match (PromptParts::of(prompt), self.template()) {
            (PromptParts::Text(text), _) => self.model.raw_prompt(text)?,
            (PromptParts::Rendered(text), _) => self.model.rendered_prompt(text)?,
            (PromptParts::Rounds(rounds), PromptTemplate::Raw) => self.model.raw_prompt(&rounds.joined())?,
            (PromptParts::Rounds(rounds), PromptTemplate::Model) => {
                let (messages, prefix) = rounds.messages();
                let mut tokens = self.model.chat_prompt(&messages, &self.render_options())?;
                tokens.extend(tokenizer.encode(prefix, SpecialTokens::AsText)?);
                tokens
            }
            (PromptParts::Rounds(rounds), PromptTemplate::Published(published)) => {
                let messages = rounds.continued();
                let template = published.chat_template()?;
                self.begun(template.encode(tokenizer, &messages, &RenderOptions::reproducible())?)
            }
        };
        Ok(tokens)
    }

    /// A prompt as one text, special tokens by their names, as files of the benchmark hold it. The
    /// beginning-of-sequence token is there only if a template writes it.
    ///
    /// # Errors
    /// A chat template that refuses.
    pub fn text(&self, prompt: &QuestionPrompt) -> Result<String> {
        let text = match (PromptParts::of(prompt), self.template()) {
            (PromptParts::Text(text) | PromptParts::Rendered(text), _) => text.to_string(),
            (PromptParts::Rounds(rounds), PromptTemplate::Raw) => rounds.joined(),
            (PromptParts::Rounds(rounds), PromptTemplate::Model) => {
                let (messages, prefix) = rounds.messages();
                ChatTemplate::of(self.model.tokenizer())?.render(&messages, &self.render_options())? + prefix
            }
            (PromptParts::Rounds(rounds), PromptTemplate::Published(published)) => {
                published.chat_template()?.render(&rounds.continued(), &RenderOptions::reproducible())?
            }
        };
        Ok(text)
    }

    /// How many tokens a prompt has.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn count(&self, prompt: &QuestionPrompt) -> Result<usize> {
        Ok(self.encode(prompt)?.len())
    }

    /// How many tokens a text has by itself.
    ///
    /// # Errors
    /// A text that can't be encoded.
    pub fn count_text(&self, text: &str) -> Result<usize> {
        Ok(self.text_tokens(text)?.len())
    }
    /// The tokens of a text by itself, without what prompts begin with.
    ///
    /// # Errors
    /// A text that can't be encoded.
    pub fn text_tokens(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.model.tokenizer().encode(text, SpecialTokens::AsText)?)
    }

    /// The text of tokens. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// Tokens that the vocabulary doesn't have.
    pub fn text_of(&self, tokens: &[u32]) -> Result<String> {
        Ok(self.model.tokenizer().decode(tokens)?)
    }

    fn render_options(&self) -> RenderOptions {
        self.render.cloned().unwrap_or_else(RenderOptions::reproducible)
    }

    /// The template that is used: raw text for a model without a template of its own.
    fn template(&self) -> PromptTemplate {
        match self.template {
            PromptTemplate::Model if self.model.tokenizer().chat_template().is_none() => PromptTemplate::Raw,
            template => template,
        }
    }

    /// With what every prompt of the model begins with, once: a template may have written it.
    fn begun(&self, tokens: Vec<u32>) -> Vec<u32> {
        let prefix = self.model.tokenizer().prompt_prefix();
        if tokens.starts_with(prefix) { tokens } else { [prefix, &tokens].concat() }
    }
}

/// A prompt as a template takes it.
enum PromptParts<'a> {
    Text(&'a str),
    Rendered(&'a str),
    Rounds(Rounds<'a>),
}

/// Questions: those that were answered, and the one to answer.
struct Rounds<'a> {
    answered: &'a [AnsweredMessage],
    user: &'a str,
    prefix: &'a str,
}

impl<'a> PromptParts<'a> {
    fn of(prompt: &'a QuestionPrompt) -> Self {
        match prompt {
            QuestionPrompt::Raw(text) => Self::Text(text),
            QuestionPrompt::Rendered(text) => Self::Rendered(text),
            QuestionPrompt::Asked { user, answer_prefix } => {
                Self::Rounds(Rounds { answered: &[], user, prefix: answer_prefix })
            }
            QuestionPrompt::Conversation { answered, user, answer_prefix } => {
                Self::Rounds(Rounds { answered, user, prefix: answer_prefix })
            }
        }
    }
}

impl<'a> Rounds<'a> {
    /// One after the other, without any form.
    fn joined(&self) -> String {
        let answered = self.answered.iter().map(|round| format!("{}{}\n", round.user, round.answer));
        format!("{}{}{}", answered.collect::<String>(), self.user, self.prefix)
    }

    /// As a conversation, and how the next answer begins.
    fn messages(&self) -> (Vec<Message>, &'a str) {
        let answered = self
            .answered
            .iter()
            .flat_map(|round| [Message::user(&round.user), Message::assistant(round.answer.trim())]);
        (answered.chain([Message::user(self.user)]).collect(), self.prefix)
    }

    /// As a conversation whose last message is how the next answer begins; between rounds there is
    /// a line's end.
    fn continued(&self) -> Vec<Message> {
        let answered = self.answered.iter().flat_map(|round| {
            [Message::user(&round.user), Message::assistant(format!("{}\n", round.answer))]
        });
        answered.chain([Message::user(self.user), Message::assistant(self.prefix)]).collect()
    }
}
