//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
//! What is here so far: [`rope`], the positions of tokens, with every scaling that the supported families use; and text in and out:
//! [`tokenizer`], [`chat_template`], [`sampling`] and [`text_stream`].

pub mod chat_template;
pub mod config;
mod error;
pub mod matrix;
pub mod rope;
pub mod sampling;
pub mod text_stream;
pub mod tokenizer;
pub mod weights;

pub use chat_template::ChatTemplate;
pub use config::ModelConfig;
pub use error::{Error, Result};
pub use matrix::Matrix;
pub use sampling::{Sampler, SamplingOptions};
pub use text_stream::TextStream;
pub use tokenizer::Tokenizer;
pub use weights::ModelWeights;
