//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
<<<<<<< HEAD
//! ```text
//! file or folder --ModelFiles--> ModelConfig and ModelWeights --Decoder--> Session --prefill, decode--> logits
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | files: GGUF, and Hugging Face folders with safetensors; families as data |
//! | [`config`], [`weights`], [`matrix`] | a model as the decoder wants it, whatever file it came from |
//! | [`decoder`] | the one transformer that all families share |
//! | [`session`], [`kv_cache`] | a prompt that was read, and going on from there |
//! | [`attention_plan`] | which pattern each head gets |
//! | [`rope`] | positions of tokens, with every scaling that the families use |
//! | `fetch` (a feature) | models by name, from the Hub or a package |
//! | [`compute`], [`memory`] | what it runs on, and how much memory it takes |

pub mod attention_plan;
pub mod compute;
=======
//! What is here so far: [`rope`], the positions of tokens, with every scaling that the supported families use; and text in and out:
//! [`tokenizer`], [`chat_template`], [`sampling`] and [`text_stream`].

pub mod chat_template;
>>>>>>> text
pub mod config;
pub mod decoder;
mod error;
mod families;
#[cfg(feature = "fetch")]
pub mod fetch;
mod kernels;
pub mod kv_cache;
pub mod matrix;
pub mod memory;
pub mod rope;
<<<<<<< HEAD
pub mod session;
pub mod source;
mod token_rows;
pub mod weights;

pub use attention_plan::AttentionPlan;
pub use compute::{Compute, ComputeOptions};
=======
pub mod sampling;
pub mod text_stream;
pub mod tokenizer;
pub mod weights;

pub use chat_template::ChatTemplate;
>>>>>>> text
pub use config::ModelConfig;
pub use decoder::Decoder;
pub use error::{Error, Result};
pub use kv_cache::KvCache;
pub use matrix::Matrix;
<<<<<<< HEAD
pub use session::{PrefillOptions, Session, SessionOptions};
pub use source::ModelFiles;
=======
pub use sampling::{Sampler, SamplingOptions};
pub use text_stream::TextStream;
pub use tokenizer::Tokenizer;
>>>>>>> text
pub use weights::ModelWeights;
