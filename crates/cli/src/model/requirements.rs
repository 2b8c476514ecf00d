//! [`SessionRequirements`]: what a prompt and its answer take.

use minference_model::session::kv_cache::KvCompression;
use minference_model::{AttentionPlan, Compute};

/// What a session must have room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionRequirements<'a> {
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// Of these, tokens that are not read again.
    pub(crate) known: usize,
    /// Tokens of the answer, at most.
    pub(crate) max_tokens: usize,
    /// Tokens that are read at once, if not all.
    pub(crate) chunk: Option<usize>,
    /// What stays of the prompt's keys and values, if not all.
    pub(crate) compression: Option<KvCompression>,
    /// Which pattern each head gets.
    pub(crate) plan: &'a AttentionPlan,
    pub(crate) compute: &'a Compute,
}
