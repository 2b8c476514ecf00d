//! A model on this machine: finding its files, loading it, its patterns, and its memory.

mod folders;
mod loaded;
mod plan;
mod requirements;
mod resolve;

pub(crate) use folders::{cache_folder, pattern_cache};
pub(crate) use loaded::LoadedModel;
pub(crate) use plan::{NamedPlan, PatternFile};
pub(crate) use requirements::SessionRequirements;
pub(crate) use resolve::{cancellable, model_error, resolve_model};
