//! [`Generation`]: an answer in steps. It takes the logits of the last token and gives the next
//! piece of the answer; how logits come about is left to the caller, who may read tokens of several
//! sessions together ([`Decoder::decode_batch`](crate::Decoder::decode_batch)).
//!
//! ```no_run
//! # use minference_model::generation::{Generation, GenerationOptions};
//! # use minference_model::{Model, Result, Session};
//! # fn example(model: &Model, session: &mut Session, prompt: &[u32], mut logits: Vec<f32>, options: &GenerationOptions) -> Result<()> {
//! let mut generation = Generation::new(model.tokenizer(), prompt, options)?;
//! while !generation.is_over() {
//!     let piece = generation.accept(&logits)?;
//!     print!("{}", piece.text);
//!     if piece.finish.is_none() {
//!         logits = session.decode(piece.token)?;
//!     }
//! }
//! let (rest, answer) = generation.finish();
//! println!("{rest}\n{} tokens", answer.tokens.len());
//! # Ok(())
//! # }
//! ```

use super::logits::log_probabilities;
use super::sampling::{Sampler, TokenMask};
use super::{Answer, Finish, GenerationOptions};
use crate::error::Result;
use crate::text::text_stream::TextStream;
use crate::text::tokenizer::Tokenizer;
use std::time::{Duration, Instant};

/// An answer on its way.
#[derive(Debug)]
pub struct Generation<'a> {
    sampler: Sampler,
    stream: TextStream<'a>,
    /// Rows of logits that are tokens. Padded matrices have more rows than the vocabulary has ids:
    /// what those give is no token.
    known: usize,
    /// Prompt and answer, for penalties.
    history: Vec<u32>,
    prompt: usize,
    max_tokens: usize,
    log_probabilities: Option<usize>,
    text: String,
    began: Instant,
    first_token: Duration,
    finish: Option<Finish>,
}

/// What a step adds to an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The token that was chosen.
    pub token: u32,
    /// Text to print now; empty while a character or a stop string may still become whole.
    pub text: String,
    /// If they were asked for.
    pub log_probabilities: Option<TokenLogProbabilities>,
    /// Set when the answer is over.
    pub finish: Option<Finish>,
}

/// What the model said of a token, whatever sampling made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogProbabilities {
    /// Of the token that was chosen; natural logarithm.
    pub chosen: f32,
    /// The likeliest tokens with theirs, the likeliest first.
    pub likeliest: Vec<(u32, f32)>,
}

impl<'a> Generation<'a> {
    /// An answer to a prompt, of which nothing is there yet.
    ///
    /// - `prompt`: its tokens, for the repetition penalty
    ///
    /// # Errors
    /// Wrong options.
    pub fn new(tokenizer: &'a Tokenizer, prompt: &[u32], options: &GenerationOptions) -> Result<Self> {
        Ok(Self {
            sampler: Sampler::new(options.sampling.clone())?,
            stream: TextStream::new(tokenizer, &options.stops)?,
            known: tokenizer.vocabulary_size(),
            history: prompt.to_vec(),
            prompt: prompt.len(),
            max_tokens: options.max_tokens,
            log_probabilities: options.log_probabilities,
            text: String::new(),
            began: Instant::now(),
            first_token: Duration::ZERO,
            finish: (options.max_tokens == 0).then_some(Finish::MaxTokens),
        })
    }

    /// Whether the answer is over.
    pub fn is_over(&self) -> bool {
        self.finish.is_some()
    }

    /// The tokens so far, an end token included.
    pub fn tokens(&self) -> &[u32] {
        &self.history[self.prompt..]
    }

    /// Chooses the next token.
    ///
    /// - `logits`: of the last token of the prompt, or of the one that was chosen last
    ///
    /// # Errors
    /// Logits of which none can be chosen.
    pub fn accept(&mut self, logits: &[f32]) -> Result<Piece> {
        self.accept_among(logits, None)
    }

    /// As [`accept`](Self::accept), from those tokens alone that are allowed, if a mask says so:
    /// how grammars lead an answer.
    ///
    /// # Errors
    /// The same, also where none is allowed.
    pub fn accept_among(&mut self, logits: &[f32], allowed: Option<&TokenMask>) -> Result<Piece> {
        let logits = &logits[..self.known.min(logits.len())];
        let token = self.sampler.sample_among(logits, &self.history, self.prompt, allowed)?;
        if self.history.len() == self.prompt {
            self.first_token = self.began.elapsed();
        }
        self.history.push(token);
        let piece = self.stream.push(token)?;
        self.text.push_str(&piece.text);
        let reached = self.tokens().len() >= self.max_tokens;
        self.finish = piece.end.map(Finish::Stop).or(reached.then_some(Finish::MaxTokens));
        let log_probabilities = self.log_probabilities.map(|count| describe(logits, token, count));
        Ok(Piece { token, text: piece.text, log_probabilities, finish: self.finish.clone() })
    }

    /// Ends the answer for a reason of the caller's.
    pub fn end(&mut self, reason: Finish) {
        self.finish = Some(reason);
    }

    /// Text that was held back, and all of the answer. An answer that was ended early is what there
    /// is so far. The time that decoding took is not known here: [`Answer::decoded`] is zero.
    pub fn finish(mut self) -> (String, Answer) {
        let rest = self.stream.finish().text;
        self.text.push_str(&rest);
        let answer = Answer {
            text: self.text,
            tokens: self.history.split_off(self.prompt),
            finish: self.finish.unwrap_or(Finish::Interrupted),
            first_token: self.first_token,
            decoded: (0, Duration::ZERO),
        };
        (rest, answer)
    }
}

fn describe(logits: &[f32], token: u32, count: usize) -> TokenLogProbabilities {
    let all = log_probabilities(logits);
    let mut order: Vec<u32> = (0..all.len() as u32).collect();
    let count = count.min(order.len());
    let likelier = |a: &u32, b: &u32| all[*b as usize].total_cmp(&all[*a as usize]).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count, likelier);
        order.truncate(count);
    }
    order.sort_unstable_by(likelier);
    TokenLogProbabilities {
        chosen: all[token as usize],
        likeliest: order.into_iter().map(|id| (id, all[id as usize])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::sampling::SamplingOptions;
    use crate::text::tokenizer::tests::tiny;

    #[test]
    fn an_answer_in_steps_says_what_the_model_thought() {
        let tokenizer = tiny("gpt-2");
        let mut logits = vec![0.0; tokenizer.vocabulary_size() + 3];
        (logits[17], logits[18]) = (4.0, 3.0);
        // beyond the vocabulary
        logits[tokenizer.vocabulary_size()] = 9.0;
        let sampling = SamplingOptions { bias: vec![(17, -50.0)], ..SamplingOptions::default() };
        let options =
            GenerationOptions { sampling, log_probabilities: Some(2), ..GenerationOptions::greedy(2) };
        let mut generation = Generation::new(&tokenizer, &[0, 1], &options).unwrap();
        let first = generation.accept(&logits).unwrap();
        assert_eq!((first.token, first.finish), (18, None));
        let said = first.log_probabilities.unwrap();
        assert_eq!(said.likeliest.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [17, 18]);
        assert_eq!(said.chosen, said.likeliest[1].1);
        assert!((said.likeliest[0].1 - said.chosen - 1.0).abs() < 1e-5);
        let mut only = TokenMask::none(tokenizer.vocabulary_size());
        only.allow(20);
        let second = generation.accept_among(&logits, Some(&only)).unwrap();
        assert_eq!((second.token, second.finish), (20, Some(Finish::MaxTokens)));
        assert!(generation.is_over());
        let (rest, answer) = generation.finish();
        assert_eq!((answer.tokens.as_slice(), answer.finish), (&[18, 20][..], Finish::MaxTokens));
        assert!(answer.text.ends_with(&rest));
    }

    #[test]
    fn no_tokens_are_no_answer() {
        let tokenizer = tiny("gpt-2");
        let generation = Generation::new(&tokenizer, &[0], &GenerationOptions::greedy(0)).unwrap();
        assert!(generation.is_over());
        assert_eq!(generation.finish().1.finish, Finish::MaxTokens);
    }
}
