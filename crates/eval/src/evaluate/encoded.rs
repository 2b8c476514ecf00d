//! [`EncodedSample`]: a sample with the tokens of its prompts, and what of them is read before the
//! first question.

use super::SessionMode;
use super::turns::turn;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::TaskSample;
use minference_model::session::shared_tokens;

/// A sample with the tokens of its prompts.
pub(super) struct EncodedSample {
    pub(super) sample: TaskSample,
    /// One for each question. In turns each goes on from the one before.
    pub(super) prompts: Vec<Vec<u32>>,
    /// Tokens that all prompts begin with; none for a single question.
    pub(super) shared: usize,
    /// Tokens that don't depend on the form of a question either; none where the sample does not
    /// say which they are.
    pub(super) context: usize,
}

impl EncodedSample {
    /// - `limit`: tokens that a prompt and its answer may have together
    pub(super) fn new(
        sample: TaskSample,
        encoder: &PromptEncoder<'_>,
        limit: usize,
        session: SessionMode,
    ) -> Result<Self> {
        let Some(first) = sample.questions.first() else {
            let what = format!("questions of sample {}", sample.name);
            return Err(Error::choice(what, "at least one", "none"));
        };
        let prompt = |number: usize| match session {
            SessionMode::Requests => encoder.encode(&sample.questions[number].prompt),
            SessionMode::Turns => encoder.encode(&turn(&sample, number)?),
        };
        let prompts: Vec<Vec<u32>> = (0..sample.questions.len()).map(prompt).collect::<Result<_>>()?;
        check(&sample, &prompts, limit)?;
        let shared = shared_by_all(&prompts);
        let mut context = 0;
        if !sample.context.is_empty() {
            let alone = encoder.encode(&first.prompt.of_context(&sample.context))?;
            context = shared.min(shared_tokens(&prompts[0], &alone));
        }
        let shared = if prompts.len() > 1 { shared } else { 0 };
        Ok(Self { sample, prompts, shared, context })
    }

    /// Tokens that all prompts begin with, and of each at least `last` more remain.
    pub(super) fn shared_before(&self, last: usize) -> usize {
        let shortest = self.prompts.iter().map(Vec::len).min().unwrap_or(0);
        self.shared.min(shortest.saturating_sub(last))
    }
}

/// Refuses prompts without tokens, and those that leave no room for an answer.
fn check(sample: &TaskSample, prompts: &[Vec<u32>], limit: usize) -> Result<()> {
    for (prompt, question) in prompts.iter().zip(&sample.questions) {
        if prompt.is_empty() {
            return Err(Error::choice(format!("prompt of sample {}", sample.name), "a text", "none"));
        }
        let needed = prompt.len() + question.max_tokens;
        if needed > limit {
            let expected = format!(
                "at most {limit} tokens with its answer, the context (--context and --rope-scaling stretch it; shorter \
                 --lengths fit)"
            );
            return Err(Error::choice(format!("sample {}", sample.name), expected, needed));
        }
    }
    Ok(())
}

/// How many tokens all begin with; of each at least one more remains.
fn shared_by_all(prompts: &[Vec<u32>]) -> usize {
    let shortest = prompts.iter().map(Vec::len).min().unwrap_or(0);
    let shared = prompts.iter().map(|prompt| shared_tokens(&prompts[0], prompt)).min().unwrap_or(0);
    shared.min(shortest.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prompts_share_leaves_each_a_token() {
        let shared = |prompts: &[&[u32]]| {
            shared_by_all(&prompts.iter().map(|prompt| prompt.to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(shared(&[&[1, 2, 3], &[1, 2, 4]]), 2);
        assert_eq!(shared(&[&[1, 2], &[1, 2]]), 1);
        assert_eq!(shared(&[&[1, 2], &[1, 2, 3]]), 1);
        assert_eq!(shared(&[&[1], &[2]]), 0);
    }
}
