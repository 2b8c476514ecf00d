//! `minference eval infinite-bench`: which samples.

use super::run::ask;
use super::{Length, RunOptions, tokens};
use anyhow::{Result, ensure};
use clap::Args;
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::EvaluationKind;
use minference_eval::sample::SampleSource;
use minference_eval::tasks::infinite_bench::{BenchmarkFiles, GeneratedSamples, Task};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Two kinds of samples:
  --data FOLDER reads the official files, one for each task (passkey.jsonl, longbook_qa_eng.jsonl, ...). Prompts
  that are longer than --limit lose their middle, as in the benchmark.
  Without it the four synthetic tasks are generated, as the benchmark's were, at the lengths of --lengths.

Tasks, with their scores:
  passkey, number_string     digits in a text that repeats itself: the answer's first number
  kv_retrieval               the value of a key of a JSON object: one of the answer's words
  math_find                  the largest number of a list, and the like: the answer's first number
  longbook_sum_eng           the summary of a novel: ROUGE-Lsum
  longbook_choice_eng        a question with four options: the chosen one
  longbook_qa_eng            a question about an English novel: F1 of words
  longbook_qa_chn            a question about a Chinese novel: F1 of characters
  longdialogue_qa_eng        the masked name in a script: one of the answer's words
  code_debug                 the function with an error, of four: the chosen one

Prompts are texts that the answer continues, as the paper's experiments use them with every model; --template raw
asks exactly so.

Examples:
  All that needs no data, at 16,384 tokens, against dense:
    minference eval infinite-bench --model MODEL --lengths 16384 --methods dense,minference
  100 samples of one task at several lengths:
    minference eval infinite-bench --model MODEL --tasks kv_retrieval --lengths 4096,8192,16384 --samples 100
  The paper's ten tasks, cut to 128,000 tokens:
    minference eval infinite-bench --model MODEL --data InfiniteBench --limit 128000
  The first 20 samples of two of them, cut to the model's context:
    minference eval infinite-bench --model MODEL --data InfiniteBench --tasks longbook_qa_eng,code_debug --samples 20";

/// Length of generated prompts, where the model can read that many tokens.
const LENGTH: usize = 16_384;

/// Generated samples of each task and length.
const SAMPLES: usize = 10;

/// What to ask, and whom.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    samples: SampleOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// Which samples.
#[derive(Debug, Args)]
#[command(next_help_heading = "Samples")]
struct SampleOptions {
    /// Which tasks [default: all ten of the official files, or the four that can be generated]
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    tasks: Vec<Task>,
    /// The folder with the official files
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["lengths", "seed"])]
    data: Option<PathBuf>,
    /// Lengths of generated prompts with their longest answer, in tokens [default: 16384, or the model's context]
    #[arg(long, value_name = "TOKENS", value_delimiter = ',')]
    lengths: Vec<Length>,
    /// Samples of each task, and of each length [default: all of the official files, or 10]
    #[arg(long, value_name = "NUMBER")]
    samples: Option<usize>,
    /// Which samples are generated
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longest prompt with its longest answer: longer prompts of official files lose their middle [default: the model's context]
    #[arg(long, value_name = "TOKENS", requires = "data")]
    limit: Option<usize>,
    /// Form of prompts: model (its own chat template), raw, or one that RULER publishes (base, meta-chat, vicuna-chat, ...)
    #[arg(long, value_name = "NAME", default_value = "model")]
    template: PromptTemplate,
}

pub(super) fn run(options: &Options) -> Result<()> {
    options.samples.check()?;
    let setup = options.run.setup()?;
    let (source, settings) = options.samples.source(setup.model.context)?;
    ask(&setup, EvaluationKind::InfiniteBench, &*source, options.samples.template, settings).map(drop)
}

impl SampleOptions {
    /// Refuses what makes no sense for any model, and files that are missing, before a model is fetched.
    fn check(&self) -> Result<()> {
        self.source(usize::MAX).map(drop)
    }

    /// The samples, and all of these options that changes results beyond the names of samples.
    ///
    /// - `context`: tokens that the model can read and write
    fn source(&self, context: usize) -> Result<(Box<dyn SampleSource>, BTreeMap<String, String>)> {
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: String| settings.insert(name.to_string(), value);
        let source: Box<dyn SampleSource> = match &self.data {
            Some(folder) => {
                let limit = self.limit.unwrap_or(context);
                ensure!(
                    limit <= context,
                    "--limit: expected at most {context}, the model's context, found {limit}"
                );
                set("samples", "official files".into());
                set("limit", limit.to_string());
                Box::new(BenchmarkFiles::open(folder, &self.tasks(Task::all()), self.samples, limit)?)
            }
            None => {
                let lengths =
                    if self.lengths.is_empty() { vec![LENGTH.min(context)] } else { tokens(&self.lengths) };
                if let Some(length) = lengths.iter().find(|&&length| length > context) {
                    anyhow::bail!(
                        "--lengths: expected at most {context}, the model's context, found {length}"
                    );
                }
                set("samples", "generated".into());
                set("seed", self.seed.to_string());
                let (tasks, samples) = (self.tasks(Task::generated()), self.samples.unwrap_or(SAMPLES));
                Box::new(GeneratedSamples::new(&tasks, &lengths, samples, self.seed)?)
            }
        };
        Ok((source, settings))
    }

    fn tasks(&self, all: impl Iterator<Item = Task>) -> Vec<Task> {
        if self.tasks.is_empty() { all.collect() } else { self.tasks.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        options: SampleOptions,
    }

    fn options(arguments: &[&str]) -> Result<SampleOptions, clap::Error> {
        Command::try_parse_from([&["test"], arguments].concat()).map(|command| command.options)
    }

    fn names(arguments: &[&str], context: usize) -> Result<(Vec<String>, BTreeMap<String, String>)> {
        let (source, settings) = options(arguments)?.source(context)?;
        Ok((source.names(), settings))
    }

    #[test]
    fn what_needs_no_data_is_the_default() {
        let (samples, settings) = names(&[], 4096).unwrap();
        assert_eq!((samples.len(), samples[0].as_str()), (40, "passkey/4096/0"));
        assert_eq!(settings["seed"], "0");
        let chosen =
            ["--tasks", "math_find,passkey", "--lengths", "512,1024", "--samples", "2", "--seed", "7"];
        let (samples, settings) = names(&chosen, 4096).unwrap();
        assert_eq!((samples.len(), samples[3].as_str()), (8, "math_find/1024/1"));
        assert_eq!(
            settings.into_iter().collect::<Vec<_>>(),
            [("samples", "generated"), ("seed", "7")].map(|(k, v)| (k.into(), v.into()))
        );
    }

    #[test]
    fn official_files_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let missing = names(&["--data", data], 4096).unwrap_err().to_string();
        assert!(missing.contains("passkey.jsonl") && missing.contains("no such file"), "{missing}");
        let line = r#"{"context": "x", "input": "y", "answer": "z"}"#;
        std::fs::write(folder.path().join("passkey.jsonl"), format!("{line}\n{line}\n{line}\n")).unwrap();
        let (samples, settings) =
            names(&["--data", data, "--tasks", "passkey", "--samples", "2"], 4096).unwrap();
        assert_eq!(samples, ["passkey/0", "passkey/1"]);
        assert_eq!(settings["limit"], "4096");
    }

    #[test]
    fn wrong_options_are_told() {
        let refused = |arguments: &[&str]| names(arguments, 4096).unwrap_err().to_string();
        assert!(refused(&["--tasks", "math_calc"]).contains("expected one of passkey, number_string"));
        assert!(refused(&["--tasks", "code_debug"]).contains("the others need the official files"));
        assert!(refused(&["--lengths", "8192"]).contains("at most 4096, the model's context, found 8192"));
        assert!(refused(&["--data", "x", "--limit", "8192"]).contains("at most 4096, the model's context"));
        assert!(refused(&["--samples", "0"]).contains("expected at least 1"));
        assert!(refused(&["--limit", "100"]).contains("--data"));
        assert!(refused(&["--data", "x", "--lengths", "100"]).contains("--lengths"));
    }
}
