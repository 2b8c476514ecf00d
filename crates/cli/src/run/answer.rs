//! One answer: the prompt is read, the answer streams, and what it took is kept.

use super::attention::NamedPlan;
use super::model::LoadedModel;
use super::progress::PrefillBar;
use crate::interrupt::Interrupt;
use anyhow::Result;
use minference_model::decoder::ForwardReport;
use minference_model::generate::{Answer, GenerationOptions, generate};
use minference_model::kv_cache::KvCompression;
use minference_model::{Compute, PrefillOptions, Session, SessionOptions, memory};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to answer, and how.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) model: &'a LoadedModel,
    pub(crate) compute: &'a Compute,
    pub(crate) prompt: &'a [u32],
    /// Room for prompt and answer, in tokens.
    pub(crate) capacity: usize,
    pub(crate) generation: &'a GenerationOptions,
    /// Tokens that are read at once, if not all.
    pub(crate) chunk: Option<usize>,
    /// What stays of the prompt's keys and values, if not all.
    pub(crate) compression: Option<KvCompression>,
    pub(crate) interrupt: &'a Interrupt,
}

/// An answer, and what it took.
pub(crate) struct TimedAnswer {
    pub(crate) plan: NamedPlan,
    pub(crate) prompt_tokens: usize,
    pub(crate) answer: Answer,
    /// From the prompt's tokens to the answer's first.
    pub(crate) first_token: Duration,
    /// What reading the prompt computed.
    pub(crate) report: ForwardReport,
    /// What stayed of the prompt's keys and values.
    pub(crate) cache: PromptCache,
    /// Peak memory of the process until the answer's end, in bytes; from its beginning on if that was
    /// [forgotten](memory::forget_peak) then.
    pub(crate) peak_memory: Option<u64>,
}

/// A prompt's keys and values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PromptCache {
    /// What was dropped, if anything was.
    pub(crate) compression: Option<KvCompression>,
    /// Bytes of what stayed.
    pub(crate) bytes: usize,
    /// Bytes of all of them.
    pub(crate) full_bytes: usize,
}

impl TimedAnswer {
    pub(crate) fn prefill_tokens_per_second(&self) -> f64 {
        self.prompt_tokens as f64 / self.first_token.as_secs_f64()
    }
}

/// Reads the prompt and answers.
///
/// - `on_text`: gets the answer as it grows
pub(crate) fn answer(
    request: &Request<'_>,
    plan: NamedPlan,
    on_text: impl FnMut(&str) -> io::Result<()>,
) -> Result<TimedAnswer> {
    let (decoder, prompt) = (request.model.model.decoder(), request.prompt);
    let bar = Arc::new(PrefillBar::new(
        decoder.config().layers.len(),
        prompt.len(),
        request.chunk,
        request.interrupt.clone(),
    ));
    let start = Instant::now();
    let options = SessionOptions {
        capacity: request.capacity,
        rope_tokens: Some(prompt.len()),
        element_type: request.model.dtype.into(),
    };
    let mut session = Session::new(decoder.clone(), request.compute.clone(), options)?;
    let options = PrefillOptions {
        plan: plan.plan.clone(),
        chunk: request.chunk,
        compression: request.compression,
        progress: Some(bar.clone()),
    };
    let forward = session.prefill(prompt, &options);
    let prefill = start.elapsed();
    bar.finish();
    let forward = forward?;
    let cache = PromptCache {
        compression: request.compression,
        bytes: session.cache().bytes(),
        full_bytes: session.cache().full_bytes(),
    };
    let mut receiver = Receiver { on_text, failure: None };
    let tokenizer = request.model.model.tokenizer();
    let answer = generate(&mut session, tokenizer, prompt, forward.logits, request.generation, |text| {
        let has_failed = receiver.take(text);
        if has_failed || request.interrupt.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if let Some(error) = receiver.failure {
        return Err(error.into());
    }
    request.interrupt.check()?;
    Ok(TimedAnswer {
        plan,
        prompt_tokens: prompt.len(),
        first_token: prefill + answer.first_token,
        answer,
        report: forward.report,
        cache,
        peak_memory: memory::peak(),
    })
}

/// Takes an answer's text until that fails once.
struct Receiver<F> {
    on_text: F,
    failure: Option<io::Error>,
}

impl<F: FnMut(&str) -> io::Result<()>> Receiver<F> {
    /// Whether this or an earlier text could not be taken. Later ones are not tried, since they would stand behind a gap.
    fn take(&mut self, text: &str) -> bool {
        if self.failure.is_none() {
            self.failure = (self.on_text)(text).err();
        }
        self.failure.is_some()
    }
}

/// Prints text to standard output at once. Nothing else goes there while an answer streams.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_kept_and_nothing_printed_behind_it() {
        let mut taken = Vec::new();
        let mut receiver = Receiver {
            on_text: |text: &str| {
                taken.push(text.to_string());
                if text == "b" { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            },
            failure: None,
        };
        assert_eq!(["a", "b", "c"].map(|text| receiver.take(text)), [false, true, true]);
        assert_eq!(receiver.failure.map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
        assert_eq!(taken, ["a", "b"]);
    }
}
