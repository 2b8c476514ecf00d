//! Variable tracking: a variable gets a number, others get its value, one from the other; which of
//! them have that number?
//!
//! An example with its answer stands before the question, in the same message. The published one is
//! shorter than 500 tokens in steps of five lines of noise, and so is this one.

use super::draw::{different_letters, sample};
use super::generator::{Draft, Generator};
use crate::error::Result;
use crate::haystack::prose::REFRAIN;
use crate::sample::QuestionPrompt;
use crate::tasks::sample_seed::SampleSeed;
use crate::tasks::template::fill;
use minference_attention::synthetic::Random;

/// Variables that get their value from another one.
const HOPS: usize = 4;
const VARIABLE_LETTERS: usize = 5;
const EXAMPLE_LETTERS: usize = 3;
/// The example has at most so many tokens, with an answer of 30.
const EXAMPLE_TOKENS: usize = 500;
const EXAMPLE_STEP: usize = 5;

const TASK: &str = "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n{context}\nQuestion: Find all \
                    variables that are assigned the value {query} in the text above.";
const ANSWER_PREFIX: &str = " Answer: According to the chain(s) of variable assignment in the text above, {num_v} variables are assgined \
                             the value {query}, they are: ";

/// Makes the questions.
pub(super) struct VariableTracking {
    /// Lines of noise in the example.
    pub(super) example_noise: usize,
}

/// A task, how its answer begins, and the variables.
struct Chain {
    task: String,
    answer_prefix: String,
    variables: Vec<String>,
}

impl VariableTracking {
    /// With as much noise in the example as fits.
    ///
    /// - `max_tokens`: longest answer
    /// - `count`: a text's tokens
    pub(super) fn new(max_tokens: usize, count: impl Fn(&str) -> Result<usize>) -> Result<Self> {
        let tokens = |noise: usize| count(&example(noise, &mut SampleSeed::new(0, &[]).random(0)));
        let mut example_noise = EXAMPLE_STEP;
        // a vocabulary that writes a line as nothing must not go on for ever
        while example_noise < EXAMPLE_TOKENS
            && tokens(example_noise + EXAMPLE_STEP)? + max_tokens <= EXAMPLE_TOKENS
        {
            example_noise += EXAMPLE_STEP;
        }
        Ok(Self { example_noise })
    }
}

/// The example with its answer, and two blank lines.
fn example(noise: usize, random: &mut Random) -> String {
    let Chain { task, answer_prefix, variables } = chain(noise, EXAMPLE_LETTERS, random);
    format!("{task}{answer_prefix} {}\n\n", variables.join(" "))
}

fn chain(noise: usize, letters: usize, random: &mut Random) -> Chain {
    let variables = different_letters(HOPS + 1, letters, b'A', random);
    let value = (10_000 + random.below(89_999)).to_string();
    let mut assignments = vec![format!("VAR {} = {value}", variables[0])];
    assignments.extend(variables.windows(2).map(|pair| format!("VAR {} = VAR {} ", pair[1], pair[0])));

    let mut places = sample(noise, assignments.len(), random);
    places.sort_unstable();
    let filler = format!("{REFRAIN}\n");
    let mut lines = vec![filler.as_str(); noise];
    for (before, (place, assignment)) in places.into_iter().zip(&assignments).enumerate() {
        lines.insert(place + before, assignment);
    }
    let context = lines.join(" ").replace(". \n", ".\n");
    let count = variables.len().to_string();
    let values = [("context", context.as_str()), ("query", &value), ("num_v", &count)];
    let [task, answer_prefix] = [TASK, ANSWER_PREFIX].map(|template| fill(template, &values));
    Chain { task, answer_prefix, variables }
}

impl Generator for VariableTracking {
    fn least(&self) -> usize {
        HOPS + 2
    }

    fn draft(&self, size: usize, seed: SampleSeed) -> Draft {
        let example = example(self.example_noise, &mut seed.random(0));
        let Chain { task, answer_prefix, variables } = chain(size, VARIABLE_LETTERS, &mut seed.random(1));
        let user = format!(" {example}\n\n{task}");
        Draft { prompt: QuestionPrompt::Asked { user, answer_prefix }, references: variables, depth: None }
    }
}
