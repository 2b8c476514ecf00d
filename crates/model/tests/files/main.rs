//! From files on disk to configurations and weights: every family, and files that are wrong.

mod builders;
#[path = "../support/changes.rs"]
mod changes;
mod gguf;
mod hostile_gguf;
mod hostile_safetensors;
mod hugging_face;
mod mutations;
mod real_models;
mod rope_fields;
