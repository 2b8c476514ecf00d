//! [`PromptEncoder`]: from the text of a question to the tokens that a model reads.

use crate::error::Result;
use crate::sample::PromptText;
use minference_model::Model;
use minference_model::chat_template::Message;
use minference_model::tokenizer::SpecialTokens;

/// The form in which a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PromptTemplate {
    /// The model's own chat template; as [`Raw`](Self::Raw) where it has none.
    #[default]
    Model,
    /// The text as it stands.
    Raw,
}

impl PromptTemplate {
    /// As commands and results spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Raw => "raw",
        }
    }
}

/// Makes tokens of texts, as one model reads them.
#[derive(Debug, Clone, Copy)]
pub struct PromptEncoder<'a> {
    model: &'a Model,
    template: PromptTemplate,
}

impl<'a> PromptEncoder<'a> {
    /// For a model, which is asked in some form.
    pub fn new(model: &'a Model, template: PromptTemplate) -> Self {
        Self { model, template }
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// A chat template that refuses, a text that can't be encoded.
    pub fn encode(&self, prompt: &PromptText) -> Result<Vec<u32>> {
        let (user, prefix) = match prompt {
            PromptText::Raw(text) => return Ok(self.model.raw_prompt(text)?),
            PromptText::Asked { user, answer_prefix } => (user, answer_prefix),
        };
        let has_template = self.model.tokenizer().chat_template().is_some();
        if self.template == PromptTemplate::Raw || !has_template {
            return Ok(self.model.raw_prompt(&format!("{user}{prefix}"))?);
        }
        let mut tokens = self.model.chat_prompt(&[Message::user(user)])?;
        tokens.extend(self.model.tokenizer().encode(prefix, SpecialTokens::AsText)?);
        Ok(tokens)
    }

    /// How many tokens a prompt has.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn count(&self, prompt: &PromptText) -> Result<usize> {
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
}
