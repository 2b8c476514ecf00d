//! [`Evaluation`]: asks a model the questions of a task, with each method, and holds every answer
//! against dense attention's.
//!
//! Questions of one sample share the beginning of their prompts. It is read once per method; then
//! the cache is rolled back after each answer, or the questions become turns of one conversation:
//! the [`Protocol`] says which. Questions are read with the method, too, as a later chunk of the
//! prompt: what it can't see then, it can't answer with. (A sample of one question is read as a
//! whole, as in the paper, unless it is compressed before its question is known.)
//!
//! Results are added to a folder after each sample and method, so that a run can stop at any time
//! and go on later, also with more samples or more methods.
//!
//! ```no_run
//! use minference_eval::evaluate::{Evaluation, Protocol, Unwatched};
//! use minference_eval::methods::{Methods, ModelPlan};
//! use minference_eval::prompt::{PromptEncoder, PromptTemplate};
//! use minference_eval::results::{EvaluationKind, FORMAT, ResultsFolder, RunHeader};
//! use minference_eval::tasks::needle::{Needle, NeedleOptions};
//! use minference_model::{AttentionPlan, CacheFormat, Compute, ComputeOptions, Model};
//! use std::sync::Arc;
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let methods: Methods = "dense,minference,minference+snapkv:1024".parse()?;
//! let evaluation = Evaluation {
//!     model: &model,
//!     compute: &compute,
//!     encoder: PromptEncoder::new(&model, PromptTemplate::Model),
//!     cache: CacheFormat::F16,
//!     context: 8192,
//!     methods: &methods,
//!     protocol: Protocol::default(),
//!     minference: &ModelPlan { plan: AttentionPlan::Default, source: "default patterns".into() },
//!     progress: Arc::new(Unwatched),
//! };
//! let needle = Needle::new(NeedleOptions { lengths: vec![4096], ..NeedleOptions::default() })?;
//! let header = RunHeader {
//!     format: FORMAT,
//!     evaluation: EvaluationKind::Needle,
//!     model: "SmolLM2".into(),
//!     fingerprint: model.fingerprint().to_string(),
//!     settings: needle.settings(),
//! };
//! let mut folder = ResultsFolder::open("results/needle".as_ref(), &header)?;
//! evaluation.run(&needle, &mut folder)?;
//! let right = folder.records().iter().filter(|record| record.score == 1.0).count();
//! println!("{right} of {} answers are right", folder.records().len());
//! # Ok::<(), minference_eval::Error>(())
//! ```

mod answers;
mod dense;
mod done;
mod encoded;
mod protocol;
mod reading;
mod run;
mod turns;

pub use protocol::{CompressionTime, Protocol, SessionMode};

use crate::error::{Error, Result};
use crate::methods::{Methods, ModelPlan, Planner, Variant};
use crate::prompt::PromptEncoder;
use crate::results::{AnswerRecord, References, ResultsFolder};
use crate::sample::SampleSource;
use done::{done_groups, group_of};
use minference_attention::Progress;
use minference_model::{CacheFormat, Compute, Model};
use run::SampleRun;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is done next: a sample with a method.
#[derive(Debug, Clone, Copy)]
pub struct RunStep<'a> {
    /// How many steps were done, in this run or earlier.
    pub done: usize,
    /// How many there are.
    pub steps: usize,
    /// The sample, or document.
    pub sample: &'a str,
    /// The method.
    pub variant: Variant,
}

/// Follows a run; within a step it gets the progress of reading the prompt, and it may cancel
/// between tokens.
pub trait RunProgress: Progress {
    /// A step begins.
    fn begin(&self, step: &RunStep<'_>);
}

/// Follows no run, and cancels none.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn advance(&self, _: u64, _: u64) {}
}

impl RunProgress for Unwatched {
    fn begin(&self, _: &RunStep<'_>) {}
}

/// A model, and the methods to compare.
#[derive(Clone)]
pub struct Evaluation<'a> {
    /// The model.
    pub model: &'a Model,
    /// What it runs on.
    pub compute: &'a Compute,
    /// How it is asked.
    pub encoder: PromptEncoder<'a>,
    /// How keys and values are stored.
    pub cache: CacheFormat,
    /// Tokens that a prompt and its answer may have together.
    pub context: usize,
    /// The methods.
    pub methods: &'a Methods,
    /// How samples are asked about.
    pub protocol: Protocol,
    /// What `minference` stands for.
    pub minference: &'a ModelPlan,
    /// Follows the run, and may cancel it.
    pub progress: Arc<dyn RunProgress>,
}

/// What a run spent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunTimes {
    /// In all.
    pub total: Duration,
    /// On making samples and their tokens, on judging answers, and on files.
    pub outside: Duration,
}

impl Evaluation<'_> {
    /// Asks all questions that the folder has no answers to yet.
    ///
    /// Answers of a sample that are not complete (a run was killed while it wrote them) are asked
    /// again, and so are those that were not held against dense attention, if it is among the
    /// methods now.
    ///
    /// # Errors
    /// No samples, two of one name, a sample that can't be made or is longer than the context,
    /// results that can't be written, errors of the model, cancelled. Results that were found
    /// before stay in the folder.
    pub fn run(
        &self,
        source: &dyn SampleSource,
        folder: &mut ResultsFolder<AnswerRecord>,
    ) -> Result<RunTimes> {
        let start = Instant::now();
        let names = source.names();
        check_names(&names)?;
        let compares = self.methods.contains(&Variant::DENSE);
        let done = done_groups(folder.records(), compares);
        folder.retain(|record| done.contains(&group_of(record)))?;
        let methods = self.methods.in_order_of_running();
        let is_there = |name: &str, method: &Variant| done.contains(&(name.to_string(), method.to_string()));
        let vocabulary = self.model.decoder().config().vocabulary;
        let mut run = SampleRun {
            evaluation: self,
            planner: Planner::new(self.model, self.compute, self.cache, self.minference),
            references: References::beside(folder.path(), vocabulary),
            source,
            names: &names,
            outside: Duration::ZERO,
            done: names.iter().map(|name| methods.iter().filter(|m| is_there(name, m)).count()).sum(),
            steps: names.len().saturating_mul(methods.len()),
        };
        for (number, name) in names.iter().enumerate() {
            let missing: Vec<Variant> = methods.iter().copied().filter(|m| !is_there(name, m)).collect();
            if !missing.is_empty() {
                run.sample(number, &missing, folder)?;
            }
        }
        Ok(RunTimes { total: start.elapsed(), outside: run.outside })
    }
}

/// Refuses no samples, and two of one name, whose answers would be mixed up.
fn check_names(names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Err(Error::choice("samples", "at least one", "none"));
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::choice("samples", "each once", format!("{name} twice"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_samples_apart() {
        let names =
            |names: &[&str]| check_names(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert!(names(&["a", "b"]).is_ok());
        assert!(names(&["a", "b", "a"]).unwrap_err().to_string().contains("a twice"));
        assert!(names(&[]).unwrap_err().to_string().contains("at least one"));
    }
}
