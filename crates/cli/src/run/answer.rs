//! One answer: the prompt is read, the answer streams, and what it took is kept.

use super::attention::NamedPlan;
use super::model::LoadedModel;
use super::progress::PrefillBar;
use super::prompt::Prompt;
use crate::interrupt::Interrupt;
use anyhow::Result;
use minference_model::decoder::ForwardReport;
use minference_model::generate::{Answer, GenerationOptions, generate};
use minference_model::{Compute, PrefillOptions, Session, SessionOptions, memory};
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to answer, and how.
pub(crate) struct Request<'a> {
    pub(crate) model: &'a LoadedModel,
    pub(crate) compute: &'a Compute,
    pub(crate) prompt: &'a Prompt,
    pub(crate) capacity: usize,
    pub(crate) generation: &'a GenerationOptions,
    pub(crate) chunk: Option<usize>,
    pub(crate) interrupt: &'a Interrupt,
    /// Whether the answer is printed as it comes.
    pub(crate) is_streamed: bool,
}

/// An answer, and what it took.
pub(crate) struct TimedAnswer {
    pub(crate) attention: String,
    pub(crate) prompt_tokens: usize,
    pub(crate) answer: Answer,
    pub(crate) first_token: Duration,
    pub(crate) report: ForwardReport,
    /// Peak memory of the process so far, in bytes.
    pub(crate) peak_memory: Option<u64>,
}

impl TimedAnswer {
    pub(crate) fn prefill_tokens_per_second(&self) -> f64 {
        self.prompt_tokens as f64 / self.first_token.as_secs_f64()
    }
}

/// Reads the prompt and answers.
pub(crate) fn answer(request: &Request<'_>, plan: &NamedPlan) -> Result<TimedAnswer> {
    let decoder = request.model.model.decoder();
    let options = SessionOptions { capacity: request.capacity, element_type: request.model.dtype.into() };
    let mut session = Session::new(decoder.clone(), request.compute.clone(), options)?;
    let tokens = &request.prompt.tokens;
    let bar =
        Arc::new(PrefillBar::new(decoder.config().layers.len(), tokens.len(), request.interrupt.clone()));
    let start = Instant::now();
    let options =
        PrefillOptions { plan: plan.plan.clone(), chunk: request.chunk, progress: Some(bar.clone()) };
    let forward = session.prefill(tokens, &options);
    let prefill = start.elapsed();
    bar.finish();
    let forward = forward?;
    let mut output = std::io::stdout().lock();
    let mut failure = None;
    let tokenizer = request.model.model.tokenizer();
    let answer = generate(&mut session, tokenizer, tokens, forward.logits, request.generation, |text| {
        if request.is_streamed
            && let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush())
        {
            failure = Some(error);
            return ControlFlow::Break(());
        }
        if request.interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    if request.is_streamed {
        writeln!(output)?;
        if output.is_terminal() {
            writeln!(output)?;
        }
    }
    request.interrupt.check()?;
    Ok(TimedAnswer {
        attention: plan.name.clone(),
        prompt_tokens: tokens.len(),
        first_token: prefill + answer.first_token,
        answer,
        report: forward.report,
        peak_memory: memory::peak(),
    })
}
