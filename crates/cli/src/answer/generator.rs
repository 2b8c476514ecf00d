//! [`AnswerGenerator`]: an answer, token by token, once its prompt was read.

use crate::terminal::Interrupt;
use anyhow::Result;
use minference_model::generation::{Answer, GenerationOptions, generate};
use minference_model::{Model, Session};
use std::io::{self, Write};
use std::ops::ControlFlow;

/// How an answer is made from a prompt that was read.
#[derive(Clone, Copy)]
pub(crate) struct AnswerGenerator<'a> {
    pub(crate) model: &'a Model,
    pub(crate) generation: &'a GenerationOptions,
    pub(crate) interrupt: &'a Interrupt,
}

impl AnswerGenerator<'_> {
    /// Answers; Ctrl-C ends the answer early.
    ///
    /// - `logits`: of the last token of `prompt`, which the session has read
    /// - `on_text`: gets the answer as it grows
    pub(crate) fn answer(
        &self,
        session: &mut Session,
        prompt: &[u32],
        logits: Vec<f32>,
        on_text: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<Answer> {
        let mut receiver = TextReceiver { on_text, failure: None };
        let tokenizer = self.model.tokenizer();
        let answer = generate(session, tokenizer, prompt, logits, self.generation, |text| {
            let has_failed = receiver.take(text);
            if has_failed || self.interrupt.is_set() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        receiver.failure.map_or(Ok(answer), |error| Err(error.into()))
    }
}

/// Takes an answer's text until that fails once.
struct TextReceiver<F> {
    on_text: F,
    failure: Option<io::Error>,
}

impl<F: FnMut(&str) -> io::Result<()>> TextReceiver<F> {
    /// Whether this or an earlier text could not be taken. Later ones are not tried, since they
    /// would stand behind a gap.
    fn take(&mut self, text: &str) -> bool {
        if self.failure.is_none() {
            self.failure = (self.on_text)(text).err();
        }
        self.failure.is_some()
    }
}

/// Prints text to standard output at once. Nothing else goes there while an answer streams.
pub(crate) fn print_text(text: &str) -> io::Result<()> {
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
        let mut receiver = TextReceiver {
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
