//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
//! What is here so far: [`rope`], the positions of tokens, with every scaling that the supported families use.

pub mod attention_plan;
pub mod compute;
pub mod config;
pub mod decoder;
mod error;
mod kernels;
pub mod kv_cache;
pub mod matrix;
pub mod memory;
pub mod rope;
pub mod session;
mod token_rows;
pub mod weights;

pub use attention_plan::AttentionPlan;
pub use compute::{Compute, ComputeOptions};
pub use config::ModelConfig;
pub use decoder::Decoder;
pub use error::{Error, Result};
pub use kv_cache::KvCache;
pub use matrix::Matrix;
pub use session::{PrefillOptions, Session, SessionOptions};
pub use weights::ModelWeights;
