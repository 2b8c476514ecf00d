//! [`ChatTemplate`]: messages to the text that a model was trained to answer.
//!
//! Models bring their template along, written in Jinja and rendered by transformers; here minijinja
//! renders it with the same settings (`trim_blocks`, `lstrip_blocks`), the methods of Python's
//! strings, and the functions that templates use. A template is a program from elsewhere: the steps
//! and the memory that it may take are bounded by the length of the messages.
//!
//! Messages are text from elsewhere: [`ChatTemplate::encode`] makes special tokens of what the
//! template writes, never of what a message holds.
//!
//! ```
//! use minference_model::text::chat_template::{ChatTemplate, Message, RenderOptions};
//!
//! let source = "{% for message in messages %}[{{ message.role }}] {{ message.content | trim }}\n{% endfor %}\
//!               {% if add_generation_prompt %}[assistant]{% endif %}";
//! let template = ChatTemplate::new(source)?;
//! let messages = [Message::system("Be brief."), Message::user(" Why? ")];
//! let text = template.render(&messages, &RenderOptions::default())?;
//! assert_eq!(text, "[system] Be brief.\n[user] Why?\n[assistant]");
//! # Ok::<(), minference_model::Error>(())
//! ```

mod characters;
mod clock;
mod containers;
mod conversions;
mod encode;
mod filters;
mod functions;
mod generation;
mod json;
mod options;
mod predicates;
mod python;
mod signature;
mod strings;

pub use clock::LocalTime;
pub use options::{RenderOptions, TemplateArguments};

use crate::error::{Error, Result};
use crate::text::tokenizer::Tokenizer;
use generation::without_generation;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};
use std::collections::BTreeSet;

/// Fuel for any conversation, and for each message besides its length. A unit is a step or 64
/// bytes; real templates take a few hundred steps per message.
///
/// minijinja 3.1 does not charge for joining lists (`a + b`), so that a template made to harm can
/// still ask for much memory that way.
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
        // Jinja knows one end of lines, also within texts
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        let source = without_generation(&source).into_owned();
        let template = Self { source, bos: String::new(), eos: String::new() };
        template.environment(LocalTime::now())?.template_from_str(&template.source).map_err(|e| error(&e))?;
        Ok(template)
    }

    /// The template of a tokenizer's model, which also says what `bos_token` and `eos_token` are.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`] where there is none; [`Error::ChatTemplate`] for what is no Jinja
    /// template.
    pub fn of(tokenizer: &Tokenizer) -> Result<Self> {
        let source = tokenizer.chat_template().ok_or(Error::NoChatTemplate)?;
        let text = |id: Option<u32>| id.map_or(Ok(String::new()), |id| tokenizer.token_text(id));
        Ok(Self { bos: text(tokenizer.bos())?, eos: text(tokenizer.eos())?, ..Self::new(source)? })
    }

    /// The text of a conversation, special tokens by their names, as the template writes it. To get
    /// its tokens, use [`ChatTemplate::encode`]: in the text, names that a message holds look like
    /// those that the template wrote.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] where the template refuses the messages, uses what does not exist,
    /// or takes too long.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String> {
        let mut environment = self.environment(options.time)?;
        // By its length, a template may write the messages 64 times over.
        let fuel_of = |message: &Message| MESSAGE_FUEL + message.content.len() as u64;
        environment.set_fuel(Some(BASE_FUEL + messages.iter().map(fuel_of).sum::<u64>()));
        let template = environment.template_from_str(&self.source).map_err(|e| error(&e))?;
        template.render(self.told(messages, options)).map_err(|e| error(&e))
    }

    /// Names that the template reads and does not define, without those that every template is
    /// given: what [`RenderOptions::arguments`] may set to any effect. A name that it defines in
    /// one place and reads in another is among them.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] for what is no Jinja template.
    pub fn variables(&self) -> Result<BTreeSet<String>> {
        let environment = self.environment(LocalTime::FIXED)?;
        let template = environment.template_from_str(&self.source).map_err(|e| error(&e))?;
        let mut names: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
        names.retain(|name| !globals.contains(&name.as_str()) && !options::RESERVED.contains(&name.as_str()));
        Ok(names)
    }

    /// What the template is told. Arguments come last: they stand in for special tokens, tools and
    /// documents.
    fn told(&self, messages: &[Message], options: &RenderOptions) -> Value {
        let told = [
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("messages", messages.iter().map(value).collect()),
            ("add_generation_prompt", Value::from(options.add_generation_prompt)),
        ];
        let told = told.into_iter().map(|(name, value)| (name.to_owned(), value));
        Value::from_pairs(told.chain(options.arguments.values()))
    }

    fn environment(&self, time: LocalTime) -> Result<Environment<'_>> {
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let mut environment = Environment::new();
        environment.set_syntax(syntax.map_err(|e| error(&e))?);
        functions::add_to(&mut environment, time);
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
