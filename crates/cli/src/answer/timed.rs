//! One answer: the prompt is read, the answer streams, and what it took is kept.

use crate::answer::{AnswerGenerator, EarlierCompression, ReusedContext, SavedContext, begin, save};
use crate::model::{LoadedModel, NamedPlan};
use crate::terminal::{Interrupt, PrefillBar};
use anyhow::Result;
use minference_model::decoder::{Forward, ForwardReport};
use minference_model::generation::{Answer, GenerationOptions};
use minference_model::session::context_file::ContextFile;
use minference_model::session::kv_cache::KvCompression;
use minference_model::text::chat_template::LocalTime;
use minference_model::{Compute, PrefillOptions, Session, SessionOptions, memory};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A prompt, and how to answer it.
#[derive(Clone, Copy)]
pub(crate) struct AnswerRequest<'a> {
    pub(crate) model: &'a LoadedModel,
    pub(crate) compute: &'a Compute,
    pub(crate) prompt: &'a [u32],
    /// The time that the prompt's chat template was rendered with.
    pub(crate) date: LocalTime,
    /// Room for prompt and answer, in tokens.
    pub(crate) capacity: usize,
    pub(crate) generation: &'a GenerationOptions,
    /// Tokens that are read at once, if not all.
    pub(crate) chunk: Option<usize>,
    /// What stays of the prompt's keys and values, if not all.
    pub(crate) compression: Option<KvCompression>,
    /// What was read before, of which the prompt may share the beginning.
    pub(crate) context_file: Option<&'a ContextFile>,
    /// Where the prompt's context goes.
    pub(crate) save_context: Option<&'a Path>,
    pub(crate) interrupt: &'a Interrupt,
}

/// An answer, and what it took.
pub(crate) struct TimedAnswer {
    pub(crate) plan: NamedPlan,
    pub(crate) prompt_tokens: usize,
    pub(crate) answer: Answer,
    /// From the prompt's tokens to the answer's first.
    pub(crate) first_token: Duration,
    /// What reading computed, without the tokens from a context file.
    pub(crate) report: ForwardReport,
    /// What stayed of the prompt's keys and values.
    pub(crate) cache: PromptCache,
    /// What came from a context file.
    pub(crate) reused: Option<ReusedContext>,
    /// Where the context went. The answer does not depend on it.
    pub(crate) saved: Option<minference_model::Result<SavedContext>>,
    /// Peak memory of the process until the answer's end, in bytes; from its beginning on if that
    /// was [forgotten](memory::reset_peak) then.
    pub(crate) peak_memory: Option<u64>,
}

/// A prompt's keys and values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PromptCache {
    /// What was dropped after reading, if anything was.
    pub(crate) compression: Option<KvCompression>,
    /// Bytes of what stayed.
    pub(crate) bytes: usize,
    /// Bytes of all of them.
    pub(crate) full_bytes: usize,
}

impl TimedAnswer {
    /// What a context file had compressed of the prompt.
    pub(crate) fn compressed_before(&self) -> Option<&EarlierCompression> {
        self.reused.as_ref()?.compressed.as_ref()
    }

    /// Whether some of the prompt was read by an earlier run, so that what was measured is about
    /// the rest.
    pub(crate) fn read_only_the_rest(&self) -> bool {
        self.reused.as_ref().is_some_and(|reused| reused.tokens > 0)
    }

    /// Tokens per second of reading, without those from a context file and the time of loading it.
    pub(crate) fn prefill_tokens_per_second(&self) -> f64 {
        let (tokens, load) =
            self.reused.as_ref().map_or((0, Duration::ZERO), |reused| (reused.tokens, reused.load));
        (self.prompt_tokens - tokens) as f64 / self.first_token.saturating_sub(load).as_secs_f64()
    }
}

/// Reads the prompt, except what a context file holds of it, and answers. The context is saved in
/// between, so that it is there even if the answer fails.
///
/// - `on_text`: gets the answer as it grows
pub(crate) fn answer_prompt(
    request: &AnswerRequest<'_>,
    plan: NamedPlan,
    on_text: impl FnMut(&str) -> io::Result<()>,
) -> Result<TimedAnswer> {
    let prompt = request.prompt;
    let start = Instant::now();
    let options = SessionOptions { capacity: request.capacity, cache: request.model.cache };
    let (mut session, reused) = begin(request, options)?;
    let known = session.tokens();
    let options = PrefillOptions {
        plan: plan.plan.clone(),
        chunk: request.chunk,
        compression: request.compression,
        progress: None,
    };
    let forward = read_prompt(&mut session, &prompt[known..], options, request.interrupt)?;
    let prefill = start.elapsed();
    let cache = PromptCache {
        compression: request.compression,
        bytes: session.cache().bytes(),
        full_bytes: session.cache().full_bytes(),
    };
    let saved = request.save_context.map(|path| save(&session, path, request, &plan, reused.as_ref()));
    let generator = AnswerGenerator {
        model: &request.model.model,
        generation: request.generation,
        interrupt: request.interrupt,
    };
    let answer = generator.answer(&mut session, prompt, forward.logits, on_text)?;
    request.interrupt.check()?;
    Ok(TimedAnswer {
        plan,
        prompt_tokens: prompt.len(),
        first_token: prefill + answer.first_token,
        answer,
        report: forward.report,
        cache,
        reused,
        saved,
        peak_memory: memory::peak(),
    })
}

/// Reads tokens that follow what a session has read, with a bar that Ctrl-C stops.
pub(crate) fn read_prompt(
    session: &mut Session,
    tokens: &[u32],
    options: PrefillOptions,
    interrupt: &Interrupt,
) -> Result<Forward> {
    let layers = session.decoder().config().layers.len();
    let bar = Arc::new(PrefillBar::new(layers, tokens.len(), options.chunk, interrupt.clone()));
    let forward = session.prefill(tokens, &PrefillOptions { progress: Some(bar.clone()), ..options });
    bar.finish();
    Ok(forward?)
}
