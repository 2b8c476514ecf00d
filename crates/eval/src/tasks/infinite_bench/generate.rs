//! [`GeneratedSamples`]: the synthetic tasks at any length.

mod fit;
mod hidden_line;
mod key_values;
mod number_list;

use super::example::Example;
use super::frame::Frame;
use super::{Task, distinct, names};
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{PromptText, Question, Sample, SampleSource};
use fit::most_units;
use hidden_line::HiddenLine;
use key_values::KeyValues;
use minference_attention::synthetic::Random;
use number_list::NumberList;

/// Samples of the synthetic tasks, made as the benchmark's own were, at lengths of one's choice.
///
/// Prompt and longest answer together have at most as many tokens as the length says, and nearly as many. Names are `task/length/number`
/// (`passkey/16384/3`); a sample depends on seed, task, length and number only.
#[derive(Debug, Clone)]
pub struct GeneratedSamples {
    places: Vec<Place>,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    task: Task,
    length: usize,
    number: usize,
}

/// A context that can be as long as one likes.
trait Content {
    /// What is asked.
    fn input(&self) -> String;

    /// The context with so many lines, entries or numbers. More only add to those that fewer have.
    fn context(&mut self, units: usize) -> String;

    /// What answers hold, for the context of so many units.
    fn references(&mut self, units: usize) -> Vec<String>;

    /// Where the answer lies, if in one place.
    fn depth(&self) -> Option<f64>;
}

impl GeneratedSamples {
    /// Samples of each task at each length.
    ///
    /// # Errors
    /// No tasks, lengths or samples; tasks that can't be generated.
    pub fn new(tasks: &[Task], lengths: &[usize], samples: usize, seed: u64) -> Result<Self> {
        let tasks = distinct(tasks)?;
        if let Some(task) = tasks.iter().find(|task| !task.definition().is_synthetic) {
            let expected =
                format!("one of {} (the others need the official files)", names(Task::generated()));
            return Err(Error::choice("task to generate", expected, task));
        }
        if lengths.is_empty() {
            return Err(Error::choice("lengths of generated samples", "at least one", "none"));
        }
        if samples == 0 {
            return Err(Error::choice("samples of each task and length", "at least 1", 0));
        }
        let mut places = Vec::new();
        for task in tasks {
            for (i, &length) in lengths.iter().enumerate() {
                if !lengths[..i].contains(&length) {
                    places.extend((0..samples).map(|number| Place { task, length, number }));
                }
            }
        }
        Ok(Self { places, seed })
    }
}

impl SampleSource for GeneratedSamples {
    fn names(&self) -> Vec<String> {
        self.places.iter().map(Place::name).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<Sample> {
        let place = self.places.get(number).ok_or_else(|| {
            Error::choice("number of a sample", format!("less than {}", self.places.len()), number)
        })?;
        place.sample(self.seed, |prompt| encoder.count(prompt))
    }
}

impl Place {
    fn name(&self) -> String {
        format!("{}/{}/{}", self.task, self.length, self.number)
    }

    /// Makes the sample, whose length a caller's count of tokens decides.
    fn sample(&self, seed: u64, count: impl Fn(&PromptText) -> Result<usize>) -> Result<Sample> {
        let Self { task, length, .. } = *self;
        let mut content = self.content(seed)?;
        let input = content.input();
        let example = Example { context: String::new(), input, options: vec![], references: vec![] };
        // inputs made here have what templates ask for
        let frame = Frame::new(task, &example)
            .map_err(|fault| Error::choice("input", fault.expected, fault.found))?;
        let limit = length.saturating_sub(task.longest_answer());
        let mut tokens = |units| count(&frame.prompt(&content.context(units)));
        let Some(units) = most_units(limit, &mut tokens)? else {
            let expected = format!("at least {} tokens", tokens(0)? + task.longest_answer());
            return Err(Error::choice(format!("length of {task}"), expected, length));
        };
        let question = Question {
            prompt: frame.prompt(&content.context(units)),
            references: content.references(units),
            scoring: task.scoring(),
            max_tokens: task.longest_answer(),
            depth: content.depth(),
        };
        Ok(Sample { name: self.name(), task: task.name().into(), length, questions: vec![question] })
    }

    fn content(&self, seed: u64) -> Result<Box<dyn Content>> {
        let mut random = self.random(seed);
        // However many samples there are, their depths are spread evenly: steps of the golden ratio.
        let start = Random::new(seed).below(1 << 20) as f64 / f64::from(1 << 20);
        let depth = (start + self.number as f64 * 0.618_033_988_749_894_9).fract();
        match self.task {
            Task::Passkey => Ok(Box::new(HiddenLine::passkey(&mut random, depth))),
            Task::NumberString => Ok(Box::new(HiddenLine::number_string(&mut random, depth))),
            Task::KeyValueRetrieval => Ok(Box::new(KeyValues::new(random, depth))),
            Task::MathFind => Ok(Box::new(NumberList::new(random, self.number))),
            task => Err(Error::choice("task to generate", names(Task::generated()), task)),
        }
    }

    /// All that a sample may depend on, mixed.
    fn random(&self, seed: u64) -> Random {
        let parts = [self.task as u64, self.length as u64, self.number as u64];
        let state = parts.iter().fold(seed, |state, &part| Random::new(state).bits().wrapping_add(part));
        Random::new(state)
    }
}

#[cfg(test)]
mod tests;
