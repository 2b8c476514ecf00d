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
//! use minference_eval::evaluate::{Evaluation, Unwatched};
//! use minference_eval::methods::{Methods, ModelPlan};
//! use minference_eval::prompt::{PromptEncoder, PromptTemplate};
//! use minference_eval::results::{EvaluationKind, FORMAT, ResultsFolder, RunHeader};
//! use minference_eval::tasks::needle::{Needle, NeedleOptions};
//! use minference_model::{AttentionPlan, CacheFormat, Compute, ComputeOptions, Model};
//! use std::sync::Arc;
//!
//! let model = Model::load("models/smollm2-135m-instruct-q4_1.gguf")?;
//! let compute = Compute::new(ComputeOptions::default())?;
//! let methods: Methods = "dense,minference,a-shape".parse()?;
//! let evaluation = Evaluation {
//!     model: &model,
//!     compute: &compute,
//!     encoder: PromptEncoder::new(&model, PromptTemplate::Model),
//!     cache: CacheFormat::F16,
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
use crate::methods::{Method, Methods, ModelPlan, Planner, PromptFacts};
use crate::prompt::PromptEncoder;
use crate::results::{AnswerRecord, References, ResultsFolder};
use crate::sample::{Sample, SampleSource};
use answers::{EncodedSample, MethodAnswers, agreement};
use minference_attention::Progress;
use minference_model::{CacheFormat, Compute, Model};
use std::collections::{HashMap, HashSet};
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
    /// How keys and values are stored.
    pub cache: CacheFormat,
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
    /// On making samples and their tokens, on judging answers, and on files.
    pub outside: Duration,
}

impl Evaluation<'_> {
    /// Asks all questions that the folder has no answers to yet.
    ///
    /// Answers of a sample that are not complete (a run was killed while it wrote them) are asked again, and so are those that were not held
    /// against dense attention, if it is among the methods now.
    ///
    /// # Errors
    /// No samples, two of one name, a sample that can't be made or is longer than the context, results that can't be written, whatever the
    /// model refuses, cancelled. What was found before stays in the folder.
    pub fn run(
        &self,
        source: &dyn SampleSource,
        folder: &mut ResultsFolder<AnswerRecord>,
    ) -> Result<RunTimes> {
        let start = Instant::now();
        let names = source.names();
        check_names(&names)?;
        let compares = self.methods.contains(&Method::Dense);
        let done = done_groups(folder.records(), compares);
        folder.retain(|record| done.contains(&group_of(record)))?;
        let methods = self.methods.in_order_of_running();
        let is_there = |name: &str, method: &Method| done.contains(&(name.to_string(), method.to_string()));
        let vocabulary = self.model.decoder().config().vocabulary;
        let mut run = Run {
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
            let missing: Vec<Method> = methods.iter().copied().filter(|m| !is_there(name, m)).collect();
            if !missing.is_empty() {
                run.sample(number, &missing, folder)?;
            }
        }
        Ok(RunTimes { total: start.elapsed(), outside: run.outside })
    }
}

/// Refuses no samples, and two of one name, whose answers nobody could tell apart.
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

/// A sample's name, and a method.
type Group = (String, String);

fn group_of(record: &AnswerRecord) -> Group {
    (record.sample.clone(), record.method.clone())
}

/// The samples and methods of which each question is answered, once.
///
/// - `compares`: whether answers must have been held against dense attention's
fn done_groups(records: &[AnswerRecord], compares: bool) -> HashSet<Group> {
    let mut answered: HashMap<Group, Vec<usize>> = HashMap::new();
    let mut lacking: HashSet<Group> = HashSet::new();
    for record in records {
        answered.entry(group_of(record)).or_default().push(record.question);
        let should_agree = compares && record.method != Method::Dense.to_string();
        if should_agree && record.dense.is_none() {
            lacking.insert(group_of(record));
        }
    }
    let is_done = |record: &&AnswerRecord| {
        let group = group_of(record);
        let mut questions = answered[&group].clone();
        questions.sort_unstable();
        questions.into_iter().eq(0..record.questions) && !lacking.contains(&group)
    };
    records.iter().filter(is_done).map(group_of).collect()
}

/// A run at work.
struct Run<'a> {
    evaluation: &'a Evaluation<'a>,
    planner: Planner<'a>,
    references: References,
    source: &'a dyn SampleSource,
    names: &'a [String],
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
        let before = self.outside;
        let encoded = self.encode(number)?;
        let sample = &encoded.sample;
        // divided among all records that this makes
        let outside = (self.outside - before).as_secs_f64() / (missing.len() * sample.questions.len()) as f64;

        let mut dense = None;
        if !missing.contains(&Method::Dense) {
            dense = self.dense_again(&encoded, folder.records())?;
        }
        for &method in missing {
            let answers = self.answer(&encoded, method, folder.records())?;
            let start = Instant::now();
            let mut records = answers.records(sample, method, outside);
            if method == Method::Dense {
                self.references.write(&sample.name, &answers.distributions)?;
                dense = Some(DenseAnswers::new(&records, answers.distributions));
            } else if let Some(dense) = &dense {
                for (record, distribution) in records.iter_mut().zip(&answers.distributions) {
                    record.dense = Some(agreement(record, distribution, dense));
                }
            }
            folder.append(&records)?;
            self.outside += start.elapsed();
            self.done += 1;
        }
        Ok(())
    }

    fn encode(&mut self, number: usize) -> Result<EncodedSample> {
        let start = Instant::now();
        let encoder = &self.evaluation.encoder;
        let sample = self.source.sample(number, encoder)?;
        let encoded = EncodedSample::new(sample, encoder, self.evaluation.context);
        self.outside += start.elapsed();
        encoded
    }

    /// Dense attention's answers of an earlier run, if there are any, with distributions that were kept or are computed again.
    fn dense_again(
        &mut self,
        encoded: &EncodedSample,
        records: &[AnswerRecord],
    ) -> Result<Option<DenseAnswers>> {
        let sample = &encoded.sample;
        let records: Vec<AnswerRecord> = records_of(records, sample, Method::Dense).cloned().collect();
        if records.is_empty() {
            return Ok(None);
        }
        let distributions = match self.references.read(&sample.name, sample.questions.len()) {
            Some(distributions) => distributions,
            None => {
                let answers = self.answer(encoded, Method::Dense, &records)?;
                self.references.write(&sample.name, &answers.distributions)?;
                answers.distributions
            }
        };
        Ok(Some(DenseAnswers::new(&records, distributions)))
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
        let group = format!("{}/{}", sample.task, sample.length);
        if method == Method::Static && self.planner.lacks_fixed(&group) {
            self.fix(&group, encoded, records)?;
        }
        let shares: Vec<f64> =
            records_of(records, sample, Method::Minference).map(|record| record.computed_share).collect();
        let prompt = PromptFacts {
            tokens: encoded.prompts[0].len(),
            group: &group,
            share: (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64),
        };
        MethodAnswers::new(self.evaluation, encoded, self.planner.plan(method, prompt)?)
    }

    /// Fixes the indices of a group: those of the sample that an earlier run used, or else of this one.
    fn fix(&mut self, group: &str, encoded: &EncodedSample, records: &[AnswerRecord]) -> Result<()> {
        let progress: Arc<dyn Progress> = self.evaluation.progress.clone();
        let sample = &encoded.sample;
        let earlier = records.iter().find_map(|record| {
            let same = record.task == sample.task && record.length == sample.length;
            record.fixed_by.as_ref().filter(|_| same)
        });
        let Some(name) = earlier.filter(|name| **name != sample.name) else {
            return self.planner.fix(group, &sample.name, &encoded.prompts[0], Some(&progress));
        };
        let Some(number) = self.names.iter().position(|other| other == name) else {
            let expected = format!("{name} among the samples, whose index the others have");
            return Err(Error::choice("samples for static", expected, "others"));
        };
        let first = self.encode(number)?;
        self.planner.fix(group, name, &first.prompts[0], Some(&progress))
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
    /// By question.
    records: Vec<AnswerRecord>,
    /// Logarithms of probabilities of each answer's first token.
    distributions: Vec<Vec<f32>>,
}

impl DenseAnswers {
    /// - `records`: of all questions
    fn new(records: &[AnswerRecord], distributions: Vec<Vec<f32>>) -> Self {
        let mut records = records.to_vec();
        records.sort_by_key(|record| record.question);
        Self { records, distributions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{AnswerSeconds, DenseAgreement};

    fn record(sample: &str, method: &str, question: usize, is_compared: bool) -> AnswerRecord {
        let agreement = DenseAgreement { same: 1.0, same_score: Some(1.0), divergence: 0.0 };
        AnswerRecord {
            sample: sample.into(),
            question,
            questions: 2,
            task: "t".into(),
            length: 1,
            depth: None,
            method: method.into(),
            pattern: String::new(),
            fixed_by: None,
            prompt_tokens: 1,
            answer: String::new(),
            references: vec![],
            score: 0.0,
            dense: is_compared.then_some(agreement),
            computed_share: 1.0,
            seconds: AnswerSeconds::default(),
        }
    }

    #[test]
    fn only_complete_groups_are_done() {
        let records = [
            record("a", "dense", 1, false),
            record("a", "dense", 0, false),
            // cut short
            record("b", "dense", 0, false),
            // twice
            record("c", "dense", 0, false),
            record("c", "dense", 0, false),
            record("a", "minference", 0, true),
            record("a", "minference", 1, false),
        ];
        let groups = |compares| {
            let mut groups: Vec<Group> = done_groups(&records, compares).into_iter().collect();
            groups.sort();
            groups.iter().map(|(sample, method)| format!("{sample} {method}")).collect::<Vec<_>>()
        };
        assert_eq!(groups(false), ["a dense", "a minference"]);
        assert_eq!(groups(true), ["a dense"]);
    }

    #[test]
    fn names_tell_samples_apart() {
        let names =
            |names: &[&str]| check_names(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert!(names(&["a", "b"]).is_ok());
        assert!(names(&["a", "b", "a"]).unwrap_err().to_string().contains("a twice"));
        assert!(names(&[]).unwrap_err().to_string().contains("at least one"));
    }
}
