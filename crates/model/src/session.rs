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
//! What was read stays: a next prompt that begins in the same way is read from where they differ ([`Session::reuse`]), the session can go
//! back to any earlier length ([`Session::truncate`]), be [forked](Session::fork) into two that go on differently, and be saved in a
//! [file](crate::context_file).
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

use crate::attention_plan::AttentionPlan;
use crate::compute::Compute;
use crate::decoder::{Decoder, Forward, ForwardReport, ForwardRequest, LogitsVisitor};
use crate::error::{Error, Result};
use crate::kv_cache::{CacheFormat, KvCache, KvCompression};
use crate::progress::Part;
use crate::rope::Rotation;
use minference_attention::Progress;
use minference_attention::index::BLOCK;
use std::ops::Range;
use std::sync::Arc;

/// Choices for a [`Session`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionOptions {
    /// Tokens that it has room for, prompt and answer together.
    pub capacity: usize,
    /// Tokens for which position encodings that depend on the length (dynamic NTK, LongRoPE) are made: the prompt's, so that the first
    /// token does not depend on how long an answer may get. As many as the capacity without it.
    pub rope_tokens: Option<usize>,
    /// How keys and values are stored, and what queries and attention's output are beside them.
    pub cache: CacheFormat,
}

impl SessionOptions {
    /// Room for some tokens, in half precision.
    pub fn for_tokens(capacity: usize) -> Self {
        Self { capacity, rope_tokens: None, cache: CacheFormat::F16 }
    }
}

/// Choices for reading a prompt.
#[derive(Clone, Default)]
pub struct PrefillOptions {
    /// Which pattern each head gets.
    pub plan: AttentionPlan,
    /// Tokens that are read at once, at most: all without it. Chunks are of nearly equal length, in whole blocks of 64, so that the last does not have too
    /// few queries for the estimates of sparse patterns, which are made chunk by chunk from its own last queries; nor, unless all have, for those that
    /// choose what stays.
    pub chunk: Option<usize>,
    /// What stays in the cache after the last chunk; all without it. Queries of the last chunk choose.
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
    /// Tokens that positions are made for.
    pub(crate) rope_tokens: usize,
    pub(crate) rotations: Vec<Rotation>,
    /// All that was read.
    pub(crate) history: Vec<u32>,
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
        let rope_tokens = options.rope_tokens.unwrap_or(options.capacity);
        let rotations = config.rotations(rope_tokens)?;
        Ok(Self { decoder, compute, cache, rope_tokens, rotations, history: Vec::new() })
    }

    /// A session as if it had read `tokens` tokens, for benchmarks: how long an answer takes depends on how many keys and values there
    /// are, and not on what they are. These are noise, and what the session answers means nothing.
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

    /// Reads tokens that follow those so far; gives the logits of the last one.
    ///
    /// # Errors
    /// As [`Decoder::forward`]; the session is then as it was, or empty if some of its cache was dropped before that.
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
            // a cache that was emptied has fewer tokens already
            self.truncate(before.min(self.tokens()))?;
        }
        result
    }

    fn prefill_chunks(&mut self, tokens: &[u32], options: &PrefillOptions) -> Result<Forward> {
        let total = tokens.len();
        let (mut report, mut logits) = (ForwardReport::default(), Vec::new());
        for Range { start, end } in chunks(total, options.chunk.unwrap_or(total)) {
            let part = |whole| Part::of(whole, start as u64, (end - start) as u64, total as u64);
            let request = ForwardRequest {
                tokens: &tokens[start..end],
                plan: &options.plan,
                dense_queries: options.plan.dense_queries().saturating_sub(total - end),
                wanted: 1,
                compression: options.compression.filter(|_| end == total),
                rotations: &self.rotations,
                progress: options.progress.clone().map(part),
            };
            let forward = self.decoder.forward(&self.compute, &mut self.cache, &request);
            let forward = self.remember(&tokens[start..end], forward)?;
            report.add(&forward.report);
            logits = forward.logits;
        }
        Ok(Forward { logits, report })
    }

    /// Writes down what was read, if it was.
    fn remember<T>(&mut self, tokens: &[u32], result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => self.history.extend_from_slice(tokens),
            Err(_) => self.history.truncate(self.cache.tokens()),
        }
        result
    }

    /// Reads one token, densely; gives its logits.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn decode(&mut self, token: u32) -> Result<Vec<f32>> {
        Ok(self.forward(&[token], 1, &AttentionPlan::Dense, None)?.logits)
    }

    /// Reads tokens in one pass, as the end of a prompt ([`AttentionPlan::dense_queries`]), and gives the logits of the last `wanted`,
    /// `[wanted, vocabulary]`.
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
        let (rotations, dense_queries) = (&self.rotations, plan.dense_queries());
        let request =
            ForwardRequest { tokens, plan, dense_queries, wanted, compression: None, rotations, progress };
        let forward = self.decoder.forward(&self.compute, &mut self.cache, &request);
        self.remember(tokens, forward)
    }

    /// Reads tokens in one pass and hands out the logits of all of them, some at a time and in their order. The last tokens are read as all others:
    /// what is scored is a text, not a question.
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
        let (rotations, wanted) = (&self.rotations, tokens.len());
        let request =
            ForwardRequest { tokens, plan, dense_queries: 0, wanted, compression: None, rotations, progress };
        let report = self.decoder.forward_visiting(&self.compute, &mut self.cache, &request, visit);
        self.remember(tokens, report)
    }

    /// Forgets all tokens from `tokens` on. (A cache in 8 or 4 bits may keep a trace of them: some keys are codes then that were not before.)
    ///
    /// # Errors
    /// As [`KvCache::truncate`]: a compressed cache has no way back before its compression, except to its beginning.
    pub fn truncate(&mut self, tokens: usize) -> Result<()> {
        self.cache.truncate(tokens)?;
        self.history.truncate(tokens);
        Ok(())
    }

    /// Goes back to the longest beginning that a prompt shares with what was read, and from which the prompt can be read on: at least its last
    /// token is left, whose logits are wanted. Gives the tokens that need not be read again.
    ///
    /// # Errors
    /// As [`truncate`](Self::truncate), which does not happen: where there is no way back, the session begins anew.
    pub fn reuse(&mut self, prompt: &[u32]) -> Result<usize> {
        let reused = reusable(&self.history, self.cache.compressed_tokens(), prompt);
        self.truncate(reused)?;
        Ok(reused)
    }

    /// Another session with what this one has read. Keys and values are copied.
    ///
    /// # Errors
    /// Out of memory.
    pub fn fork(&self) -> Result<Self> {
        Ok(Self {
            decoder: self.decoder.clone(),
            compute: self.compute.clone(),
            cache: self.cache.fork()?,
            rope_tokens: self.rope_tokens,
            rotations: self.rotations.clone(),
            history: self.history.clone(),
        })
    }
}

/// How many tokens two prompts begin with alike.
pub fn shared_tokens(first: &[u32], second: &[u32]) -> usize {
    first.iter().zip(second).take_while(|(a, b)| a == b).count()
}

/// How many tokens of a history a prompt need not read again, if there is no way back before the first `compressed` but to the beginning.
pub(crate) fn reusable(history: &[u32], compressed: usize, prompt: &[u32]) -> usize {
    let shared = shared_tokens(history, prompt);
    let reused = shared.min(prompt.len().saturating_sub(1));
    if reused < compressed { 0 } else { reused }
}

/// Chunks of nearly equal length, at most `most` tokens each. Where that is more than a block of queries, all but the last are whole blocks.
fn chunks(tokens: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let unit = match most {
        most if most >= tokens => tokens,
        0..BLOCK => 1,
        _ => BLOCK,
    };
    let units = tokens.div_ceil(unit);
    let chunks = units.div_ceil(most / unit);
    // the product of two lengths may not fit into 64 bits
    let start = move |chunk: usize| {
        let units = (units as u128 * chunk as u128 / chunks as u128) as usize;
        (units * unit).min(tokens)
    };
    (0..chunks).map(move |chunk| start(chunk)..start(chunk + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_alike_and_none_is_longer_than_wanted() {
        for (tokens, most) in [
            (10, 3),
            (9, 3),
            (100, 7),
            (5, 5),
            (5, 9),
            (8193, 8192),
            (1, 1),
            (1000, 130),
            (640, 64),
            (700, 64),
        ] {
            let lengths: Vec<usize> = chunks(tokens, most).map(|chunk| chunk.len()).collect();
            assert_eq!(lengths.iter().sum::<usize>(), tokens);
            let (least, longest) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            let unit = if most < BLOCK { 1 } else { BLOCK };
            assert!(*longest <= most && longest - least < 2 * unit, "{tokens} by {most}: {lengths:?}");
            assert!(lengths[..lengths.len() - 1].iter().all(|length| length % unit == 0), "{lengths:?}");
        }
        assert_eq!(chunks(8193, 8192).collect::<Vec<_>>(), [0..4096, 4096..8193]);
        for most in [100, 101, usize::MAX] {
            assert!(chunks(100, most).eq(std::iter::once(0..100)), "{most}");
        }
    }
}
