//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
//! What is here so far: [`source`], from files to a configuration and weights; [`rope`], the positions of tokens, with every
//! scaling that the supported families use.

pub mod config;
mod error;
mod families;
pub mod matrix;
pub mod rope;
pub mod source;
pub mod weights;

pub use config::ModelConfig;
pub use error::{Error, Result};
pub use matrix::Matrix;
pub use source::ModelFiles;
pub use weights::ModelWeights;
