//! Llama-like language models, for prompts whose attention [`minference-attention`] computes sparsely.
//!
//! What is here so far: [`rope`], the positions of tokens, with every scaling that the supported families use.
//!
//! [`minference-attention`]: https://arxiv.org/abs/2407.02490

mod error;
pub mod rope;

pub use error::{Error, Result};
