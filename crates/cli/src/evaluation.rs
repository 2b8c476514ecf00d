//! What evaluations and the prefill benchmark share: setting up, and tables of what was found.

mod setup;
mod tables;

pub(crate) use setup::EvaluationSetup;
pub(crate) use tables::{print_answers, print_latency, print_perplexity};
