//! Frequent words: invented words whose numbers follow a zeta distribution. The most frequent one
//! is noise (`...`); the next three are asked for.

use super::draw::{different_letters, shuffle};
use super::generator::{Draft, Generator};
use crate::sample::QuestionPrompt;
use crate::tasks::sample_seed::SampleSeed;
use crate::tasks::template::fill;

const WORD_LETTERS: usize = 6;
/// The vocabulary has a word for so many tokens of length.
const TOKENS_PER_WORD: usize = 50;
/// The distribution falls with the square of the rank; this is the sum of all its terms.
const ZETA_OF_2: f64 = std::f64::consts::PI * std::f64::consts::PI / 6.0;
const NOISE: &str = "...";
const ASKED: usize = 3;

const TASK: &str = "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared \
                    coded words. {context}\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three \
                    most frequently appeared words in the above coded text?";
const ANSWER_PREFIX: &str =
    " Answer: According to the coded text above, the three most frequently appeared words are:";

/// Makes the questions. A unit is a word of an ideal text, which would also hold the fractions of
/// words that are cut off here.
pub(super) struct FrequentWords {
    pub(super) length: usize,
}

/// How often the word of a rank, from 1, occurs.
fn occurrences(size: usize, rank: usize) -> usize {
    (size as f64 / (rank * rank) as f64 / ZETA_OF_2) as usize
}

impl Generator for FrequentWords {
    /// So that the last of the words that are asked for still occurs more often than the next.
    fn least(&self) -> usize {
        60
    }

    fn draft(&self, size: usize, seed: SampleSeed) -> Draft {
        let words = (self.length / TOKENS_PER_WORD).max(ASKED + 2);
        let mut vocabulary = different_letters(words, WORD_LETTERS, b'a', &mut seed.random(0));
        vocabulary[0] = NOISE.into();
        let mut text: Vec<&str> = vocabulary
            .iter()
            .enumerate()
            .flat_map(|(place, word)| vec![word.as_str(); occurrences(size, place + 1)])
            .collect();
        shuffle(&mut text, &mut seed.random(1));
        let user = fill(TASK, &[("context", &text.join(" "))]);
        let prompt = QuestionPrompt::Asked { user, answer_prefix: ANSWER_PREFIX.into() };
        Draft { prompt, references: vocabulary[1..=ASKED].to_vec(), depth: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_words_lead_at_every_size() {
        for size in (60..5000).chain([100_000]) {
            let counts = [2, 3, 4, 5].map(|rank| occurrences(size, rank));
            assert!(counts.windows(2).all(|pair| pair[0] > pair[1]), "{size}: {counts:?}");
        }
    }
}
