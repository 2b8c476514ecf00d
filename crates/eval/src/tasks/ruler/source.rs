//! [`RulerSource`]: samples of chosen tasks and lengths.

use super::common_words::CommonWords;
use super::documents::{DocumentQuestions, QuestionFormat};
use super::frequent_words::FrequentWords;
use super::generator::{Draft, Generator};
use super::haystack_text::HaystackText;
use super::niah::Niah;
use super::question_answering::QuestionAnswering;
use super::task::{RulerTask, TaskKind};
use super::variable_tracking::VariableTracking;
use super::words::WordList;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{Question, QuestionPrompt, SampleSource, TaskSample};
use crate::tasks::fit::{Fitted, Guess, fit};
use crate::tasks::grid::{SamplePlace, grid, nth};
use crate::tasks::sample_seed::SampleSeed;
use std::cell::RefCell;
use std::collections::HashMap;

/// Which samples to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulerPlan {
    /// The tasks.
    pub tasks: Vec<RulerTask>,
    /// Lengths in tokens, each with the longest answer of a task.
    pub lengths: Vec<usize>,
    /// Samples of each task at each length.
    pub samples: usize,
    /// Samples of different seeds differ in everything but the questions about documents.
    pub seed: u64,
}

/// What samples are made of. The default needs no files, and does not do for questions about
/// documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RulerData {
    /// Words for keys and lists.
    pub words: WordList,
    /// The text of haystacks.
    pub essays: HaystackText,
    /// Questions about documents, at most one file of each format.
    pub questions: Vec<DocumentQuestions>,
}

impl RulerData {
    /// The questions of a format.
    fn questions(&self, format: QuestionFormat) -> Option<&DocumentQuestions> {
        self.questions.iter().find(|questions| questions.format() == format)
    }
}

/// Makes samples. For one encoder: what it learns about lengths is kept.
#[derive(Debug)]
pub struct RulerSource {
    seed: u64,
    data: RulerData,
    places: Vec<SamplePlace<RulerTask>>,
    guesses: RefCell<HashMap<(RulerTask, usize), Guess>>,
}

/// In place of a sample's number: the sample that sizes are learned from.
const TRIAL: u64 = u64::MAX;

impl RulerSource {
    /// For a plan; what it names twice is made once.
    ///
    /// # Errors
    /// [`Error::Choice`] for no tasks, lengths or samples, for more than a million in all, for
    /// tasks whose data is missing, and for more samples than a file has questions.
    pub fn new(plan: RulerPlan, data: RulerData) -> Result<Self> {
        let RulerPlan { tasks, lengths, samples, seed } = plan;
        let places = grid(&tasks, &lengths, samples)?;
        for task in &tasks {
            let Some(format) = task.questions() else { continue };
            let found = data.questions(format);
            let found = found.ok_or_else(|| {
                Error::choice(format!("data of task {task}"), format.description(), "no file")
            })?;
            if found.len() < samples {
                let most = format!("at most {}, the questions of {}", found.len(), found.description());
                return Err(Error::choice(format!("samples of {task}"), most, samples));
            }
        }
        Ok(Self { seed, data, places, guesses: RefCell::default() })
    }

    /// A sample, measured by any count of tokens.
    fn make(
        &self,
        place: SamplePlace<RulerTask>,
        count_text: &dyn Fn(&str) -> Result<usize>,
        count: &dyn Fn(&QuestionPrompt) -> Result<usize>,
    ) -> Result<TaskSample> {
        let SamplePlace { task, length, number } = place;
        let generator = self.generator(task, length, number, count_text)?;
        let limit = length.saturating_sub(task.max_tokens());
        let fitted =
            |generator: &dyn Generator, number: u64, guess: Option<Guess>| -> Result<Fitted<Draft>> {
                let seed = SampleSeed::new(self.seed, &[task as u64, length as u64, number]);
                let made = fit(limit, (generator.least(), generator.most()), guess, |size| {
                    let draft = generator.draft(size, seed);
                    let tokens = count(&draft.prompt)?;
                    Ok((draft, tokens))
                })?;
                made.map_err(|least| {
                    let least = format!("at least {} tokens, prompt and answer", least + task.max_tokens());
                    Error::choice(format!("length of {task}"), least, length)
                })
            };
        // What later samples begin with comes from a sample of its own: they must not depend on
        // which of them was made first.
        let known = self.guesses.borrow().get(&(task, length)).copied();
        let guess = match known {
            Some(guess) => guess,
            None => {
                let trial = self.generator(task, length, 0, count_text)?;
                let guess = fitted(&*trial, TRIAL, None)?.guess;
                self.guesses.borrow_mut().insert((task, length), guess);
                guess
            }
        };
        let Draft { prompt, references, depth } = fitted(&*generator, number as u64, Some(guess))?.made;
        let question =
            Question { prompt, references, scoring: task.scoring(), max_tokens: task.max_tokens(), depth };
        Ok(TaskSample::of_question(place.name(), task.name(), length, question))
    }

    fn generator(
        &self,
        task: RulerTask,
        length: usize,
        number: usize,
        count_text: &dyn Fn(&str) -> Result<usize>,
    ) -> Result<Box<dyn Generator + '_>> {
        let RulerData { words, essays, .. } = &self.data;
        Ok(match task.kind() {
            TaskKind::Niah(parameters) => Box::new(Niah { parameters, words, essay: essays }),
            TaskKind::VariableTracking => Box::new(VariableTracking::new(task.max_tokens(), count_text)?),
            TaskKind::CommonWords => Box::new(CommonWords { length, words }),
            TaskKind::FrequentWords => Box::new(FrequentWords { length }),
            TaskKind::QuestionAnswering(format) => {
                let data = self.data.questions(format);
                let data = data.ok_or_else(|| Error::choice(task.name(), format.description(), "no file"))?;
                Box::new(QuestionAnswering { data, number })
            }
        })
    }
}

impl SampleSource for RulerSource {
    fn names(&self) -> Vec<String> {
        self.places.iter().map(SamplePlace::name).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<TaskSample> {
        let place = *nth(&self.places, number)?;
        self.make(place, &|text| encoder.count_text(text), &|prompt| encoder.count(prompt))
    }
}

#[cfg(test)]
mod tests;
