//! [`Evaluation`]: asks a model the questions of a task, with each method, and holds every answer against dense attention's.
//!
//! Questions of one sample share the beginning of their prompts. It is read once per method; then the cache is rolled back after each
//! answer. Questions are read with the method, too, as a later chunk of the prompt: what it can't see then, it can't answer with. (A sample
//! of one question is read as a whole, as in the paper.)
//!
//! Results are added to a folder after each sample and method, so that a run can stop at any time and go on later, also with more
//! samples or more methods.
//!
//! ```no_run
//! use minference_attention::ElementType;
//! use minference_eval::evaluate::{Evaluation, Unwatched};
//! use minference_eval::methods::{Methods, ModelPlan};
//! use minference_eval::prompt::{PromptEncoder, PromptTemplate};
//! use minference_eval::results::{EvaluationKind, FORMAT, ResultsFolder, RunHeader};
//! use minference_eval::tasks::needle::{Needle, NeedleOptions};
//! use minference_model::{AttentionPlan, Compute, ComputeOptions, Model};
//! use std::sync::Arc;
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let methods: Methods = "dense,minference,a-shape".parse()?;
//! let evaluation = Evaluation {
//!     model: &model,
//!     compute: &compute,
//!     encoder: PromptEncoder::new(&model, PromptTemplate::Model),
//!     element_type: ElementType::F16,
//!     context: 8192,
//!     methods: &methods,
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

use crate::error::{Error, Result};
use crate::methods::{Method, Methods, ModelPlan, Planner};
use crate::prompt::PromptEncoder;
use crate::results::{AnswerRecord, References, ResultsFolder};
use crate::sample::{Sample, SampleSource};
use answers::{EncodedSample, MethodAnswers, agreement};
use minference_attention::{ElementType, Progress};
use minference_model::{Compute, Model};
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
    pub method: Method,
}

/// Follows a run; within a step it is told the progress of reading the prompt, and between tokens it may cancel.
pub trait RunProgress: Progress {
    /// A step begins.
    fn begin(&self, step: &RunStep<'_>);
}

/// Nobody follows.
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
    /// Type of queries, keys and values.
    pub element_type: ElementType,
    /// Tokens that a prompt and its answer may have together.
    pub context: usize,
    /// The methods.
    pub methods: &'a Methods,
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
    /// On making samples and their tokens.
    pub outside: Duration,
}

impl Evaluation<'_> {
    /// Asks all questions that the folder has no answers to yet.
    ///
    /// # Errors
    /// No samples, a sample that can't be made or is longer than the context, results that can't be written, whatever the model refuses,
    /// cancelled. What was found before stays in the folder.
    pub fn run(
        &self,
        source: &dyn SampleSource,
        folder: &mut ResultsFolder<AnswerRecord>,
    ) -> Result<RunTimes> {
        let start = Instant::now();
        let names = source.names();
        if names.is_empty() {
            return Err(Error::choice("samples", "at least one", "none"));
        }
        let methods = self.methods.in_order_of_running();
        let there: HashSet<(String, String)> =
            folder.records().iter().map(|record| (record.sample.clone(), record.method.clone())).collect();
        let is_there = |name: &str, method: &Method| there.contains(&(name.to_string(), method.to_string()));
        let vocabulary = self.model.decoder().config().vocabulary;
        let mut run = Run {
            evaluation: self,
            planner: Planner::new(self.model, self.compute, self.element_type, self.minference),
            references: References::beside(folder.path(), vocabulary),
            source,
            outside: Duration::ZERO,
            done: there.len(),
            steps: names.len() * methods.len(),
        };
        run.done = names.iter().map(|name| methods.iter().filter(|m| is_there(name, m)).count()).sum();
        for (number, name) in names.iter().enumerate() {
            let missing: Vec<Method> = methods.iter().copied().filter(|m| !is_there(name, m)).collect();
            if !missing.is_empty() {
                run.sample(number, &missing, folder)?;
            }
        }
        Ok(RunTimes { total: start.elapsed(), outside: run.outside })
    }
}

/// A run at work.
struct Run<'a> {
    evaluation: &'a Evaluation<'a>,
    planner: Planner<'a>,
    references: References,
    source: &'a dyn SampleSource,
    outside: Duration,
    done: usize,
    steps: usize,
}

impl Run<'_> {
    /// Makes a sample and answers it with the methods that are missing.
    fn sample(
        &mut self,
        number: usize,
        missing: &[Method],
        folder: &mut ResultsFolder<AnswerRecord>,
    ) -> Result<()> {
        let start = Instant::now();
        let encoded = self.encode(number)?;
        let outside = start.elapsed();
        self.outside += outside;
        let sample = &encoded.sample;
        // divided among all records that this makes
        let outside = outside.as_secs_f64() / (missing.len() * sample.questions.len()) as f64;

        let compares = self.evaluation.methods.contains(&Method::Dense);
        let mut dense = if compares && !missing.contains(&Method::Dense) {
            Some(self.dense_again(&encoded, folder.records())?)
        } else {
            None
        };
        for &method in missing {
            let answers = self.answer(&encoded, method, folder.records())?;
            if method == Method::Dense {
                self.references.write(&sample.name, &answers.distributions)?;
            }
            let mut records = answers.records(sample, method, outside);
            if let Some(dense) = &dense {
                for (i, record) in records.iter_mut().enumerate() {
                    record.dense = Some(agreement(record, &answers.distributions[i], dense, i));
                }
            }
            folder.append(&records)?;
            if method == Method::Dense {
                dense = Some(DenseAnswers::new(&records, answers.distributions));
            }
            self.done += 1;
        }
        Ok(())
    }

    fn encode(&self, number: usize) -> Result<EncodedSample> {
        let encoder = &self.evaluation.encoder;
        EncodedSample::new(self.source.sample(number, encoder)?, encoder, self.evaluation.context)
    }

    /// Dense attention's answers of an earlier run, with distributions that were kept or are computed again.
    fn dense_again(&mut self, encoded: &EncodedSample, records: &[AnswerRecord]) -> Result<DenseAnswers> {
        let sample = &encoded.sample;
        let records: Vec<AnswerRecord> = records_of(records, sample, Method::Dense).cloned().collect();
        let distributions = match self.references.read(&sample.name, sample.questions.len()) {
            Some(distributions) => distributions,
            None => {
                let answers = self.answer(encoded, Method::Dense, &records)?;
                self.references.write(&sample.name, &answers.distributions)?;
                answers.distributions
            }
        };
        Ok(DenseAnswers::new(&records, distributions))
    }

    fn answer(
        &mut self,
        encoded: &EncodedSample,
        method: Method,
        records: &[AnswerRecord],
    ) -> Result<MethodAnswers> {
        let sample = &encoded.sample;
        let progress = &self.evaluation.progress;
        progress.begin(&RunStep { done: self.done, steps: self.steps, sample: &sample.name, method });
        if method == Method::Static && self.planner.lacks_fixed(sample.length) {
            self.fix(sample.length)?;
        }
        let shares: Vec<f64> =
            records_of(records, sample, Method::Minference).map(|record| record.computed_share).collect();
        let share = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
        let planned = self.planner.plan(method, sample.length, encoded.prompts[0].len(), share)?;
        MethodAnswers::new(self.evaluation, encoded, planned)
    }

    /// Fixes the indices of the first sample whose length is about that of others.
    fn fix(&mut self, length: usize) -> Result<()> {
        use crate::methods::length_class;
        for number in 0..self.source.names().len() {
            let first = self.encode(number)?;
            if length_class(first.sample.length) == length_class(length) {
                let progress: Arc<dyn Progress> = self.evaluation.progress.clone();
                return self.planner.fix(length, &first.prompts[0], Some(&progress));
            }
        }
        Ok(())
    }
}

/// What was found for a sample with a method.
fn records_of<'a>(
    records: &'a [AnswerRecord],
    sample: &'a Sample,
    method: Method,
) -> impl Iterator<Item = &'a AnswerRecord> {
    let method = method.to_string();
    records.iter().filter(move |record| record.sample == sample.name && record.method == method)
}

/// Dense attention's answers to a sample's questions.
struct DenseAnswers {
    answers: Vec<String>,
    scores: Vec<f64>,
    /// Logarithms of probabilities of each answer's first token.
    distributions: Vec<Vec<f32>>,
}

impl DenseAnswers {
    fn new(records: &[AnswerRecord], distributions: Vec<Vec<f32>>) -> Self {
        let mut records: Vec<&AnswerRecord> = records.iter().collect();
        records.sort_by_key(|record| record.question);
        Self {
            answers: records.iter().map(|record| record.answer.clone()).collect(),
            scores: records.iter().map(|record| record.score).collect(),
            distributions,
        }
    }
}
