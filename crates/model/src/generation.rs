//! [`generate`]: an answer, token by token, from a prompt that was read.
//!
//! | module | what it holds |
//! |---|---|
//! | [`logits`] | what logits say of a token |
//! | [`sampling`] | from logits to the next token |
//! | `step` | [`Generation`]: an answer in steps, for those who make several at once |

pub mod logits;
pub mod sampling;
mod step;

pub use step::{Generation, Piece, TokenLogProbabilities};

use crate::error::Result;
use crate::generation::sampling::SamplingOptions;
use crate::session::Session;
use crate::text::text_stream::StreamEnd;
use crate::text::tokenizer::Tokenizer;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How an answer is made.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationOptions {
    /// The answer's longest length, in tokens.
    pub max_tokens: usize,
    /// Texts at which it ends; they are not part of it.
    pub stops: Vec<String>,
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// For each token its log-probability, and so many of the likeliest tokens with theirs; none at
    /// all without it.
    pub log_probabilities: Option<usize>,
}

impl GenerationOptions {
    /// The likeliest tokens, up to `max_tokens`.
    pub fn greedy(max_tokens: usize) -> Self {
        Self { max_tokens, stops: Vec::new(), sampling: SamplingOptions::default(), log_probabilities: None }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or it reached a stop string.
    Stop(StreamEnd),
    /// It reached [`GenerationOptions::max_tokens`].
    MaxTokens,
    /// The session has no room for more.
    ContextFull,
    /// The caller had enough.
    Interrupted,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// Its tokens, an end token included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// When the first token was chosen, after the call.
    pub first_token: Duration,
    /// Tokens that were read to get further ones, and the time that took.
    pub decoded: (usize, Duration),
}

impl Answer {
    /// Decoding's speed; none for an answer of one token.
    pub fn decode_tokens_per_second(&self) -> Option<f64> {
        let (tokens, time) = self.decoded;
        (tokens > 0).then(|| tokens as f64 / time.as_secs_f64())
    }
}

/// Goes on from a prompt that the session has read: chooses tokens until the answer ends, and hands
/// out its text as it grows.
///
/// - `prompt`: the tokens so far, for the repetition penalty
/// - `logits`: of the prompt's last token
/// - `on_text`: gets the new text after each token, which is empty while a character or a stop
///   string may still become whole, and says whether to go on
///
/// # Errors
/// Wrong options, logits that are not finite, whatever a forward pass refuses.
pub fn generate(
    session: &mut Session,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    logits: Vec<f32>,
    options: &GenerationOptions,
    mut on_text: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<Answer> {
    let mut generation = Generation::new(tokenizer, prompt, options)?;
    let (mut logits, mut decoded) = (logits, (0, Duration::ZERO));
    while !generation.is_over() {
        let piece = generation.accept(&logits)?;
        let flow = on_text(&piece.text);
        match piece.finish {
            Some(Finish::Stop(_)) => {}
            _ if flow.is_break() => generation.end(Finish::Interrupted),
            _ if session.tokens() == session.capacity() => generation.end(Finish::ContextFull),
            Some(_) => {}
            None => {
                let start = Instant::now();
                logits = session.decode(piece.token)?;
                decoded = (decoded.0 + 1, decoded.1 + start.elapsed());
            }
        }
    }
    let (rest, answer) = generation.finish();
    // What was held back is part of the answer. The answer is over: whether the caller wants more
    // text no longer matters.
    let _ = on_text(&rest);
    Ok(Answer { decoded, ..answer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::device::compute::{Compute, ComputeOptions};
    use crate::files::ModelFiles;
    use crate::session::SessionOptions;
    use crate::text::tokenizer::tests::tiny;
    use std::path::Path;
    use std::sync::Arc;

    /// One token from given logits; the session's own model is never asked.
    fn first_token(logits: Vec<f32>, sampling: SamplingOptions) -> Result<Answer> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/gguf/llama2.gguf");
        let (config, weights) = ModelFiles::open(path)?.load()?;
        let decoder = Arc::new(Decoder::new(config, weights)?);
        let compute = Compute::new(ComputeOptions { threads: Some(1), ..ComputeOptions::default() })?;
        let mut session = Session::new(decoder, compute, SessionOptions::for_tokens(4))?;
        let options = GenerationOptions { sampling, ..GenerationOptions::greedy(1) };
        generate(&mut session, &tiny("gpt-2"), &[0, 1], logits, &options, |_| ControlFlow::Continue(()))
    }

    /// Embeddings are padded to a round number of rows, and the padding was never trained.
    #[test]
    fn rows_beyond_the_vocabulary_are_never_chosen() {
        let known = tiny("gpt-2").vocabulary_size();
        let mut logits = vec![0.0; known + 7];
        logits[known..].fill(50.0);
        logits[17] = 1.0;
        let greedy = SamplingOptions::default();
        assert_eq!(first_token(logits.clone(), greedy.clone()).unwrap().tokens, [17]);
        let penalised = SamplingOptions { repetition_penalty: 1.5, ..greedy.clone() };
        assert_eq!(first_token(logits.clone(), penalised).unwrap().tokens, [17]);
        for seed in 0..8 {
            let drawn = SamplingOptions { temperature: 2.0, seed, ..greedy.clone() };
            assert!((first_token(logits.clone(), drawn).unwrap().tokens[0] as usize) < known);
        }
        // not even where they are no numbers
        logits[known..].fill(f32::NAN);
        assert_eq!(first_token(logits, greedy).unwrap().tokens, [17]);
    }
}
