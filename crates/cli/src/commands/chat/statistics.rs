//! What is in a chat's context, and what its last turn took.

use minference_eval::numbers::{count, duration, memory};
use minference_model::Session;
use minference_model::decoder::ForwardReport;
use minference_model::generation::Answer;
use std::fmt;
use std::time::Duration;

/// What reading a prompt took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReadingStatistics {
    /// Tokens that were there before.
    pub(super) reused: usize,
    /// Tokens that were read.
    pub(super) tokens: usize,
    pub(super) time: Duration,
    pub(super) report: ForwardReport,
}

/// What an answer took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AnswerStatistics {
    /// From the question to the answer's first token.
    first_token: Duration,
    tokens: usize,
    tokens_per_second: Option<f64>,
}

impl AnswerStatistics {
    /// - `before`: what passed between the question and the end of its reading
    pub(super) fn new(before: Duration, answer: &Answer) -> Self {
        Self {
            first_token: before + answer.first_token,
            tokens: answer.tokens.len(),
            tokens_per_second: answer.decode_tokens_per_second(),
        }
    }
}

/// All of it, for people.
pub(super) struct ChatStatistics<'a> {
    pub(super) session: &'a Session,
    /// The kind of attention, and what it stands for.
    pub(super) attention: String,
    /// What was said.
    pub(super) contents: String,
    pub(super) reading: Option<&'a ReadingStatistics>,
    pub(super) answering: Option<&'a AnswerStatistics>,
}

impl fmt::Display for ReadingStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        let (tokens, reused) = (count(self.tokens), count(self.reused));
        let share = 100.0 * self.report.computed_share();
        write!(
            f,
            "{tokens} tokens read in {}, {reused} reused; {share:.1} % of attention computed",
            duration(seconds)
        )
    }
}

impl fmt::Display for AnswerStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = duration(self.first_token.as_secs_f64());
        write!(f, "first token after {first}, {} tokens", count(self.tokens))?;
        self.tokens_per_second.map_or(Ok(()), |rate| write!(f, ", {rate:.1} tokens/s"))
    }
}

impl fmt::Display for ChatStatistics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tokens, capacity) = (self.session.tokens(), self.session.capacity());
        writeln!(
            f,
            "context       {} of {} tokens, room for {}",
            count(tokens),
            count(capacity),
            count(capacity - tokens)
        )?;
        let cache = self.session.cache();
        let [bytes, full] = [cache.bytes(), cache.full_bytes()].map(|bytes| memory(bytes as u64));
        match cache.compressed_tokens() {
            0 => writeln!(f, "cache         {bytes} of keys and values")?,
            _ => writeln!(f, "cache         {bytes} of {full} of keys and values")?,
        }
        writeln!(f, "conversation  {}", self.contents)?;
        writeln!(f, "attention     {}", self.attention)?;
        if let Some(reading) = self.reading {
            writeln!(f, "last reading  {reading}")?;
        }
        if let Some(answering) = self.answering {
            writeln!(f, "last answer   {answering}")?;
        }
        Ok(())
    }
}
