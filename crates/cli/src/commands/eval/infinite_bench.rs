//! `minference eval infinite-bench`: which samples.

use super::run::ask;
use crate::options::{
    ChatTemplateOptions, EvaluationOptions, Length, check_template, checked, sorted_lengths,
};
use anyhow::{Result, ensure};
use clap::Args;
use minference_eval::evaluate::Protocol;
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::{EvaluationKind, LIMIT_SETTING};
use minference_eval::sample::SampleSource;
use minference_eval::tasks::infinite_bench::{BenchmarkFiles, GeneratedSamples, InfiniteBenchTask};
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
    minference eval infinite-bench --model MODEL --lengths 16K --methods dense,minference
  100 samples of one task at several lengths:
    minference eval infinite-bench --model MODEL --tasks kv_retrieval --lengths 4K,8K,16K --samples 100
  The paper's ten tasks, cut to 131,072 tokens:
    minference eval infinite-bench --model MODEL --data InfiniteBench --limit 128K
  The first 20 samples of two of them, cut to the model's context:
    minference eval infinite-bench --model MODEL --data InfiniteBench --tasks longbook_qa_eng,code_debug --samples 20";

/// Length of generated prompts, where the model can read that many tokens.
const LENGTH: usize = 16_384;

/// Generated samples of each task and length.
const SAMPLES: usize = 10;

/// What to ask, and whom.
#[derive(Debug, Args)]
pub(crate) struct InfiniteBenchArguments {
    #[command(flatten)]
    samples: InfiniteBenchSampleOptions,
    #[command(flatten)]
    chat_template: ChatTemplateOptions,
    #[command(flatten)]
    run: EvaluationOptions,
}

/// Which samples.
#[derive(Debug, Args)]
#[command(next_help_heading = "Samples")]
struct InfiniteBenchSampleOptions {
    /// Which tasks [default: all ten of the official files, or the four that can be generated]
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    tasks: Vec<InfiniteBenchTask>,
    /// The folder with the official files
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["lengths", "seed"])]
    data: Option<PathBuf>,
    /// Lengths of generated prompts with their longest answer, in tokens [default: 16K, or the
    /// model's context]
    #[arg(long, value_name = "TOKENS", value_delimiter = ',')]
    lengths: Vec<Length>,
    /// Samples of each task, and of each length [default: all of the official files, or 10]
    #[arg(long, value_name = "NUMBER")]
    samples: Option<usize>,
    /// Which samples are generated
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longest prompt with its longest answer: longer prompts of official files lose their middle
    /// [default: the model's context]
    #[arg(long, value_name = "TOKENS", requires = "data")]
    limit: Option<Length>,
    /// Form of prompts: model (its own chat template), raw, or one that RULER publishes (base,
    /// meta-chat, vicuna-chat, ...)
    #[arg(long, value_name = "NAME", default_value = "model")]
    template: PromptTemplate,
}

/// What to ask, as far as it doesn't depend on the model.
enum PreparedInfiniteBench {
    /// Samples of official files, not yet cut.
    Official(BenchmarkFiles),
    /// Tasks whose samples are generated.
    Generated(Vec<InfiniteBenchTask>),
}

pub(super) fn run(options: &InfiniteBenchArguments) -> Result<()> {
    let InfiniteBenchArguments { samples, chat_template, run } = options;
    let prepared = samples.prepare()?;
    checked(check_template(chat_template, samples.template))?;
    let setup = run.setup()?.with_chat_template(chat_template, samples.template)?;
    let context = setup.model.context;
    let settings = samples.settings(&prepared, context);
    let source: Box<dyn SampleSource> = match prepared {
        PreparedInfiniteBench::Official(files) => {
            let files = files.with_limit(samples.limit(context)?);
            setup.check_length(files.longest(&setup.evaluation(samples.template).encoder)?)?;
            Box::new(files)
        }
        PreparedInfiniteBench::Generated(tasks) => {
            let lengths = samples.lengths(context);
            lengths.last().map_or(Ok(()), |&longest| setup.check_length(longest))?;
            Box::new(samples.generated(&tasks, &lengths)?)
        }
    };
    ask(&setup, EvaluationKind::InfiniteBench, &*source, samples.template, Protocol::default(), settings)
        .map(drop)
}

impl InfiniteBenchSampleOptions {
    /// Reads the files and refuses what makes no sense, before a model is fetched.
    fn prepare(&self) -> Result<PreparedInfiniteBench> {
        checked(self.check())?;
        match &self.data {
            Some(folder) => {
                let files =
                    BenchmarkFiles::open(folder, &self.tasks(InfiniteBenchTask::all()), self.samples)?;
                Ok(PreparedInfiniteBench::Official(files))
            }
            None => {
                let tasks = self.tasks(InfiniteBenchTask::generated());
                checked(self.generated(&tasks, &self.lengths(usize::MAX)))?;
                Ok(PreparedInfiniteBench::Generated(tasks))
            }
        }
    }

    fn check(&self) -> Result<()> {
        ensure!(self.samples != Some(0), "--samples: expected at least 1, found 0");
        Ok(())
    }

    /// All of these options that changes results beyond the names of samples.
    ///
    /// - `context`: tokens that the model can read and write
    fn settings(&self, prepared: &PreparedInfiniteBench, context: usize) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        let mut set = |name: String, value: String| settings.insert(name, value);
        match prepared {
            PreparedInfiniteBench::Official(files) => {
                set("source".into(), "official files".into());
                set(LIMIT_SETTING.into(), self.limit.map_or(context, |limit| limit.0).to_string());
                for (task, content) in files.contents() {
                    set(task.file_name(), content.to_string());
                }
            }
            PreparedInfiniteBench::Generated(_) => {
                set("source".into(), "generated".into());
                set("seed".into(), self.seed.to_string());
            }
        }
        settings
    }

    /// The longest prompt with its answer.
    fn limit(&self, context: usize) -> Result<usize> {
        let limit = self.limit.map_or(context, |limit| limit.0);
        ensure!(limit <= context, "--limit: expected at most {context}, the model's context, found {limit}");
        Ok(limit)
    }

    /// In ascending order.
    fn lengths(&self, context: usize) -> Vec<usize> {
        if self.lengths.is_empty() { vec![LENGTH.min(context)] } else { sorted_lengths(&self.lengths) }
    }

    fn generated(&self, tasks: &[InfiniteBenchTask], lengths: &[usize]) -> Result<GeneratedSamples> {
        Ok(GeneratedSamples::new(tasks, lengths, self.samples.unwrap_or(SAMPLES), self.seed)?)
    }

    fn tasks(&self, all: impl Iterator<Item = InfiniteBenchTask>) -> Vec<InfiniteBenchTask> {
        if self.tasks.is_empty() { all.collect() } else { self.tasks.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(flatten)]
        options: InfiniteBenchSampleOptions,
    }

    fn options(arguments: &[&str]) -> Result<InfiniteBenchSampleOptions, clap::Error> {
        TestCommand::try_parse_from([&["test"], arguments].concat()).map(|command| command.options)
    }

    /// For a model that can read and write 4,096 tokens.
    fn prepared(arguments: &[&str]) -> Result<(Box<dyn SampleSource>, BTreeMap<String, String>)> {
        let options = options(arguments)?;
        let prepared = options.prepare()?;
        let settings = options.settings(&prepared, 4096);
        Ok(match prepared {
            PreparedInfiniteBench::Official(files) => {
                (Box::new(files.with_limit(options.limit(4096)?)), settings)
            }
            PreparedInfiniteBench::Generated(tasks) => {
                (Box::new(options.generated(&tasks, &options.lengths(4096))?), settings)
            }
        })
    }

    fn names(arguments: &[&str]) -> Result<(Vec<String>, BTreeMap<String, String>)> {
        prepared(arguments).map(|(source, settings)| (source.names(), settings))
    }

    #[test]
    fn what_needs_no_data_is_the_default() {
        let (samples, settings) = names(&[]).unwrap();
        assert_eq!((samples.len(), samples[0].as_str()), (40, "passkey/4096/0"));
        assert_eq!(settings["seed"], "0");
        let chosen = ["--tasks", "math_find,passkey", "--lengths", "1K,512", "--samples", "2", "--seed", "7"];
        let (samples, settings) = names(&chosen).unwrap();
        assert_eq!(
            (samples.len(), samples[1].as_str(), samples[5].as_str()),
            (8, "math_find/512/1", "math_find/1024/1")
        );
        assert_eq!(
            settings.into_iter().collect::<Vec<_>>(),
            [("seed", "7"), ("source", "generated")].map(|(k, v)| (k.into(), v.into()))
        );
    }

    #[test]
    fn official_files_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let missing = names(&["--data", data]).unwrap_err().to_string();
        assert!(missing.contains("passkey.jsonl") && missing.contains("no such file"), "{missing}");
        let line = r#"{"context": "x", "input": "y", "answer": "z"}"#;
        let path = folder.path().join("passkey.jsonl");
        std::fs::write(&path, format!("{line}\n{line}\n{line}\n")).unwrap();
        let chosen = ["--data", data, "--tasks", "passkey", "--samples", "2"];
        let (samples, settings) = names(&chosen).unwrap();
        assert_eq!(samples, ["passkey/0", "passkey/1"]);
        assert_eq!(settings["limit"], "4096");
        assert_eq!(names(&[&chosen[..], &["--limit", "3K"]].concat()).unwrap().1["limit"], "3072");
        // an edited file gives other results
        std::fs::write(&path, format!("{line}\n{line}\n{}\n", line.replace('x', "w"))).unwrap();
        assert_ne!(names(&chosen).unwrap().1["passkey.jsonl"], settings["passkey.jsonl"]);
        let refused = names(&[&chosen[..], &["--limit", "8K"]].concat()).unwrap_err().to_string();
        assert!(refused.contains("at most 4096, the model's context, found 8192"), "{refused}");
    }

    #[test]
    fn wrong_options_are_told() {
        let refused = |arguments: &[&str]| names(arguments).unwrap_err().to_string();
        assert!(refused(&["--tasks", "math_calc"]).contains("expected one of passkey, number_string"));
        assert!(refused(&["--tasks", "code_debug"]).contains("the others need the official files"));
        assert!(refused(&["--samples", "9999999999"]).contains("1000000 in all, found 9999999999"));
        assert!(refused(&["--lengths", "4G"]).contains("16K"));
        assert!(refused(&["--samples", "0"]).contains("expected at least 1"));
        assert!(refused(&["--limit", "100"]).contains("--data"));
        assert!(refused(&["--data", "x", "--lengths", "100"]).contains("--lengths"));
    }
}
