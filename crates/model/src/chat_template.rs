//! [`ChatTemplate`]: messages to the text that a model was trained to answer.
//!
//! Models bring their template along, written in Jinja and rendered by transformers; here minijinja renders it with the same settings
//! (`trim_blocks`, `lstrip_blocks`), the methods of Python's strings, and the functions that templates use. A template is somebody else's
//! program: the steps and the memory that it may take are bounded by the length of the messages.
//!
//! Messages are somebody else's text: [`ChatTemplate::encode`] makes special tokens of what the template writes, never of what a
//! message holds.
//!
//! ```
//! use minference_model::chat_template::{ChatTemplate, Message, RenderOptions};
//!
//! let source = "{% for message in messages %}[{{ message.role }}] {{ message.content | trim }}\n{% endfor %}\
//!               {% if add_generation_prompt %}[assistant]{% endif %}";
//! let template = ChatTemplate::new(source)?;
//! let messages = [Message::system("Be brief."), Message::user(" Why? ")];
//! let text = template.render(&messages, &RenderOptions::default())?;
//! assert_eq!(text, "[system] Be brief.\n[user] Why?\n[assistant]");
//! # Ok::<(), minference_model::Error>(())
//! ```

mod clock;
mod encode;
mod functions;

use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};
use std::time::SystemTime;

/// Fuel for any conversation, and for each message besides its length. A unit is a step or 64 bytes; real templates take a few
/// hundred steps per message.
///
/// minijinja 3.1 does not charge for joining lists (`a + b`), so that a template made to harm can still ask for much memory that way.
const BASE_FUEL: u64 = 100_000;
const MESSAGE_FUEL: u64 = 10_000;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// As templates know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A part of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What they say.
    pub content: String,
}

impl Message {
    /// Instructions for the whole conversation.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    /// What the person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// What a template is told besides the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// The text ends where the model's answer begins. True by default.
    pub add_generation_prompt: bool,
    /// What the template's `strftime_now` says, in UTC. None, the default, leaves the function undefined, so that the same
    /// messages always give the same text; templates then write a fixed date, or none.
    pub time: Option<SystemTime>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, time: None }
    }
}

/// A model's chat template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// From its source, for a model without beginning and end tokens.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] for what is no Jinja template.
    pub fn new(source: &str) -> Result<Self> {
        let template = Self { source: source.to_owned(), bos: String::new(), eos: String::new() };
        template.environment()?.template_from_str(source).map_err(|e| error(&e))?;
        Ok(template)
    }

    /// The template of a tokenizer's model, which also says what `bos_token` and `eos_token` are.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`] where there is none; [`Error::ChatTemplate`] for what is no Jinja template.
    pub fn of(tokenizer: &Tokenizer) -> Result<Self> {
        let source = tokenizer.chat_template().ok_or(Error::NoChatTemplate)?;
        let text = |id: Option<u32>| id.map_or(Ok(String::new()), |id| tokenizer.token_text(id));
        Ok(Self { bos: text(tokenizer.bos())?, eos: text(tokenizer.eos())?, ..Self::new(source)? })
    }

    /// The text of a conversation, special tokens by their names, as the template writes it. To get its
    /// tokens, use [`ChatTemplate::encode`]: in the text, names that a message holds look like those that the template wrote.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] where the template refuses the messages, uses what does not exist, or takes too long.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String> {
        let mut environment = self.environment()?;
        // By its length, a template may write the messages 64 times over.
        let fuel_of = |message: &Message| MESSAGE_FUEL + message.content.len() as u64;
        environment.set_fuel(Some(BASE_FUEL + messages.iter().map(fuel_of).sum::<u64>()));
        if let Some(time) = options.time {
            environment.add_function("strftime_now", move |format: &str| clock::format(time, format));
        }
        let template = environment.template_from_str(&self.source).map_err(|e| error(&e))?;
        let context = context! {
            messages => messages.iter().map(value).collect::<Vec<_>>(),
            add_generation_prompt => options.add_generation_prompt,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            tools => Value::from(()),
            documents => Value::from(()),
        };
        template.render(context).map_err(|e| error(&e))
    }

    fn environment(&self) -> Result<Environment<'_>> {
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let mut environment = Environment::new();
        environment.set_syntax(syntax.map_err(|e| error(&e))?);
        functions::add_to(&mut environment);
        Ok(environment)
    }
}

fn value(message: &Message) -> Value {
    Value::from_pairs([("role", message.role.name()), ("content", &message.content)])
}

fn error(error: &minijinja::Error) -> Error {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Error::ChatTemplate { line: error.line().unwrap_or(0), message: detail }
}

#[cfg(test)]
mod tests;
