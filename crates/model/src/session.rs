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
//!
//! What was read stays: a next prompt that begins in the same way is read from where they differ
//! ([`Session::reuse`]), the session can go back to any earlier length ([`Session::truncate`]), be
//! [forked](Session::fork) into two that go on differently, and be saved in a
//! [file](crate::session::context_file).
//!
//! ```no_run
//! # use minference_model::{Result, session::{PrefillOptions, Session}};
//! # fn example(session: &mut Session, document: &[u32], questions: &[Vec<u32>]) -> Result<()> {
//! for question in questions {
//!     let prompt = [document, question].concat();
//!     let known = session.reuse(&prompt)?;
//!     // the first time all of it, later only the question
//!     let forward = session.prefill(&prompt[known..], &PrefillOptions::default())?;
//!     # let _ = forward;
//! }
//! # Ok(())
//! # }
//! ```

mod batch;
mod chunks;
pub mod context_file;
pub mod kv_cache;
mod prefill;
mod readings;
pub(crate) mod token_rows;

pub use prefill::Prefill;
pub(crate) use readings::Readings;

use crate::decoder::config::ModelConfig;
use crate::decoder::{Decoder, Forward, ForwardReport, ForwardRequest, LogitsVisitor};
use crate::device::compute::Compute;
use crate::error::{Error, Result};
use crate::patterns::plan::AttentionPlan;
use crate::session::kv_cache::{CacheFormat, KvCache, KvCompression};
use minference_attention::Progress;
use std::borrow::Cow;
use std::sync::Arc;

/// Choices for a [`Session`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionOptions {
    /// Tokens that it has room for, prompt and answer together.
    pub capacity: usize,
    /// How keys and values are stored, and what queries and attention's output are beside them.
    pub cache: CacheFormat,
}

impl SessionOptions {
    /// Room for some tokens, in half precision.
    pub fn for_tokens(capacity: usize) -> Self {
        Self { capacity, cache: CacheFormat::F16 }
    }
}

/// Choices for reading a prompt.
#[derive(Clone, Default)]
pub struct PrefillOptions {
    /// Which pattern each head gets.
    pub plan: AttentionPlan,
    /// Tokens that are read at once, at most: all without it. Chunks are of nearly equal length, in
    /// whole blocks of 64, so that the last does not have too few queries for the estimates of
    /// sparse patterns, which are made chunk by chunk from its own last queries; nor, unless all
    /// have, for those that choose what stays.
    pub chunk: Option<usize>,
    /// What stays in the cache after the last chunk; all without it. Queries of the last chunk
    /// choose.
    pub compression: Option<KvCompression>,
    /// Follows the work, and may cancel it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// A conversation's state: the model, and the keys and values of all tokens so far.
#[derive(Debug)]
pub struct Session {
    pub(crate) decoder: Arc<Decoder>,
    pub(crate) compute: Compute,
    pub(crate) cache: KvCache,
    /// For which length keys were rotated.
    pub(crate) readings: Readings,
    /// All that was read.
    pub(crate) history: Vec<u32>,
    /// How the last prompt was read.
    pub(crate) last_way: ReadingWay,
}

/// How a prompt was read: so is what an answer makes a session read again.
#[derive(Debug, Clone)]
pub(crate) struct ReadingWay {
    plan: AttentionPlan,
    chunk: Option<usize>,
    compression: Option<KvCompression>,
}

impl Default for ReadingWay {
    fn default() -> Self {
        Self { plan: AttentionPlan::Dense, chunk: None, compression: None }
    }
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
        let cache = KvCache::new(config, options.capacity, options.cache)?;
        // positions that can't be encoded are found before anything is read
        config.rotations(options.capacity)?;
        let (readings, history) = (Readings::default(), Vec::new());
        Ok(Self { decoder, compute, cache, readings, history, last_way: ReadingWay::default() })
    }

    /// A session as if it had read `tokens` tokens, for benchmarks: how long an answer takes
    /// depends on how many keys and values there are, and not on what they are. These are noise,
    /// and what the session answers means nothing.
    ///
    /// - `compression`: what stays of the tokens, if not all
    ///
    /// # Errors
    /// As [`new`](Self::new), and more tokens than there is room for.
    pub fn with_noise(
        decoder: Arc<Decoder>,
        compute: Compute,
        options: SessionOptions,
        tokens: usize,
        compression: Option<&KvCompression>,
    ) -> Result<Self> {
        let mut session = Self::new(decoder, compute, options)?;
        let config = session.decoder.config();
        session.compute.install(|| session.cache.fill_with_noise(config, tokens, compression))?;
        session.history = vec![0; tokens];
        Ok(session)
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Tokens that were read so far.
    pub fn tokens(&self) -> usize {
        self.cache.tokens()
    }

    /// The tokens that were read so far, also those of which nothing is kept.
    pub fn history(&self) -> &[u32] {
        &self.history
    }

    /// What is kept of them.
    pub fn cache(&self) -> &KvCache {
        &self.cache
    }

    /// Tokens that it has room for.
    pub fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// Reads tokens that follow those so far; gives the logits of the last one. Where positions
    /// depend on the length, what was rotated for another one may be read again with them, as
    /// [`reuse`](Self::reuse) says. [`begin`](Self::begin) does the same in steps.
    ///
    /// # Errors
    /// As [`Decoder::forward`]. If it was cancelled, the session has read the chunks that were
    /// done; otherwise it is as it was, or empty if some of its cache was dropped before that, or
    /// has lost what was to be read again.
    pub fn prefill(&mut self, tokens: &[u32], options: &PrefillOptions) -> Result<Forward> {
        self.begin(tokens, options).finish()
    }

    /// Tokens to be read, behind those that must be read again with them; the session has forgotten
    /// these.
    fn with_stale<'a>(&mut self, tokens: &'a [u32]) -> Result<Cow<'a, [u32]>> {
        let (before, total) = (self.tokens(), self.tokens().saturating_add(tokens.len()));
        let config = self.decoder.config();
        let known = self.readings.reusable(config, before, total);
        // what the pass refuses should change nothing
        if known == before || total > self.capacity() || self.decoder.check_tokens(tokens).is_err() {
            return Ok(tokens.into());
        }
        // what was dropped is nowhere but in the beginning
        let known = if known < self.cache.compressed_tokens() { 0 } else { known };
        let again = [&self.history[known..], tokens].concat();
        self.truncate(known)?;
        Ok(again.into())
    }

    /// Writes down what was read, if it was.
    ///
    /// - `total`: tokens that positions were made for
    fn remember<T>(&mut self, tokens: &[u32], total: usize, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => self.note(tokens, total),
            Err(_) => self.forget_beyond_cache(),
        }
        result
    }

    fn note(&mut self, tokens: &[u32], total: usize) {
        self.readings.add(self.decoder.config(), self.history.len(), total);
        self.history.extend_from_slice(tokens);
    }

    /// Notes that a pass over these tokens is done.
    ///
    /// - `dropped`: what the cache had dropped before it
    /// - `total`: tokens that positions were made for
    fn finish_pass(&mut self, tokens: &[u32], dropped: usize, total: usize) {
        self.cache.finish_pass(tokens.len(), dropped);
        self.note(tokens, total);
    }

    /// Undoes what a pass that was not finished left.
    ///
    /// - `dropped`: what the cache had dropped before it
    fn undo_pass(&mut self, dropped: usize) {
        self.cache.undo_pass(dropped);
        self.forget_beyond_cache();
    }

    /// Goes back to a length that it had, or as far as the cache allows.
    fn go_back(&mut self, tokens: usize) {
        let tokens = if tokens < self.cache.compressed_tokens() { 0 } else { tokens };
        // there is a way back to the beginning, and to every length after a compression
        let _ = self.truncate(tokens);
    }

    fn forget_beyond_cache(&mut self) {
        self.history.truncate(self.cache.tokens());
        self.readings.truncate(self.cache.tokens());
    }

    /// Reads one token, densely; gives its logits. Where positions depend on the length, all tokens
    /// may be read again with it
    /// ([`RotatedKeys::ReadAgain`](crate::decoder::config::RotatedKeys::ReadAgain)), as the last
    /// prompt was.
    ///
    /// # Errors
    /// As [`Decoder::forward`]; the session is then as it was, or has lost what was to be read
    /// again.
    pub fn decode(&mut self, token: u32) -> Result<Vec<f32>> {
        let (before, config) = (self.tokens(), self.decoder.config());
        if self.readings.reusable(config, before, before.saturating_add(1)) < before {
            let ReadingWay { plan, chunk, compression } = self.last_way.clone();
            let options = PrefillOptions { plan, chunk, compression, progress: None };
            return Ok(self.prefill(&[token], &options)?.logits);
        }
        Ok(self.forward(&[token], 1, &AttentionPlan::Dense, None)?.logits)
    }

    /// Reads tokens in one pass, as the end of a prompt ([`AttentionPlan::dense_queries`]), and
    /// gives the logits of the last `wanted`, `[wanted, vocabulary]`.
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
        let all = self.with_stale(tokens)?;
        let (tokens, dense_queries) = (&*all, plan.dense_queries());
        let total = self.tokens().saturating_add(tokens.len());
        let rotations = &self.decoder.config().rotations(total)?;
        let request =
            ForwardRequest { tokens, plan, dense_queries, wanted, compression: None, rotations, progress };
        let forward = self.decoder.forward(&self.compute, &mut self.cache, &request);
        self.remember(tokens, total, forward)
    }

    /// Reads tokens in one pass and hands out the logits of all of them, some at a time and in
    /// their order. The last tokens are read as all others: what is scored is a text, not a
    /// question.
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
        let (wanted, all) = (tokens.len(), self.with_stale(tokens)?);
        let tokens = &*all;
        let total = self.tokens().saturating_add(tokens.len());
        let rotations = &self.decoder.config().rotations(total)?;
        let request =
            ForwardRequest { tokens, plan, dense_queries: 0, wanted, compression: None, rotations, progress };
        let report = self.decoder.forward_visiting(&self.compute, &mut self.cache, &request, visit);
        self.remember(tokens, total, report)
    }

    /// Forgets all tokens from `tokens` on. (A cache in 8 or 4 bits may keep a trace of them: some
    /// keys are codes then that were not before.)
    ///
    /// # Errors
    /// As [`KvCache::truncate`]: a compressed cache has no way back before its compression, except
    /// to its beginning.
    pub fn truncate(&mut self, tokens: usize) -> Result<()> {
        self.cache.truncate(tokens)?;
        self.history.truncate(tokens);
        self.readings.truncate(tokens);
        Ok(())
    }

    /// Goes back to the longest beginning that a prompt shares with what was read, and from which
    /// the prompt can be read on: at least its last token is left, whose logits are wanted. Gives
    /// the tokens that need not be read again. Where positions depend on the length (dynamic NTK,
    /// LongRoPE), tokens that were read for another one are no such beginning if `generate` of
    /// transformers would not have them in its cache: Phi-3's are read again where LongRoPE changes
    /// its factors, all others where the session has gone back behind the length that they were
    /// read for.
    ///
    /// # Errors
    /// As [`truncate`](Self::truncate), which does not happen: where there is no way back, the
    /// session begins anew.
    pub fn reuse(&mut self, prompt: &[u32]) -> Result<usize> {
        let config = self.decoder.config();
        let compressed = self.cache.compressed_tokens();
        let reused = reusable(config, (&self.history, &self.readings), compressed, prompt);
        self.truncate(reused)?;
        Ok(reused)
    }

    /// Another session with what this one has read. Keys and values are copied.
    ///
    /// # Errors
    /// Out of memory.
    pub fn fork(&self) -> Result<Self> {
        self.fork_prefix(self.tokens())
    }

    /// Another session with the first `tokens` tokens that this one has read, or with all; only
    /// their keys and values are copied.
    ///
    /// # Errors
    /// As [`KvCache::fork_prefix`]: of a compressed cache there is no prefix that is shorter than
    /// what was compressed.
    pub fn fork_prefix(&self, tokens: usize) -> Result<Self> {
        let cache = self.cache.fork_prefix(tokens)?;
        let history = self.history[..tokens.min(self.history.len())].to_vec();
        let mut readings = self.readings.clone();
        readings.truncate(tokens);
        let (decoder, compute) = (self.decoder.clone(), self.compute.clone());
        Ok(Self { decoder, compute, cache, readings, history, last_way: self.last_way.clone() })
    }
}

/// How many tokens two prompts begin with alike.
pub fn shared_tokens(first: &[u32], second: &[u32]) -> usize {
    first.iter().zip(second).take_while(|(a, b)| a == b).count()
}

/// How many tokens of a history a prompt need not read again, if there is no way back before the
/// first `compressed` but to the beginning.
pub(crate) fn reusable(
    config: &ModelConfig,
    (history, readings): (&[u32], &Readings),
    compressed: usize,
    prompt: &[u32],
) -> usize {
    let shared = shared_tokens(history, prompt).min(prompt.len().saturating_sub(1));
    let reused = readings.reusable(config, shared, prompt.len());
    if reused < compressed { 0 } else { reused }
}
