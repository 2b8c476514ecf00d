//! Common words: ten words of a list occur more often than the others. A shorter list with its
//! answer stands before.

use super::draw::shuffle;
use super::generator::{Draft, Generator};
use super::words::WordList;
use crate::sample::{AnsweredMessage, QuestionPrompt};
use crate::tasks::sample_seed::SampleSeed;
use crate::tasks::template::fill;
use minference_attention::synthetic::Random;

/// Words that are asked for.
const COMMON: usize = 10;
/// From this length on, lists are those of the long setting.
const LONG: usize = 4096;

const TASK: &str = "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear \
                    most often.\n{context}\nQuestion: What are the 10 most common words in the above list?";
const ANSWER_PREFIX: &str = " Answer: The top 10 words that appear most often in the list are:";

/// How often words occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Repeats {
    common: usize,
    others: usize,
}

/// The example's words and repeats, and the list's repeats.
type ListSetting = (usize, Repeats, Repeats);

const SHORT_SETTING: ListSetting = (20, Repeats { common: 3, others: 1 }, Repeats { common: 6, others: 1 });
const LONG_SETTING: ListSetting = (40, Repeats { common: 10, others: 3 }, Repeats { common: 30, others: 3 });

/// Makes the questions.
pub(super) struct CommonWords<'a> {
    pub(super) length: usize,
    pub(super) words: &'a WordList,
}

impl CommonWords<'_> {
    /// A list of so many different words, and the common ones among them.
    fn list(&self, size: usize, repeats: Repeats, random: &mut Random) -> (String, Vec<String>) {
        let mut common = self.words.different(size, random);
        let others = common.split_off(COMMON);
        let repeated =
            |words: &[String], times: usize| (0..times).flat_map(|_| words.to_vec()).collect::<Vec<String>>();
        let mut all = [repeated(&common, repeats.common), repeated(&others, repeats.others)].concat();
        shuffle(&mut all, random);
        (fill(TASK, &[("context", &numbered(&all))]), common)
    }
}

impl Generator for CommonWords<'_> {
    fn least(&self) -> usize {
        COMMON + 1
    }

    fn draft(&self, size: usize, seed: SampleSeed) -> Draft {
        let (example_size, example_repeats, repeats) =
            if self.length < LONG { SHORT_SETTING } else { LONG_SETTING };
        let (example, answer) = self.list(example_size, example_repeats, &mut seed.random(0));
        let (user, references) = self.list(size, repeats, &mut seed.random(1));
        let answer = numbered(&answer);
        let prompt = QuestionPrompt::Conversation {
            answered: vec![AnsweredMessage { user: example, answer: format!("{ANSWER_PREFIX}{answer}") }],
            user,
            answer_prefix: ANSWER_PREFIX.into(),
        };
        Draft { prompt, references, depth: None }
    }
}

/// `1. first 2. second`
fn numbered(words: &[String]) -> String {
    let mut text = String::new();
    for (place, word) in words.iter().enumerate() {
        let space = if place == 0 { "" } else { " " };
        text.push_str(&format!("{space}{}. {word}", place + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_count_from_one() {
        assert_eq!(numbered(&["one".into(), "two".into()]), "1. one 2. two");
        assert_eq!(numbered(&[]), "");
    }
}
