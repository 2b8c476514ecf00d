//! [`Needle`]: facts in a long text, and a question about each: a grid of lengths, depths and
//! rounds.
//!
//! With one needle, each point of the grid is a text with one fact at that depth. With several, a
//! text holds them all, one at each depth, and each is asked for; the text is read once.
//!
//! ```
//! use minference_eval::sample::SampleSource;
//! use minference_eval::tasks::needle::{Needle, NeedleOptions};
//!
//! let options = NeedleOptions { lengths: vec![4096, 8192], depths: vec![0.1, 0.5, 0.9], rounds: 2, ..NeedleOptions::default() };
//! let single = Needle::new(NeedleOptions { needles: 1, ..options.clone() })?;
//! assert_eq!(single.names().len(), 2 * 3 * 2);
//! assert_eq!(single.names()[0], "1 needle/4096/0.1/0");
//! // five in a text, at depths from 0.1 to 0.9
//! let several = Needle::new(NeedleOptions { needles: 5, depths: vec![], ..options })?;
//! assert_eq!(several.names(), ["5 needles/4096/0", "5 needles/4096/1", "5 needles/8192/0", "5 needles/8192/1"]);
//! # Ok::<(), minference_eval::Error>(())
//! ```

use crate::error::{Error, Result};
use crate::evaluate::SessionMode;
use crate::haystack::{Haystack, HaystackOptions, HaystackStyle};
use crate::prompt::PromptEncoder;
use crate::sample::{AnsweredMessage, Question, QuestionPrompt, SampleSource, TaskSample};
use crate::scoring::Scoring;
use minference_model::files::Fingerprint;
use std::collections::BTreeMap;

/// Longest answer: a sentence.
const ANSWER_TOKENS: usize = 24;
/// Facts that a text can hold.
const MOST_FACTS: usize = 24;
/// Texts of a run at most.
const MOST_TEXTS: usize = 1_000_000;
/// Least length of a prompt: a question, and a few sentences.
const LEAST: usize = 256;

/// What the text around the facts is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum NeedleText {
    /// Lines of a server's log.
    Log,
    /// English sentences.
    Prose,
    /// Sentences of a text, with a name for it.
    #[cfg_attr(feature = "clap", value(skip))]
    File {
        /// Such as the file's name.
        name: String,
        /// The text.
        text: String,
    },
}

impl NeedleText {
    /// The text's style.
    pub fn style(&self) -> HaystackStyle<'_> {
        match self {
            Self::Log => HaystackStyle::Log,
            Self::Prose => HaystackStyle::Prose,
            Self::File { text, .. } => HaystackStyle::Text(text),
        }
    }
}

/// What to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NeedleOptions {
    /// Lengths of prompts with their answers, in tokens; in turns of whole conversations.
    pub lengths: Vec<usize>,
    /// Depths, 0 to 1. For several needles as many as these, or none: then evenly spread from 0.1
    /// to 0.9.
    pub depths: Vec<f64>,
    /// Texts of each length and depth (for several needles of each length).
    pub rounds: usize,
    /// Facts in a text that are asked for.
    pub needles: usize,
    /// Facts of the same form that no question asks for; each makes the task harder.
    pub similar: usize,
    /// What stands around them.
    pub text: NeedleText,
    /// Another seed makes other texts.
    pub seed: u64,
    /// How the questions will follow each other.
    pub session: SessionMode,
}

impl Default for NeedleOptions {
    fn default() -> Self {
        Self {
            lengths: vec![4096],
            depths: vec![],
            rounds: 1,
            needles: 5,
            similar: 0,
            text: NeedleText::Prose,
            seed: 0,
            session: SessionMode::default(),
        }
    }
}

/// The task.
#[derive(Debug, Clone)]
pub struct Needle {
    options: NeedleOptions,
}

/// A place of the grid.
#[derive(Debug, Clone, Copy)]
struct NeedlePlace {
    length: usize,
    /// None for several needles, which lie at all depths.
    depth: Option<f64>,
    round: usize,
}

impl Needle {
    /// # Errors
    /// [`Error::Choice`] for what makes no texts, or none that could hold what they should.
    pub fn new(mut options: NeedleOptions) -> Result<Self> {
        let refused = |what: &str, expected: String, found: String| Err(Error::choice(what, expected, found));
        if let Some(length) = options.lengths.iter().find(|&&length| length < LEAST) {
            return refused("length", format!("at least {LEAST} tokens"), length.to_string());
        }
        if options.lengths.is_empty() || options.rounds == 0 {
            return refused("grid", "at least one length and one round".into(), "none".into());
        }
        if let Some(depth) = options.depths.iter().find(|depth| !(0.0..=1.0).contains(*depth)) {
            return refused("depth", "0 to 1".into(), depth.to_string());
        }
        let facts = options.needles.saturating_add(options.similar);
        if options.needles == 0 || facts > MOST_FACTS {
            let expected = format!("1 to {MOST_FACTS}, similar facts included");
            return refused("needles", expected, facts.to_string());
        }
        if options.depths.is_empty() {
            options.depths = spread(options.needles);
        }
        if options.needles > 1 && options.depths.len() != options.needles {
            let expected = format!("{}, one for each needle, or none given", options.needles);
            return refused("depths", expected, options.depths.len().to_string());
        }
        let depths = if options.needles == 1 { options.depths.len() } else { 1 };
        let texts = options.lengths.len().saturating_mul(options.rounds).saturating_mul(depths);
        if texts > MOST_TEXTS {
            return refused("grid", format!("at most {MOST_TEXTS} texts"), texts.to_string());
        }
        if let NeedleText::File { name, text } = &options.text
            && text.trim().is_empty()
        {
            return refused(name, "a text".into(), "nothing".into());
        }
        Ok(Self { options })
    }

    /// What makes its samples what they are, beyond their names.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let text = match &self.options.text {
            NeedleText::Log => "log".into(),
            NeedleText::Prose => "prose".into(),
            NeedleText::File { name, text } => format!("{name} ({})", Fingerprint::of_bytes(text.as_bytes())),
        };
        let depths: Vec<String> = self.options.depths.iter().map(ToString::to_string).collect();
        let mut settings = BTreeMap::from([
            ("text".to_string(), text),
            ("similar facts".into(), self.options.similar.to_string()),
            ("seed".into(), self.options.seed.to_string()),
        ]);
        if self.options.needles > 1 {
            settings.insert("depths".into(), depths.join(" "));
        }
        if self.options.session == SessionMode::Turns {
            settings.insert("length of turns".into(), "that of the whole conversation".into());
        }
        settings
    }

    fn places(&self) -> Vec<NeedlePlace> {
        let NeedleOptions { lengths, depths, rounds, needles, .. } = &self.options;
        let depths: Vec<Option<f64>> =
            if *needles == 1 { depths.iter().copied().map(Some).collect() } else { vec![None] };
        let mut places = Vec::new();
        for &length in lengths {
            for &depth in &depths {
                places.extend((0..*rounds).map(|round| NeedlePlace { length, depth, round }));
            }
        }
        places
    }

    /// Questions that are read with the text before the last one is answered, that one included.
    fn turns(&self) -> usize {
        match self.options.session {
            SessionMode::Requests => 1,
            SessionMode::Turns => self.options.needles,
        }
    }

    /// All that is read but the text with the facts.
    fn around_text(&self) -> QuestionPrompt {
        const QUESTION: &str = "What is the access code of the Helsinki office?";
        // the first one stands where the text ends
        let mut messages = vec![format!("\n{QUESTION}")];
        messages.resize(self.turns(), QUESTION.to_string());
        let user = messages.pop().unwrap_or_default();
        let answered =
            messages.into_iter().map(|user| AnsweredMessage { user, answer: " 4711".into() }).collect();
        QuestionPrompt::Conversation { answered, user, answer_prefix: String::new() }
    }

    fn name(&self, place: NeedlePlace) -> String {
        let needles = self.options.needles;
        let task = if needles == 1 { "1 needle".into() } else { format!("{needles} needles") };
        match place.depth {
            Some(depth) => format!("{task}/{}/{depth}/{}", place.length, place.round),
            None => format!("{task}/{}/{}", place.length, place.round),
        }
    }
}

/// A question after a text.
fn ask(text: &str, question: &str) -> QuestionPrompt {
    QuestionPrompt::Asked { user: format!("{text}\n{question}"), answer_prefix: String::new() }
}

/// Depths from 0.1 to 0.9; a single one in the middle.
fn spread(number: usize) -> Vec<f64> {
    match number {
        1 => vec![0.5],
        // rounded, as they stand in names
        _ => {
            (0..number).map(|i| ((0.1 + 0.8 * i as f64 / (number - 1) as f64) * 1e4).round() / 1e4).collect()
        }
    }
}

impl SampleSource for Needle {
    fn names(&self) -> Vec<String> {
        self.places().into_iter().map(|place| self.name(place)).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<TaskSample> {
        let place = self.places()[number];
        let name = self.name(place);
        let task = name.split('/').next().unwrap_or_default().to_string();
        let depths: Vec<f32> = match place.depth {
            Some(depth) => vec![depth as f32],
            None => self.options.depths.iter().map(|&depth| depth as f32).collect(),
        };
        // a question's tokens are about the same for all; a few are left for those that have more
        const SLACK: usize = 8;
        let around = encoder.count(&self.around_text())?;
        let options = HaystackOptions {
            style: self.options.text.style(),
            tokens: place.length.saturating_sub(around + ANSWER_TOKENS + SLACK * self.turns()),
            depths: &depths,
            similar_facts: self.options.similar,
            // the name says all that makes a sample another one
            seed: self.options.seed ^ Fingerprint::of_bytes(name.as_bytes()).as_u64(),
        };
        let haystack = Haystack::generate(&options, |text| encoder.count_text(text))?;
        if haystack.tokens > options.tokens {
            let expected =
                format!("at most {} tokens for facts and text; ask for longer prompts", options.tokens);
            return Err(Error::choice(format!("sample {name}"), expected, haystack.tokens));
        }
        let context = format!("{}\n", haystack.text);
        let questions = haystack.facts.iter().map(|fact| Question {
            prompt: ask(&haystack.text, &fact.question),
            references: vec![fact.answer.clone()],
            scoring: Scoring::Word,
            max_tokens: ANSWER_TOKENS,
            // as it was asked for, not as an f32 shows it
            depth: Some((f64::from(fact.depth) * 1e4).round() / 1e4),
        });
        Ok(TaskSample { questions: questions.collect(), name, task, length: place.length, context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_that_make_no_sense_are_refused() {
        let refused = |change: &dyn Fn(&mut NeedleOptions), part: &str| {
            let mut options = NeedleOptions::default();
            change(&mut options);
            let error = Needle::new(options).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(&|options| options.lengths = vec![], "at least one length");
        refused(&|options| options.lengths = vec![10], "at least 256");
        refused(&|options| options.rounds = 0, "one round");
        refused(&|options| options.rounds = usize::MAX, "at most 1000000 texts");
        refused(&|options| options.needles = 0, "1 to 24");
        refused(&|options| options.similar = 20, "found 25");
        refused(&|options| options.depths = vec![0.5], "one for each needle");
        refused(&|options| options.depths = vec![f64::NAN], "NaN");
        refused(
            &|options| options.text = NeedleText::File { name: "a.txt".into(), text: " ".into() },
            "a.txt",
        );
    }

    #[test]
    fn depths_are_spread_evenly() {
        assert_eq!(spread(1), [0.5]);
        assert_eq!(spread(5), [0.1, 0.3, 0.5, 0.7, 0.9]);
    }
}
