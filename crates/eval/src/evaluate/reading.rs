//! [`SampleReader`]: one method's way through the questions of a sample, as the protocol wants it.

use super::encoded::EncodedSample;
use super::{CompressionTime, Evaluation, Protocol, SessionMode};
use crate::error::{Error, Result};
use crate::methods::Variant;
use crate::results::{AnswerSeconds, CacheBytes};
use minference_attention::Progress;
use minference_model::decoder::{Forward, ForwardReport};
use minference_model::session::kv_cache::KvCompression;
use minference_model::{AttentionPlan, PrefillOptions, Session, SessionOptions};
use std::sync::Arc;
use std::time::Instant;

/// What is read before the first question, and when the cache is compressed.
#[derive(Debug, PartialEq)]
struct ReadingPlan {
    /// Tokens.
    beginning: usize,
    /// When these were read.
    at_beginning: Option<KvCompression>,
    /// When a question was read.
    at_question: Option<KvCompression>,
}

impl ReadingPlan {
    fn of(compression: Option<KvCompression>, protocol: Protocol, encoded: &EncodedSample) -> Self {
        let beginning = match (protocol.compression, protocol.session) {
            (CompressionTime::Context, _) if compression.is_some() => encoded.context,
            // as many queries choose as would for a single question
            (_, SessionMode::Requests) => {
                encoded.shared_before(compression.map_or(0, |c| c.voting_queries()))
            }
            // the first question belongs to what is read first
            (_, SessionMode::Turns) => 0,
        };
        let is_early = protocol.compression == CompressionTime::Context && beginning > 0;
        Self {
            beginning,
            at_beginning: compression.filter(|_| is_early),
            at_question: compression.filter(|_| !is_early),
        }
    }

    /// Reads nothing in advance where positions depend on the length, and would be others than
    /// those of a prompt that is read as a whole. What is compressed before a question is known is
    /// read before it in any case.
    ///
    /// - `same`: whether positions are the same at two lengths
    fn for_positions(self, prompts: &[Vec<u32>], same: impl Fn(usize, usize) -> bool) -> Self {
        let keeps = self.at_beginning.is_some() || prompts.iter().all(|p| same(self.beginning, p.len()));
        if keeps { self } else { Self { beginning: 0, ..self } }
    }
}

/// Reads the prompts of a sample, one after the other.
pub(super) struct SampleReader<'a> {
    encoded: &'a EncodedSample,
    session_mode: SessionMode,
    reading: ReadingPlan,
    /// Without compression.
    options: PrefillOptions,
    /// Has read what all questions share, or the turns so far.
    session: Session,
    /// Of that.
    report: ForwardReport,
    /// Seconds for what was read before the first question, divided among all.
    context_seconds: f64,
}

/// A session that has read a question.
pub(super) struct QuestionRead<'a> {
    pub(super) session: SessionAfter<'a>,
    pub(super) logits: Vec<f32>,
    /// Of all that was read for it.
    pub(super) report: ForwardReport,
    pub(super) cache: CacheBytes,
    /// Of context and question, copies of the cache included.
    pub(super) seconds: AnswerSeconds,
}

/// The reader's session, or one that is forked for a single question.
pub(super) enum SessionAfter<'a> {
    Kept(&'a mut Session),
    Forked(Box<Session>),
}

impl SessionAfter<'_> {
    pub(super) fn get(&mut self) -> &mut Session {
        match self {
            Self::Kept(session) => session,
            Self::Forked(session) => session,
        }
    }
}

impl<'a> SampleReader<'a> {
    /// Reads what comes before the first question.
    pub(super) fn new(
        evaluation: &Evaluation<'_>,
        encoded: &'a EncodedSample,
        variant: &Variant,
        plan: AttentionPlan,
    ) -> Result<Self> {
        let EncodedSample { sample, prompts, .. } = encoded;
        let needed = prompts.iter().zip(&sample.questions).map(|(prompt, q)| prompt.len() + q.max_tokens);
        let options = SessionOptions { capacity: needed.max().unwrap_or(1), cache: evaluation.cache };
        let decoder = evaluation.model.decoder();
        let reading = ReadingPlan::of(variant.compression, evaluation.protocol, encoded);
        let reading = reading.for_positions(prompts, |begin, end| decoder.config().same_angles(begin, end));
        let progress: Arc<dyn Progress> = evaluation.progress.clone();
        let mut reader = Self {
            encoded,
            session_mode: evaluation.protocol.session,
            reading,
            options: PrefillOptions {
                plan,
                chunk: variant.chunk,
                compression: None,
                progress: Some(progress),
            },
            session: Session::new(decoder.clone(), evaluation.compute.clone(), options)?,
            report: ForwardReport::default(),
            context_seconds: 0.0,
        };
        let start = Instant::now();
        if reader.reading.beginning > 0 {
            let options =
                PrefillOptions { compression: reader.reading.at_beginning, ..reader.options.clone() };
            let beginning = &prompts[0][..reader.reading.beginning];
            reader.report = reader.session.prefill(beginning, &options)?.report;
            reader.context_seconds = start.elapsed().as_secs_f64() / prompts.len() as f64;
        }
        Ok(reader)
    }

    /// Reads a question; those before it have been read.
    pub(super) fn read(&mut self, question: usize) -> Result<QuestionRead<'_>> {
        let prompt = &self.encoded.prompts[question];
        let is_turn = self.session_mode == SessionMode::Turns;
        let known = match question.checked_sub(1) {
            Some(before) if is_turn => self.back_to_turn(before, prompt)?,
            _ => {
                self.session.truncate(self.reading.beginning)?;
                self.check_positions(prompt)?;
                self.reading.beginning
            }
        };
        // of a conversation the first prompt chooses
        let compression = self.reading.at_question.filter(|_| !is_turn || question == 0);
        // what all questions share is not needed after the last one
        let is_last = question + 1 == self.encoded.prompts.len();
        let start = Instant::now();
        let mut session = if compression.is_some() && known > 0 && !is_turn && !is_last {
            SessionAfter::Forked(Box::new(self.session.fork()?))
        } else {
            SessionAfter::Kept(&mut self.session)
        };
        let options = PrefillOptions { compression, ..self.options.clone() };
        let Forward { logits, report: of_question } = session.get().prefill(&prompt[known..], &options)?;
        let question_seconds = start.elapsed().as_secs_f64();
        let mut report = self.report.clone();
        report.add(&of_question);
        if is_turn {
            self.report = report.clone();
        }
        let cache = CacheBytes::of(session.get().cache());
        let seconds = AnswerSeconds {
            context: self.context_seconds,
            question: question_seconds,
            ..AnswerSeconds::default()
        };
        Ok(QuestionRead { session, logits, report, cache, seconds })
    }

    /// Refuses a prompt for which what was compressed would have to be read again, and to be
    /// compressed by other queries.
    fn check_positions(&self, prompt: &[u32]) -> Result<()> {
        let (config, read) = (self.session.decoder().config(), self.session.tokens());
        if self.session.cache().compressed_tokens() == 0 || config.keeps(read, prompt.len()) {
            return Ok(());
        }
        let what = format!("the length of sample {}", self.encoded.sample.name);
        let expected = format!(
            "all of it on one side of {} tokens, where this model's positions change, as what was compressed before can't be kept",
            config.least_length_alike(prompt.len())
        );
        Err(Error::choice(what, expected, format!("{read} tokens, then {}", prompt.len())))
    }

    /// Forgets the model's own answer to an earlier turn. Gives the tokens of a prompt that need
    /// not be read again.
    fn back_to_turn(&mut self, before: usize, prompt: &[u32]) -> Result<usize> {
        self.session.truncate(self.encoded.prompts[before].len())?;
        self.check_positions(prompt)?;
        let compressed = self.session.cache().compressed_tokens();
        let known = self.session.reuse(prompt)?;
        if known < compressed {
            let what = format!("turns of sample {}", self.encoded.sample.name);
            let expected = "a prompt template that repeats an earlier turn as it was read, as what was dropped of it can't be read \
                            again; or --session requests";
            return Err(Error::choice(what, expected, "one that changes it"));
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::CompressionKind;
    use crate::sample::TaskSample;

    fn encoded(shared: usize, context: usize) -> EncodedSample {
        let sample = TaskSample {
            name: "s".into(),
            task: "t".into(),
            length: 9,
            context: String::new(),
            questions: vec![],
        };
        EncodedSample { sample, prompts: vec![vec![0; 130], vec![0; 100]], shared, context }
    }

    #[test]
    fn what_all_share_is_read_before_questions_that_keep_its_positions() {
        let encoded = encoded(60, 50);
        let reading = |compression, time| {
            let protocol = Protocol { session: SessionMode::Requests, compression: time };
            ReadingPlan::of(compression, protocol, &encoded)
        };
        let snap = Some(CompressionKind::SnapKv.with_capacity(64).unwrap());
        // prompts of 130 and 100 tokens; another encoding from a length on
        let beginning = |reading: ReadingPlan, border: usize| {
            let same = |a: usize, b: usize| (a > border) == (b > border);
            reading.for_positions(&encoded.prompts, same).beginning
        };
        for (border, expected) in [(59, 60), (60, 0), (99, 0), (129, 0), (130, 60)] {
            assert_eq!(beginning(reading(None, CompressionTime::Prompt), border), expected, "{border}");
        }
        assert_eq!(beginning(reading(snap, CompressionTime::Context), 99), 50);
    }

    #[test]
    fn compression_comes_when_the_protocol_says_so() {
        let snap = Some(CompressionKind::SnapKv.with_capacity(64).unwrap());
        let reading = |compression, session, time, encoded: &EncodedSample| {
            let reading = ReadingPlan::of(compression, Protocol { session, compression: time }, encoded);
            (reading.beginning, reading.at_beginning.is_some(), reading.at_question.is_some())
        };
        let (several, alike) = (encoded(60, 50), encoded(95, 50));
        let (single, whole) = (encoded(0, 50), encoded(0, 0));
        use CompressionTime::{Context, Prompt};
        use SessionMode::{Requests, Turns};
        // without compression its time does not matter
        for time in CompressionTime::ALL {
            assert_eq!(reading(None, Requests, time, &several), (60, false, false));
            assert_eq!(reading(None, Turns, time, &several), (0, false, false));
        }
        // before anything of a question was seen
        assert_eq!(reading(snap, Requests, Context, &several), (50, true, false));
        assert_eq!(reading(snap, Turns, Context, &several), (50, true, false));
        assert_eq!(reading(snap, Requests, Prompt, &several), (60, false, true));
        assert_eq!(reading(snap, Turns, Prompt, &several), (0, false, true));
        // questions that differ in their last 5 tokens only: all 32 queries vote, but where none do
        assert_eq!(reading(None, Requests, Prompt, &alike), (95, false, false));
        assert_eq!(reading(snap, Requests, Prompt, &alike), (100 - 32, false, true));
        let streaming = Some(CompressionKind::StreamingLlm.with_capacity(64).unwrap());
        assert_eq!(reading(streaming, Requests, Prompt, &alike), (95, false, true));
        // a single question is read as a whole, unless it is to be known later
        for session in [Requests, Turns] {
            assert_eq!(reading(None, session, Context, &single), (0, false, false));
            assert_eq!(reading(snap, session, Context, &single), (50, true, false));
            assert_eq!(reading(snap, session, Prompt, &single), (0, false, true));
            // or its text can't be told apart
            assert_eq!(reading(snap, session, Context, &whole), (0, false, true));
        }
    }
}
