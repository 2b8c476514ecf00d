//! One line of results.

use minference_model::session::kv_cache::KvCache;
use serde::{Deserialize, Serialize};

/// An answer to one question with one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// The sample's name.
    pub sample: String,
    /// The question's number in the sample, from 0.
    pub question: usize,
    /// How many questions the sample has. Its answers with a method count only if all are there.
    pub questions: usize,
    /// The task, such as `niah_single_1`.
    pub task: String,
    /// The length that was asked for, in tokens.
    pub length: usize,
    /// Where the answer lies in the context, 0 to 1, if in one place.
    pub depth: Option<f64>,
    /// The method, as it was listed.
    pub method: String,
    /// What it stood for with this prompt: a pattern with its budgets, or a pattern file.
    pub pattern: String,
    /// The sample that chose what all of its kind attend to, for the method `static`.
    pub fixed_by: Option<String>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// The model's answer.
    pub answer: String,
    /// What a right answer holds.
    pub references: Vec<String>,
    /// From 0, wrong, to 1, right.
    pub score: f64,
    /// Held against dense attention's answer; none for dense attention itself.
    pub dense: Option<DenseAgreement>,
    /// Computed share of the prompt's attention, 0 to 1.
    pub computed_share: f64,
    /// Keys and values when the prompt was read; results of earlier versions lack them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheBytes>,
    /// Tokens of the answer that were read to get further ones, all but the last; results of
    /// earlier versions lack them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens: Option<usize>,
    /// What it took.
    pub seconds: AnswerSeconds,
}

/// Memory of a prompt's keys and values, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheBytes {
    /// Of all of them.
    pub full: u64,
    /// Of those that are kept.
    pub kept: u64,
}

impl CacheBytes {
    /// Of what a cache holds now.
    pub(crate) fn of(cache: &KvCache) -> Self {
        Self { full: cache.full_bytes() as u64, kept: cache.bytes() as u64 }
    }
}

/// Whether an answer, or the first token's distribution, is that of dense attention.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DenseAgreement {
    /// For answers whether the texts are the same (0 or 1), for texts the share of positions whose
    /// likeliest next token is.
    pub same: f64,
    /// For answers whether both have the same score (0 or 1); for texts none.
    pub same_score: Option<f64>,
    /// Kullback-Leibler divergence of the next token's distribution from dense attention's, in
    /// nats: at the answer's beginning, or the mean over sampled positions of a text.
    pub divergence: f64,
}

/// Where an answer's time went.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AnswerSeconds {
    /// Reading what the sample's questions share, divided among them.
    pub context: f64,
    /// Reading the rest of the prompt.
    pub question: f64,
    /// Answering.
    pub decode: f64,
    /// Making the sample and its tokens, divided among questions and methods.
    pub outside: f64,
}

/// A text's losses with one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerplexityRecord {
    /// The document's name.
    pub document: String,
    /// Tokens that were read; all but the first are predicted.
    pub length: usize,
    /// The method, as it was listed.
    pub method: String,
    /// What it stood for.
    pub pattern: String,
    /// The document that chose what all of this length attend to, for the method `static`.
    pub fixed_by: Option<String>,
    /// Losses by position, in order; together all predicted tokens.
    pub buckets: Vec<LossBucket>,
    /// Held against dense attention; none for dense attention itself.
    pub dense: Option<DenseAgreement>,
    /// Computed share of attention, 0 to 1.
    pub computed_share: f64,
    /// Time of the forward pass with its logits.
    pub seconds: f64,
}

/// Losses of neighbouring positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossBucket {
    /// The first predicted position; the first token of a text is position 0.
    pub from: usize,
    /// The first position after it.
    pub to: usize,
    /// Mean negative logarithm of the probability of the token at these positions, in nats.
    pub loss: f64,
}

/// The time to the first token of one prompt with one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyRecord {
    /// Tokens of the prompt.
    pub length: usize,
    /// The method, as it was listed.
    pub method: String,
    /// What it stood for.
    pub pattern: String,
    /// Which repetition, from 0.
    pub repeat: usize,
    /// Where the time went.
    pub seconds: LatencySeconds,
    /// Computed share of attention, 0 to 1.
    pub computed_share: f64,
    /// Peak memory of the process, in bytes, where the system reports it.
    pub peak_memory: Option<u64>,
    /// Keys and values when the prompt was read; results of earlier versions lack them, as do
    /// extrapolated ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheBytes>,
    /// Measured or not.
    pub source: LatencySource,
}

/// Where the time to the first token went.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencySeconds {
    /// Projections of queries, keys and values.
    pub projections: f64,
    /// Online estimates and indices.
    pub index: f64,
    /// Attention itself.
    pub attention: f64,
    /// Attention's output projection and the MLP.
    pub mlp: f64,
    /// Choosing and dropping keys and values; results of earlier versions lack it.
    #[serde(default)]
    pub compression: f64,
    /// All of it, logits and the choice of the token included.
    pub total: f64,
}

/// Where a time comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatencySource {
    /// It was measured.
    Measured,
    /// It was computed from measured ones of shorter prompts: attention grows with the square of
    /// the length, the rest with the length.
    Extrapolated {
        /// Lengths of these.
        from: Vec<usize>,
    },
}
