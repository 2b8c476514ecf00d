//! Llama-like language models, for prompts whose attention the crate `minference-attention`
//! computes sparsely.
//!
//! ```text
//! file or folder --Model--> Tokenizer --tokens--> Session --prefill, decode--> logits --Sampler, TextStream--> answer
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | everything that a file or folder holds, ready to answer |
//! | [`files`] | GGUF files, and Hugging Face folders with safetensors; families as data |
//! | [`text`] | tokenizers, chat templates, streams of text |
//! | [`device`] | what a model runs on: threads, kernels, weights as they are stored |
//! | [`decoder`] | the one transformer that all families share: its configuration, weights and positions |
//! | [`session`] | a prompt that was read, and going on from there; its keys and values; the same in a file |
//! | [`patterns`] | which pattern each head gets, the file that says so, and the search that finds it |
//! | [`generation`] | logits to tokens: sampling, and the loop that answers |
//! | [`memory`] | how much memory it takes |

pub mod decoder;
pub mod device;
mod error;
pub mod files;
pub mod generation;
pub mod memory;
pub mod model;
pub mod patterns;
pub mod session;
pub mod text;

pub use decoder::Decoder;
pub use decoder::config::ModelConfig;
pub use decoder::weights::ModelWeights;
pub use device::compute::{Compute, ComputeOptions, MatmulArithmetic};
pub use device::matrix::Matrix;
pub use error::{Error, Result};
pub use files::ModelFiles;
pub use generation::sampling::{Sampler, SamplingOptions};
pub use model::Model;
pub use patterns::plan::AttentionPlan;
pub use session::context_file::ContextFile;
pub use session::kv_cache::{CacheFormat, KvCache};
pub use session::{PrefillOptions, Session, SessionOptions};
pub use text::chat_template::ChatTemplate;
pub use text::text_stream::TextStream;
pub use text::tokenizer::Tokenizer;

/// The programs of the documentation's page about the library, which are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/library.md")]
mod library_page {}
