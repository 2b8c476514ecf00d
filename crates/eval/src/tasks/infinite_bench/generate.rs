//! [`GeneratedSamples`]: the synthetic tasks at any length.

mod hidden_line;
mod key_values;
mod number_list;

use super::example::Example;
use super::frame::Frame;
use super::{InfiniteBenchTask, names};
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::{Question, QuestionPrompt, SampleSource, TaskSample};
use crate::tasks::fit::fit;
use crate::tasks::grid::{SamplePlace, grid, nth};
use crate::tasks::sample_seed::SampleSeed;
use hidden_line::HiddenLine;
use key_values::KeyValues;
use minference_attention::synthetic::Random;
use number_list::NumberList;

/// Samples of the synthetic tasks, made as the benchmark's own were, at lengths of one's choice.
///
/// Prompt and longest answer together have at most as many tokens as the length says, and nearly as
/// many. Names are `task/length/number` (`passkey/16384/3`); a sample depends on seed, task, length
/// and number only.
#[derive(Debug, Clone)]
pub struct GeneratedSamples {
    places: Vec<SamplePlace<InfiniteBenchTask>>,
    seed: u64,
}

/// A context that can be as long as one likes.
trait GeneratedContext {
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
    /// No tasks, lengths or samples, more than a million in all; tasks that can't be generated.
    pub fn new(tasks: &[InfiniteBenchTask], lengths: &[usize], samples: usize, seed: u64) -> Result<Self> {
        if let Some(task) = tasks.iter().find(|task| !task.definition().is_synthetic) {
            let expected = format!(
                "one of {} (the others need the official files)",
                names(InfiniteBenchTask::generated())
            );
            return Err(Error::choice("task to generate", expected, task));
        }
        Ok(Self { places: grid(tasks, lengths, samples)?, seed })
    }
}

impl SampleSource for GeneratedSamples {
    fn names(&self) -> Vec<String> {
        self.places.iter().map(SamplePlace::name).collect()
    }

    fn sample(&self, number: usize, encoder: &PromptEncoder<'_>) -> Result<TaskSample> {
        make(*nth(&self.places, number)?, self.seed, |prompt| encoder.count(prompt))
    }
}

/// Makes a sample, whose length a caller's count of tokens decides.
fn make(
    place: SamplePlace<InfiniteBenchTask>,
    seed: u64,
    count: impl Fn(&QuestionPrompt) -> Result<usize>,
) -> Result<TaskSample> {
    let SamplePlace { task, length, .. } = place;
    let mut content = content(place, seed)?;
    let input = content.input();
    let example = Example { context: String::new(), input, options: vec![], references: vec![] };
    // inputs made here have what templates ask for
    let frame =
        Frame::new(task, &example).map_err(|fault| Error::choice("input", fault.expected, fault.found))?;
    let limit = length.saturating_sub(task.longest_answer());
    let fitted = fit(limit, (0, usize::MAX), None, |units| {
        let prompt = frame.prompt(&content.context(units));
        let tokens = count(&prompt)?;
        Ok(((units, prompt), tokens))
    })?;
    let (units, prompt) = match fitted {
        Ok(fitted) => fitted.made,
        Err(least) => {
            let expected = format!("at least {} tokens", least + task.longest_answer());
            return Err(Error::choice(format!("length of {task}"), expected, length));
        }
    };
    let question = Question {
        prompt,
        references: content.references(units),
        scoring: task.scoring(),
        max_tokens: task.longest_answer(),
        depth: content.depth(),
    };
    Ok(TaskSample::of_question(place.name(), task.name(), length, question))
}

fn content(place: SamplePlace<InfiniteBenchTask>, seed: u64) -> Result<Box<dyn GeneratedContext>> {
    let parts = [place.task as u64, place.length as u64, place.number as u64];
    let mut random = SampleSeed::new(seed, &parts).random(0);
    // However many samples there are, their depths are spread evenly: steps of the golden ratio.
    let start = Random::new(seed).below(1 << 20) as f64 / f64::from(1 << 20);
    let depth = (start + place.number as f64 * 0.618_033_988_749_894_9).fract();
    match place.task {
        InfiniteBenchTask::Passkey => Ok(Box::new(HiddenLine::passkey(&mut random, depth))),
        InfiniteBenchTask::NumberString => Ok(Box::new(HiddenLine::number_string(&mut random, depth))),
        InfiniteBenchTask::KeyValueRetrieval => Ok(Box::new(KeyValues::new(random, depth))),
        InfiniteBenchTask::MathFind => Ok(Box::new(NumberList::new(random, place.number))),
        task => Err(Error::choice("task to generate", names(InfiniteBenchTask::generated()), task)),
    }
}

#[cfg(test)]
mod tests;
