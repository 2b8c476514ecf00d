//! [`Model`]: everything that a file or folder holds, ready to answer.
//!
//! ```no_run
//! use minference_model::generate::{GenerationOptions, generate};
//! use minference_model::{Compute, ComputeOptions, Model, PrefillOptions, Session, SessionOptions};
//! use minference_model::tokenizer::SpecialTokens;
//! use std::ops::ControlFlow;
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let prompt = model.tokenizer().encode("Once upon a time", SpecialTokens::AsText)?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let mut session = Session::new(model.decoder().clone(), compute, SessionOptions::for_tokens(1024))?;
//! let logits = session.prefill(&prompt, &PrefillOptions::default())?.logits;
//! let options = GenerationOptions { max_tokens: 100, stops: vec![], sampling: Default::default() };
//! generate(&mut session, model.tokenizer(), &prompt, logits, &options, |text| {
//!     print!("{text}");
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), minference_model::Error>(())
//! ```

use crate::chat_template::{ChatTemplate, Message, RenderOptions};
use crate::decoder::Decoder;
use crate::error::{Error, Result};
use crate::rope::RopeOverride;
use crate::source::{Container, Fingerprint, ModelFiles};
use crate::tokenizer::{SpecialTokens, Tokenizer};
use std::path::Path;
use std::sync::Arc;

/// A model with its vocabulary. Cheap to clone.
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
    /// As [`ModelFiles::open`] and [`ModelFiles::load`], and for a vocabulary that is wrong or not supported.
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
        if tokenizer.vocabulary_size() > config.vocabulary {
            let expected = format!("at most {}, the rows of its embedding", config.vocabulary);
            return Err(Error::shape("tokens in the vocabulary", expected, tokenizer.vocabulary_size()));
        }
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

    /// The tokens of a text as it stands, with what every prompt of this model begins with.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn raw_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.tokenizer.prompt_prefix().to_vec();
        tokens.extend(self.tokenizer.encode(text, SpecialTokens::AsText)?);
        Ok(tokens)
    }

    /// The tokens of a conversation, as the model's chat template writes it; names of special tokens in messages are text.
    ///
    /// # Errors
    /// No chat template, and as [`ChatTemplate::encode`].
    pub fn chat_prompt(&self, messages: &[Message], options: &RenderOptions) -> Result<Vec<u32>> {
        ChatTemplate::of(&self.tokenizer)?.encode(&self.tokenizer, messages, options)
    }
}
