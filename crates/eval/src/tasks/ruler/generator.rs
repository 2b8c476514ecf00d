//! [`Generator`]: a kind of task, before it is known how much fits.

use crate::sample::QuestionPrompt;
use crate::tasks::sample_seed::SampleSeed;

/// A question at some size.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    pub(super) prompt: QuestionPrompt,
    pub(super) references: Vec<String>,
    /// Where the answer lies, if in one place.
    pub(super) depth: Option<f64>,
}

/// Makes questions of any size. Units are what haystacks are made of: words, lines, documents.
pub(super) trait Generator {
    /// Units that a question has at least.
    fn least(&self) -> usize;

    /// Units that there are.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// A question of that many units.
    fn draft(&self, size: usize, seed: SampleSeed) -> Draft;
}
