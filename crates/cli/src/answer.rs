//! Reading a prompt and answering it, and what that took.
//!
//! | file | what it holds |
//! |---|---|
//! | `timed` | one answer: the prompt is read, the answer streams, times are kept |
//! | `generator` | the tokens of an answer |
//! | `context_file` | what was read is saved, and a later prompt goes on from there |
//! | `comparison`, `summary` | what it took, for programs and for people |

mod comparison;
mod context_file;
mod generator;
mod summary;
mod timed;

pub(crate) use comparison::Comparison;
pub(crate) use context_file::{
    DATE, EarlierCompression, ReusedContext, SavedContext, begin, check_target, date_of, save,
};
pub(crate) use generator::{AnswerGenerator, print_text};
pub(crate) use summary::{print_summary, print_truncation};
pub(crate) use timed::{AnswerRequest, PromptCache, TimedAnswer, answer_prompt, read_prompt};
