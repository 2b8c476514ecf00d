//! One answer: the prompt is read, the answer streams, and what it took is kept.

use super::attention::NamedPlan;
use super::model::LoadedModel;
use super::progress::PrefillBar;
use crate::interrupt::Interrupt;
use anyhow::Result;
use minference_model::decoder::ForwardReport;
use minference_model::generate::{Answer, GenerationOptions, generate};
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
    /// Peak memory of the process until the answer's end, in bytes.
    pub(crate) peak_memory: Option<u64>,
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
    mut on_text: impl FnMut(&str) -> io::Result<()>,
) -> Result<TimedAnswer> {
    let (decoder, prompt) = (request.model.model.decoder(), request.prompt);
    let bar =
        Arc::new(PrefillBar::new(decoder.config().layers.len(), prompt.len(), request.interrupt.clone()));
    let start = Instant::now();
    let options = SessionOptions {
        capacity: request.capacity,
        rope_tokens: Some(prompt.len()),
        element_type: request.model.dtype.into(),
    };
    let mut session = Session::new(decoder.clone(), request.compute.clone(), options)?;
    let options =
        PrefillOptions { plan: plan.plan.clone(), chunk: request.chunk, progress: Some(bar.clone()) };
    let forward = session.prefill(prompt, &options);
    let prefill = start.elapsed();
    bar.finish();
    let forward = forward?;
    let mut failure = None;
    let tokenizer = request.model.model.tokenizer();
    let answer = generate(&mut session, tokenizer, prompt, forward.logits, request.generation, |text| {
        failure = on_text(text).err();
        if failure.is_some() || request.interrupt.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    request.interrupt.check()?;
    Ok(TimedAnswer {
        plan,
        prompt_tokens: prompt.len(),
        first_token: prefill + answer.first_token,
        answer,
        report: forward.report,
        peak_memory: memory::peak(),
    })
}

/// Prints text to standard output at once. Nothing else goes there while an answer streams.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}
