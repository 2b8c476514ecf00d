//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
//! What is here so far: [`rope`], the positions of tokens, with every scaling that the supported families use.

pub mod config;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod haystack;
pub mod matrix;
pub mod rope;
pub mod weights;

pub use config::ModelConfig;
pub use error::{Error, Result};
pub use matrix::Matrix;
pub use weights::ModelWeights;
