//! Llama-like language models, for prompts whose attention the crate `minference-attention` computes sparsely.
//!
//! ```text
//! file or folder --Model--> Tokenizer --tokens--> Session --prefill, decode--> logits --Sampler, TextStream--> answer
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | everything that a file or folder holds, ready to answer |
//! | [`source`] | files: GGUF, and Hugging Face folders with safetensors; families as data |
//! | [`config`], [`weights`], [`matrix`] | a model as the decoder wants it, whatever file it came from |
//! | [`decoder`] | the one transformer that all families share |
//! | [`session`], [`kv_cache`] | a prompt that was read, and going on from there |
//! | [`context_file`] | the same in a file |
//! | [`attention_plan`], [`pattern_files`] | which pattern each head gets, and the file that says so |
//! | [`pattern_search`] | finding the patterns of a model |
//! | [`layer_walk`] | looking at each layer's attention |
//! | [`rope`] | positions of tokens, with every scaling that the families use |
//! | [`tokenizer`], [`chat_template`], [`byte_order_mark`] | text to tokens |
//! | [`generate`], [`sampling`], [`logits`], [`text_stream`] | logits to tokens, and tokens to text |
//! | [`haystack`] | long prompts of our own making, with a fact to find |
//! | `fetch` (a feature) | models by name, from the Hub or a package |
//! | [`compute`], [`memory`] | what it runs on, and how much memory it takes |

pub mod attention_plan;
pub mod byte_order_mark;
pub mod chat_template;
pub mod compute;
pub mod config;
pub mod context_file;
pub mod decoder;
mod error;
mod families;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod generate;
pub mod haystack;
mod kernels;
pub mod kv_cache;
pub mod layer_walk;
pub mod logits;
pub mod matrix;
pub mod memory;
pub mod model;
pub mod pattern_files;
pub mod pattern_search;
mod progress;
pub mod rope;
pub mod sampling;
pub mod session;
pub mod source;
pub mod text_stream;
mod token_rows;
pub mod tokenizer;
pub mod weights;

pub use attention_plan::AttentionPlan;
pub use chat_template::ChatTemplate;
pub use compute::{Compute, ComputeOptions, MatmulArithmetic};
pub use config::ModelConfig;
pub use context_file::ContextFile;
pub use decoder::Decoder;
pub use error::{Error, Result};
pub use kv_cache::{CacheFormat, KvCache};
pub use matrix::Matrix;
pub use model::Model;
pub use sampling::{Sampler, SamplingOptions};
pub use session::{PrefillOptions, Session, SessionOptions};
pub use source::ModelFiles;
pub use text_stream::TextStream;
pub use tokenizer::Tokenizer;
pub use weights::ModelWeights;
