//! [`Session`]: a model that reads a prompt and goes on token by token.
//!
//! ```no_run
//! # use minference_model::{AttentionPlan, Compute, ComputeOptions, Decoder, session::{PrefillOptions, Session, SessionOptions}};
//! # fn example(decoder: std::sync::Arc<Decoder>, prompt: &[u32]) -> minference_model::Result<()> {
//! let compute = Compute::new(ComputeOptions::default())?;
//! let mut session = Session::new(decoder, compute, SessionOptions::for_tokens(prompt.len() + 256))?;
//! let first = session.prefill(prompt, &PrefillOptions::default())?;
//! println!("computed {:.0} % of attention", 100.0 * first.report.computed_share());
//! let best = first.logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id);
//! let second = session.decode(best as u32)?;
//! # let _ = second; Ok(())
//! # }
//! ```

use crate::attention_plan::AttentionPlan;
use crate::compute::Compute;
use crate::decoder::{Decoder, Forward, ForwardReport, ForwardRequest, LogitsVisitor};
use crate::error::{Error, Result};
use crate::kv_cache::KvCache;
use crate::progress::Part;
use crate::rope::Rotation;
use minference_attention::{ElementType, Progress};
use std::sync::Arc;

/// Choices for a [`Session`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionOptions {
    /// Tokens that it has room for, prompt and answer together.
    pub capacity: usize,
    /// Tokens for which position encodings that depend on the length (dynamic NTK, LongRoPE) are made: the prompt's, so that the first
    /// token does not depend on how long an answer may get. As many as the capacity without it.
    pub rope_tokens: Option<usize>,
    /// Type of queries, keys, values and attention's output in memory.
    pub element_type: ElementType,
}

impl SessionOptions {
    /// Room for some tokens, in half precision.
    pub fn for_tokens(capacity: usize) -> Self {
        Self { capacity, rope_tokens: None, element_type: ElementType::F16 }
    }
}

/// Choices for reading a prompt.
#[derive(Clone, Default)]
pub struct PrefillOptions {
    /// Which pattern each head gets.
    pub plan: AttentionPlan,
    /// Tokens that are read at once: all without it. Sparse patterns are then estimated chunk by chunk.
    pub chunk: Option<usize>,
    /// Follows the work, and may cancel it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// A conversation's state: the model, and the keys and values of all tokens so far.
#[derive(Debug)]
pub struct Session {
    decoder: Arc<Decoder>,
    compute: Compute,
    cache: KvCache,
    rotations: Vec<Rotation>,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// A capacity of 0, out of memory, a RoPE scaling that gives no frequencies.
    pub fn new(decoder: Arc<Decoder>, compute: Compute, options: SessionOptions) -> Result<Self> {
        if options.capacity == 0 {
            return Err(Error::shape("capacity of a session", "at least 1 token", 0));
        }
        let config = decoder.config();
        let cache = KvCache::new(config, options.capacity, options.element_type)?;
        let tokens = options.rope_tokens.unwrap_or(options.capacity);
        let rotations = config.ropes.iter().map(|rope| rope.rotation(tokens)).collect::<Result<_>>()?;
        Ok(Self { decoder, compute, cache, rotations })
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Tokens that were read so far.
    pub fn tokens(&self) -> usize {
        self.cache.tokens()
    }

    /// Tokens that it has room for.
    pub fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// Reads tokens that follow those so far; gives the logits of the last one.
    ///
    /// # Errors
    /// As [`Decoder::forward`]; the session is then as it was.
    pub fn prefill(&mut self, tokens: &[u32], options: &PrefillOptions) -> Result<Forward> {
        if options.chunk == Some(0) {
            return Err(Error::shape("chunk", "at least 1 token", 0));
        }
        if tokens.is_empty() {
            return Err(Error::Prompt { tokens: 0, expected: "at least one".into() });
        }
        let before = self.tokens();
        let result = self.prefill_chunks(tokens, options);
        if result.is_err() {
            self.cache.truncate(before);
        }
        result
    }

    fn prefill_chunks(&mut self, tokens: &[u32], options: &PrefillOptions) -> Result<Forward> {
        let (mut report, mut logits) = (ForwardReport::default(), Vec::new());
        let size = options.chunk.unwrap_or(tokens.len());
        for (i, chunk) in tokens.chunks(size).enumerate() {
            let (before, units) = ((i * size) as u64, chunk.len() as u64);
            let part = |whole| Part::of(whole, before, units, tokens.len() as u64);
            let progress = options.progress.clone().map(part);
            let forward = self.forward(chunk, 1, &options.plan, progress)?;
            report.add(&forward.report);
            logits = forward.logits;
        }
        Ok(Forward { logits, report })
    }

    /// Reads one token, densely; gives its logits.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn decode(&mut self, token: u32) -> Result<Vec<f32>> {
        Ok(self.forward(&[token], 1, &AttentionPlan::Dense, None)?.logits)
    }

    /// Reads tokens in one pass and gives the logits of the last `wanted`, `[wanted, vocabulary]`.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn forward(
        &mut self,
        tokens: &[u32],
        wanted: usize,
        plan: &AttentionPlan,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<Forward> {
        let request = ForwardRequest { tokens, plan, wanted, rotations: &self.rotations, progress };
        self.decoder.forward(&self.compute, &mut self.cache, &request)
    }

    /// Reads tokens in one pass and hands out the logits of all of them, some at a time and in their order.
    ///
    /// # Errors
    /// As [`Decoder::forward_visiting`].
    pub fn score(
        &mut self,
        tokens: &[u32],
        plan: &AttentionPlan,
        progress: Option<Arc<dyn Progress>>,
        visit: &mut LogitsVisitor<'_>,
    ) -> Result<ForwardReport> {
        let request =
            ForwardRequest { tokens, plan, wanted: tokens.len(), rotations: &self.rotations, progress };
        self.decoder.forward_visiting(&self.compute, &mut self.cache, &request, visit)
    }

    /// Forgets all tokens from `tokens` on.
    pub fn truncate(&mut self, tokens: usize) {
        self.cache.truncate(tokens);
    }
}
