//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
//! What is here so far: [`rope`], the positions of tokens, with every scaling that the supported families use.

mod error;
pub mod rope;

pub use error::{Error, Result};
