//! Question answering: a question about a document among many.

use super::documents::DocumentQuestions;
use super::draw::{sample, shuffle};
use super::generator::{Draft, Generator};
use crate::sample::QuestionPrompt;
use crate::tasks::sample_seed::SampleSeed;
use crate::tasks::template::fill;

const TASK: &str = "Answer the question based on the given documents. Only give me the answer and do not output any other words.\n\nThe \
                    following are given documents.\n\n{context}\n\nAnswer the question based on the given documents. Only give me the \
                    answer and do not output any other words.\n\nQuestion: {query}";
const ANSWER_PREFIX: &str = " Answer:";
const DOCUMENT: &str = "Document {i}:\n{document}";

/// Makes the prompts of one question. A unit is a document.
pub(super) struct QuestionAnswering<'a> {
    pub(super) data: &'a DocumentQuestions,
    /// The question's place.
    pub(super) number: usize,
}

impl QuestionAnswering<'_> {
    /// So many documents: the question's, then those related to it, then others, chosen at random.
    fn chosen(&self, size: usize, seed: SampleSeed) -> Vec<usize> {
        let question = &self.data.questions[self.number];
        let mut random = seed.random(0);
        let mut chosen = question.documents.clone();
        let missing = size.saturating_sub(chosen.len());
        let related = sample(question.related.len(), missing, &mut random);
        chosen.extend(related.into_iter().map(|place| question.related[place]));
        let missing = size.saturating_sub(chosen.len());
        if missing > 0 {
            let mut is_chosen = vec![false; self.data.documents.len()];
            chosen.iter().for_each(|&place| is_chosen[place] = true);
            let others: Vec<usize> = (0..is_chosen.len()).filter(|&place| !is_chosen[place]).collect();
            let places = sample(others.len(), missing, &mut random);
            chosen.extend(places.into_iter().map(|place| others[place]));
        }
        shuffle(&mut chosen, &mut seed.random(1));
        chosen
    }
}

impl Generator for QuestionAnswering<'_> {
    fn least(&self) -> usize {
        self.data.questions[self.number].documents.len()
    }

    fn most(&self) -> usize {
        self.data.documents.len()
    }

    fn draft(&self, size: usize, seed: SampleSeed) -> Draft {
        let question = &self.data.questions[self.number];
        let documents = self.chosen(size, seed).into_iter().zip(1..).map(|(place, i): (usize, usize)| {
            fill(DOCUMENT, &[("i", &i.to_string()), ("document", &self.data.documents[place])])
        });
        let context = documents.collect::<Vec<_>>().join("\n\n");
        let user = fill(TASK, &[("context", &context), ("query", &question.question)]);
        let prompt = QuestionPrompt::Asked { user, answer_prefix: ANSWER_PREFIX.into() };
        Draft { prompt, references: question.answers.clone(), depth: None }
    }
}
