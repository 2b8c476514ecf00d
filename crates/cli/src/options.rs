//! Options that commands share: one concept per file, with the checks of its values.
//!
//! | file | what it holds |
//! |---|---|
//! | `model`, `rope` | which model, and how far it may read |
//! | `machine` | threads, instruction set, arithmetic |
//! | `prompt`, `chat_template` | where the prompt comes from, and the variables of its template |
//! | `attention` | what the tokens of a prompt attend to |
//! | `kv_compression` | what stays of the keys and values |
//! | `answer` | length and sampling of an answer |
//! | `answering` | what `run` and `chat` share: all that lies between prompt and answer |
//! | `context_file` | where a context is saved, and where it comes from |
//! | `evaluation`, `variants` | model, methods and results of an evaluation |
//! | `length`, `head`, `repeats`, `numbers`, `choice` | single values |
//! | `usage` | errors that are wrong options |

mod answer;
mod answering;
mod attention;
mod chat_template;
mod choice;
mod context_file;
mod evaluation;
mod head;
mod kv_compression;
mod length;
mod machine;
mod model;
pub(crate) mod numbers;
mod prompt;
mod repeats;
mod rope;
pub(crate) mod usage;
mod variants;

pub(crate) use answer::AnswerOptions;
pub(crate) use answering::{AnswerSettings, AnsweringOptions};
pub(crate) use attention::{AttentionKind, AttentionOptions};
pub(crate) use chat_template::ChatTemplateOptions;
pub(crate) use choice::{choice_or, spelling};
pub(crate) use context_file::ContextOptions;
pub(crate) use evaluation::{EvaluationOptions, check_template};
pub(crate) use head::parse_head;
pub(crate) use kv_compression::{
    KvCompressionOptions, KvCompressionSizes, KvKind, kv_kind_name, parse_kv_kind,
};
pub(crate) use length::{Length, sorted_lengths};
pub(crate) use machine::{MachineOptions, MatmulOptions};
pub(crate) use model::ModelOptions;
pub(crate) use prompt::PromptOptions;
pub(crate) use repeats::check_repeats;
pub(crate) use rope::RopeOptions;
pub(crate) use usage::{UsageError, checked};
pub(crate) use variants::VariantOptions;
