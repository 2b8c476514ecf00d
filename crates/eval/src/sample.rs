//! [`TaskSample`]: a long context, the questions about it, and what a right answer holds.
//!
//! A task of an evaluation is a [`SampleSource`]: it knows the names of its samples beforehand, so
//! that a run that goes on skips those it has, and makes each when it is needed.
//!
//! ```
//! use minference_eval::sample::{QuestionPrompt, Question, TaskSample};
//! use minference_eval::scoring::Scoring;
//!
//! const CONTEXT: &str = "Oslo has code 1234, Turin 5678.\n";
//! let ask = |place: &str, code: &str| Question {
//!     prompt: QuestionPrompt::Asked {
//!         user: format!("{CONTEXT}What is the code of {place}?"),
//!         answer_prefix: String::new(),
//!     },
//!     references: vec![code.into()],
//!     scoring: Scoring::Word,
//!     max_tokens: 8,
//!     depth: None,
//! };
//! // The two prompts begin alike. What they share is read once.
//! let sample = TaskSample {
//!     name: "4096/0".into(),
//!     task: "codes".into(),
//!     length: 4096,
//!     context: CONTEXT.into(),
//!     questions: vec![ask("Oslo", "1234"), ask("Turin", "5678")],
//! };
//! assert_eq!(sample.questions[1].scoring.score("It is 5678.", &sample.questions[1].references), 1.0);
//! ```

use crate::error::Result;
use crate::prompt::PromptEncoder;
use crate::scoring::Scoring;

/// What a model reads before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionPrompt {
    /// A message of a user, which the template puts into its form.
    Asked {
        /// The message: the context, and then the question.
        user: String,
        /// How the answer begins; the model goes on from there. Often empty.
        answer_prefix: String,
    },
    /// A message of a user after some that were answered: examples of how to answer, or earlier
    /// turns.
    Conversation {
        /// The earlier messages.
        answered: Vec<AnsweredMessage>,
        /// The message to answer.
        user: String,
        /// How the answer begins.
        answer_prefix: String,
    },
    /// A text as it stands: it already holds the form it needs.
    Raw(String),
    /// A text that a template was written into: names of special tokens in it are special tokens.
    Rendered(String),
}

/// A message of a user, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredMessage {
    /// The message.
    pub user: String,
    /// The whole answer, as it goes on from the message: with white space at its beginning where
    /// there should be some.
    pub answer: String,
}

impl QuestionPrompt {
    /// The same form around a context without a question.
    pub(crate) fn of_context(&self, context: &str) -> Self {
        let (user, answer_prefix) = (context.to_string(), String::new());
        match self {
            Self::Asked { .. } => Self::Asked { user, answer_prefix },
            Self::Conversation { answered, .. } => {
                Self::Conversation { answered: answered.clone(), user, answer_prefix }
            }
            Self::Raw(_) => Self::Raw(user),
            Self::Rendered(_) => Self::Rendered(user),
        }
    }
}

/// One question about a context, with the context.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// All that is read.
    pub prompt: QuestionPrompt,
    /// What right answers hold; at least one.
    pub references: Vec<String>,
    /// How an answer is judged.
    pub scoring: Scoring,
    /// Longest answer, in tokens.
    pub max_tokens: usize,
    /// Where in the context the answer lies, 0 to 1, if it lies in one place.
    pub depth: Option<f64>,
}

/// Questions whose prompts begin alike: the tokens that they share are read once.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSample {
    /// Its name, which no other sample of the run has. It says what the sample was made of, so that
    /// a rerun finds it again.
    pub name: String,
    /// The task that it belongs to, such as `niah_single_1`.
    pub task: String,
    /// The length that was asked for, in tokens: prompts are no longer. (For samples from files the
    /// length of the prompt.)
    pub length: usize,
    /// What the messages of all questions begin with, and is known before any of them is; empty
    /// where a single prompt is not divided.
    pub context: String,
    /// The questions; at least one.
    pub questions: Vec<Question>,
}

impl TaskSample {
    /// A sample of a single question, of whose prompt no part is known to be the context.
    pub(crate) fn of_question(name: String, task: &str, length: usize, question: Question) -> Self {
        Self { name, task: task.into(), length, context: String::new(), questions: vec![question] }
    }
}

/// Makes samples, one at a time.
pub trait SampleSource {
    /// The names of all samples, in their order.
    fn names(&self) -> Vec<String>;

    /// Makes a sample, whose name must be that of its place in [`names`](Self::names).
    ///
    /// - `number`: its place
    /// - `encoder`: counts tokens
    ///
    /// # Errors
    /// Texts that can't be made as they should, files that can't be read.
    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<TaskSample>;
}
