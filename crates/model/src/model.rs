//! [`Model`]: everything that a file or folder holds, ready to answer.
//!
//! ```no_run
//! use minference_model::generation::{GenerationOptions, generate};
//! use minference_model::{Compute, ComputeOptions, Model, PrefillOptions, Session, SessionOptions};
//! use minference_model::text::tokenizer::SpecialTokens;
//! use std::ops::ControlFlow;
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let prompt = model.tokenizer().encode("Once upon a time", SpecialTokens::AsText)?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let mut session = Session::new(model.decoder().clone(), compute, SessionOptions::for_tokens(1024))?;
//! let logits = session.prefill(&prompt, &PrefillOptions::default())?.logits;
//! let options = GenerationOptions::greedy(100);
//! generate(&mut session, model.tokenizer(), &prompt, logits, &options, |text| {
//!     print!("{text}");
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), minference_model::Error>(())
//! ```

use crate::decoder::Decoder;
use crate::decoder::rope::RopeOverride;
use crate::error::{Error, Result, shown};
use crate::files::{Container, Fingerprint, ModelFiles};
use crate::text::chat_template::{ChatTemplate, Message, RenderOptions};
use crate::text::tokenizer::{SpecialTokens, Tokenizer, begun};
use std::path::Path;
use std::sync::Arc;

/// A model with its vocabulary. Cheap to clone.
///
/// The vocabulary may have more names than the model has rows, or fewer: what has no name or no row
/// is never written.
#[derive(Debug, Clone)]
pub struct Model {
    decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
    fingerprint: Fingerprint,
}

impl Model {
    /// Opens a GGUF file or a Hugging Face folder.
    ///
    /// # Errors
    /// As [`ModelFiles::open`] and [`ModelFiles::load`], and for a vocabulary that is wrong or not
    /// supported.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_files(&ModelFiles::open(path)?, &RopeOverride::default())
    }

    /// From files that were opened before, with other positions than they say where `rope` says so.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_files(files: &ModelFiles, rope: &RopeOverride) -> Result<Self> {
        let tokenizer = match files.container() {
            Container::Gguf { metadata } => Tokenizer::from_gguf(metadata),
            Container::HuggingFace { .. } => Tokenizer::from_hugging_face(files.path()),
        }?;
        let (mut config, weights) = files.load()?;
        config.override_rope(rope)?;
        Ok(Self {
            decoder: Arc::new(Decoder::new(config, weights)?),
            tokenizer: Arc::new(tokenizer),
            fingerprint: files.fingerprint(),
        })
    }

    /// The transformer.
    pub fn decoder(&self) -> &Arc<Decoder> {
        &self.decoder
    }

    /// The vocabulary.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// What tells this model from others.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The tokens of a text as it stands, with what every prompt of this model begins with; names
    /// of special tokens are text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`Error::TokenWithoutRow`].
    pub fn raw_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.tokenizer.prompt_prefix().to_vec();
        tokens.extend(self.tokenizer.encode(text, SpecialTokens::AsText)?);
        self.with_rows(tokens)
    }

    /// The tokens of a text that a chat template has written elsewhere: names of special tokens are
    /// the tokens, and what every prompt of this model begins with is there once, whether or not
    /// the text has it.
    ///
    /// # Errors
    /// As [`raw_prompt`](Self::raw_prompt).
    pub fn rendered_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let tokens = self.tokenizer.encode(text, SpecialTokens::Parsed)?;
        self.with_rows(begun(self.tokenizer.prompt_prefix(), tokens))
    }

    /// The tokens of a conversation, as the model's chat template writes it; names of special
    /// tokens in messages are text.
    ///
    /// # Errors
    /// No chat template, as [`ChatTemplate::encode`], and [`Error::TokenWithoutRow`].
    pub fn chat_prompt(&self, messages: &[Message], options: &RenderOptions) -> Result<Vec<u32>> {
        let template = ChatTemplate::of(&self.tokenizer)?;
        self.with_rows(template.encode(&self.tokenizer, messages, options)?)
    }

    /// The tokens, if the model can read them: vocabularies may name more than there are rows.
    fn with_rows(&self, tokens: Vec<u32>) -> Result<Vec<u32>> {
        let rows = self.decoder.config().vocabulary;
        match tokens.iter().find(|&&id| usize::try_from(id).is_ok_and(|id| id >= rows)) {
            Some(&id) => {
                Err(Error::TokenWithoutRow { id, token: shown(&self.tokenizer.token_text(id)?), rows })
            }
            None => Ok(tokens),
        }
    }
}
