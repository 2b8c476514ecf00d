//! From files on disk to configurations and weights: every family, and files that are wrong.

mod builders;
#[path = "../support/changes.rs"]
mod changes;
mod gguf;
#[path = "../support/golden.rs"]
mod golden;
mod hostile_gguf;
mod hostile_safetensors;
mod hugging_face;
mod mistaken;
mod mutations;
mod real_models;
mod rope_fields;
mod split_gguf;
mod vocabulary_sizes;
