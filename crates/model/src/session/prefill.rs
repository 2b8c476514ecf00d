//! [`Prefill`]: reading a prompt in steps.
//!
//! A step is one of a layer's projections, its attention, or its MLP, for one chunk of the prompt.
//! Between steps the caller may do something else: answer others, look at the clock, stop. A
//! prefill that ends early leaves a session that has read the chunks which were done, so that the
//! same prompt goes on from there ([`Session::reuse`]).
//!
//! ```no_run
//! # use minference_model::{Result, session::{PrefillOptions, Session}};
//! # fn example(session: &mut Session, prompt: &[u32]) -> Result<()> {
//! let mut prefill = session.begin(prompt, &PrefillOptions::default());
//! let forward = loop {
//!     if let Some(forward) = prefill.step()? {
//!         break forward;
//!     }
//!     println!("{:.0} %", 100.0 * prefill.done());
//! };
//! # let _ = forward; Ok(())
//! # }
//! ```

use super::chunks::chunks;
use super::{PrefillOptions, ReadingWay, Session};
use crate::decoder::progress::ProgressShare;
use crate::decoder::rope::Rotation;
use crate::decoder::{DevicePass, Forward, ForwardReport, ForwardRequest};
use crate::error::{Error, Result};
use crate::session::kv_cache::KvCompression;
use std::borrow::BorrowMut;
use std::fmt;
use std::ops::Range;

/// A prompt that is being read into a session, which it borrows or owns.
pub struct Prefill<S: BorrowMut<Session>> {
    /// None once it was given back.
    session: Option<S>,
    prompt: Vec<u32>,
    options: PrefillOptions,
    state: PrefillState,
}

enum PrefillState {
    /// Nothing was looked at.
    New,
    Running(Box<RunningPrefill>),
    /// There is nothing more to do, whether it ended well or not.
    Ended,
}

/// A prefill on its way.
struct RunningPrefill {
    /// The prompt, behind what must be read again with it.
    tokens: Vec<u32>,
    /// Those of the session before it.
    before: usize,
    chunks: Vec<Range<usize>>,
    /// Of these, the one that is being read.
    chunk: usize,
    rotations: Vec<Rotation>,
    /// How the prompt is read, compressed anew where what is read again was.
    options: PrefillOptions,
    /// What compressed the session's cache before it.
    compressed_by: Option<KvCompression>,
    /// Of the chunk that has begun, with what the cache had dropped before it.
    pass: Option<(DevicePass, usize)>,
    report: ForwardReport,
}

impl Session {
    /// Begins to read tokens that follow those so far, step by step. Nothing happens before the
    /// first [`Prefill::step`].
    pub fn begin(&mut self, tokens: &[u32], options: &PrefillOptions) -> Prefill<&mut Self> {
        Prefill::new(self, tokens, options)
    }
}

impl<S: BorrowMut<Session>> Prefill<S> {
    /// As [`Session::begin`], of a session that may be owned: `Prefill<Session>` can be kept beside
    /// others.
    pub fn new(session: S, tokens: &[u32], options: &PrefillOptions) -> Self {
        let (prompt, options) = (tokens.to_vec(), options.clone());
        Self { session: Some(session), prompt, options, state: PrefillState::New }
    }

    /// One more step; the logits of the last token and what was computed, once all is read.
    ///
    /// # Errors
    /// As [`Session::prefill`]; nothing can be done with the prefill then but to drop it or to take
    /// its session back. After its end [`Error::Prompt`], for there is nothing left to read.
    pub fn step(&mut self) -> Result<Option<Forward>> {
        let result = self.try_step();
        match &result {
            Ok(None) => {}
            Ok(Some(_)) => self.end(true),
            // what was done before someone had enough is worth keeping
            Err(Error::Attention(minference_attention::Error::Cancelled)) => self.end(true),
            Err(_) => self.end(false),
        }
        result
    }

    /// All steps that are left.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn finish(mut self) -> Result<Forward>
    where
        S: Send,
    {
        let compute = self.session().compute.clone();
        compute.install(|| {
            loop {
                if let Some(forward) = self.step()? {
                    return Ok(forward);
                }
            }
        })
    }

    /// The share of the prompt's work that is done, 0 to 1; attention's, which grows with the
    /// position, counted as all else is.
    pub fn done(&self) -> f64 {
        match &self.state {
            PrefillState::New => 0.0,
            PrefillState::Ended => 1.0,
            PrefillState::Running(running) => {
                let (read, total) = (running.read(), running.tokens.len());
                let chunk = running.chunks.get(running.chunk).map_or(0, Range::len);
                let of_chunk = running.pass.as_ref().map_or(0.0, |(pass, _)| pass.done());
                (read as f64 + of_chunk * chunk as f64) / total as f64
            }
        }
    }

    /// The session, with what was read so far: whole chunks.
    pub fn into_session(mut self) -> S {
        self.end(true);
        self.session.take().expect("it is there until it is given back")
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("it is there until it is given back").borrow_mut()
    }

    fn try_step(&mut self) -> Result<Option<Forward>> {
        let session = self.session.as_mut().expect("it is there until it is given back").borrow_mut();
        match &mut self.state {
            PrefillState::New => {
                let running = RunningPrefill::new(session, &self.prompt, &self.options)?;
                self.state = PrefillState::Running(Box::new(running));
                Ok(None)
            }
            PrefillState::Running(running) => running.step(session),
            PrefillState::Ended => {
                Err(Error::Prompt { tokens: 0, expected: "a prefill that has not ended".into() })
            }
        }
    }

    /// Undoes what was begun and not done; all of it, unless what was done is to be kept.
    fn end(&mut self, keep: bool) {
        let state = std::mem::replace(&mut self.state, PrefillState::Ended);
        let (PrefillState::Running(running), Some(session)) = (state, self.session.as_mut()) else { return };
        let session = session.borrow_mut();
        if let Some((_, dropped)) = running.pass {
            session.undo_pass(dropped);
        }
        if !keep {
            session.go_back(running.before);
        }
        let PrefillOptions { plan, chunk, compression, .. } = running.options;
        session.last_way = ReadingWay { plan, chunk, compression: compression.or(running.compressed_by) };
    }
}

impl<S: BorrowMut<Session>> fmt::Debug for Prefill<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.done();
        f.debug_struct("Prefill")
            .field("tokens", &self.prompt.len())
            .field("done", &done)
            .finish_non_exhaustive()
    }
}

impl<S: BorrowMut<Session>> Drop for Prefill<S> {
    fn drop(&mut self) {
        self.end(true);
    }
}

impl RunningPrefill {
    fn new(session: &mut Session, prompt: &[u32], options: &PrefillOptions) -> Result<Self> {
        if options.chunk == Some(0) {
            return Err(Error::shape("chunk", "at least 1 token", 0));
        }
        if prompt.is_empty() {
            return Err(Error::Prompt { tokens: 0, expected: "at least one".into() });
        }
        let compressed_by = session.last_way.compression.filter(|_| session.cache.compressed_tokens() > 0);
        let tokens = session.with_stale(prompt)?.into_owned();
        // a cache that was compressed is so again
        let again = compressed_by.filter(|_| session.cache.compressed_tokens() == 0);
        let (before, total) = (session.tokens(), tokens.len());
        Ok(Self {
            before,
            chunks: chunks(total, options.chunk.unwrap_or(total)).collect(),
            chunk: 0,
            rotations: session.decoder.config().rotations(before.saturating_add(total))?,
            options: PrefillOptions { compression: options.compression.or(again), ..options.clone() },
            compressed_by,
            pass: None,
            report: ForwardReport::default(),
            tokens,
        })
    }

    /// Tokens of the chunks that are done.
    fn read(&self) -> usize {
        self.chunks.get(self.chunk).map_or(self.tokens.len(), |chunk| chunk.start)
    }

    fn step(&mut self, session: &mut Session) -> Result<Option<Forward>> {
        let decoder = session.decoder.clone();
        let Some((pass, _)) = &mut self.pass else {
            self.pass = Some((self.begin_chunk(session)?, session.cache.dropped()));
            return Ok(None);
        };
        if !pass.layers_are_done(&decoder) {
            pass.step(&decoder, &session.compute, &mut session.cache)?;
            return Ok(None);
        }
        let range = self.chunks[self.chunk].clone();
        let (total, mut logits) = (self.tokens.len(), Vec::new());
        let (pass, dropped) = self.pass.take().expect("it was there above");
        let report = pass.logits(&decoder, &session.compute, &mut |rows| {
            logits.extend_from_slice(rows);
            Ok(())
        });
        let report = report.inspect_err(|_| session.undo_pass(dropped))?;
        session.finish_pass(&self.tokens[range.clone()], dropped, self.before + total);
        self.report.add(&report);
        self.chunk += 1;
        let is_last = range.end == total;
        Ok(is_last.then(|| Forward { logits, report: std::mem::take(&mut self.report) }))
    }

    fn begin_chunk(&self, session: &Session) -> Result<DevicePass> {
        let Range { start, end } = self.chunks[self.chunk];
        let (total, options) = (self.tokens.len(), &self.options);
        let part = |whole| ProgressShare::within(whole, start as u64, (end - start) as u64, total as u64);
        let request = ForwardRequest {
            tokens: &self.tokens[start..end],
            plan: &options.plan,
            dense_queries: options.plan.dense_queries().saturating_sub(total - end),
            wanted: 1,
            compression: options.compression.filter(|_| end == total),
            rotations: &self.rotations,
            progress: options.progress.clone().map(part),
        };
        session.decoder.begin(&session.compute, &session.cache, &request)
    }
}
