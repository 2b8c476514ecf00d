//! `minference eval ruler`: which tasks, at which lengths, made of what.

use super::run::ask;
use crate::options::{
    ChatTemplateOptions, EvaluationOptions, Length, check_template, checked, sorted_lengths,
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_eval::evaluate::Protocol;
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::EvaluationKind;
use minference_eval::sample::SampleSource;
use minference_eval::tasks::ruler::{
    DocumentQuestions, HaystackText, QuestionFormat, RulerData, RulerPlan, RulerSource, RulerTask,
    SampleFiles, SampleForm, WordList, write_predictions, write_samples,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
What it asks:
  niah_single_1 to 3     one value hidden in repeated sentences, or in a text
  niah_multikey_1 to 3   one of several, or of very many, keys
  niah_multivalue        all four values of a key
  niah_multiquery        the values of four keys
  vt                     variables that got their value from each other
  cwe, fwe               the words that occur most often in a list, or in a coded text
  qa_1, qa_2             questions about paragraphs (--squad), about several articles (--hotpot)
  A length holds the prompt and the longest answer, counted by the model's own tokenizer. Scores are the
  benchmark's; a length counts as effective if its average over tasks, and that of all shorter ones, is at
  least 85.6.

What texts are made of:
  Without files, needles lie in generated English sentences, and words come from the EFF's long list. For
  figures to compare with published ones, give the benchmark's essays (PaulGrahamEssays.json) and use its
  template for your model (--template meta-chat, ...).

Examples:
  The eleven tasks that need no data, at two lengths:
    minference eval ruler --model m.gguf --lengths 4096,8192
  Three tasks, 50 samples each, sparse and dense:
    minference eval ruler --model m.gguf --tasks niah_multikey_1,vt,fwe --samples 50 --methods dense,minference
  All thirteen, with the benchmark's data:
    minference eval ruler --model m.gguf --essays PaulGrahamEssays.json --squad squad.json --hotpot hotpotqa.json
  Samples that the official generator made (4096/vt/validation.jsonl, ...), asked as they stand:
    minference eval ruler --model m.gguf --read data/
  Those that it made without a template, with --prepare_for_ns, in the model's own:
    minference eval ruler --model m.gguf --read data/ --template model
  Samples for other programs, which are written and not asked:
    minference eval ruler --model m.gguf --tasks vt --lengths 4096 --samples 500 --write data/";

/// What to ask, and whom.
#[derive(Debug, Args)]
pub(crate) struct RulerArguments {
    #[command(flatten)]
    samples: RulerSampleOptions,
    #[command(flatten)]
    chat_template: ChatTemplateOptions,
    #[command(flatten)]
    run: EvaluationOptions,
}

/// Which samples to make, or to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "RULER")]
struct RulerSampleOptions {
    /// Tasks, separated by commas [default: all whose data is there]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "read")]
    tasks: Vec<RulerTask>,
    /// Lengths in tokens, prompt and longest answer, separated by commas
    #[arg(
        long,
        value_name = "TOKENS",
        value_delimiter = ',',
        default_value = "4096",
        conflicts_with = "read"
    )]
    lengths: Vec<Length>,
    /// Samples of each task at each length
    #[arg(long, value_name = "NUMBER", default_value_t = 10, conflicts_with = "read")]
    samples: usize,
    /// Which samples are made
    #[arg(long, default_value_t = 0, conflicts_with = "read")]
    seed: u64,
    /// Form of prompts: model (its own chat template), raw, or one that the benchmark publishes
    /// (base, instruction, meta-chat, vicuna-chat, ...) [default: model; with --read none, as the
    /// samples' inputs hold one]
    #[arg(long, value_name = "NAME")]
    template: Option<PromptTemplate>,
    /// A text to hide needles in, or the benchmark's JSON of essays [default: generated sentences]
    #[arg(long, value_name = "FILE", conflicts_with = "read")]
    essays: Option<PathBuf>,
    /// Words for keys and lists, separated by white space [default: the EFF's long list]
    #[arg(long, value_name = "FILE", conflicts_with = "read")]
    words: Option<PathBuf>,
    /// SQuAD 2.0 as JSON, for qa_1
    #[arg(long, value_name = "FILE", conflicts_with = "read")]
    squad: Option<PathBuf>,
    /// HotpotQA with distractors as JSON, for qa_2
    #[arg(long, value_name = "FILE", conflicts_with = "read")]
    hotpot: Option<PathBuf>,
    /// Ask samples of the benchmark's format: a .jsonl file, or a folder of such files
    #[arg(long, value_name = "PATH")]
    read: Option<PathBuf>,
    /// Write the samples as FOLDER/LENGTH/TASK/validation.jsonl, in the benchmark's format, instead
    /// of asking them
    #[arg(long, value_name = "FOLDER", conflicts_with = "read")]
    write: Option<PathBuf>,
    /// Write all answers of the results as FOLDER/METHOD/LENGTH/TASK.jsonl, for the benchmark's own
    /// scorer; files of that name are replaced
    #[arg(long, value_name = "FOLDER", conflicts_with = "write")]
    predictions: Option<PathBuf>,
}

/// What to ask.
struct PreparedRuler {
    samples: RulerSamples,
    /// The form of prompts.
    template: PromptTemplate,
    /// All that changes samples beyond their names.
    settings: BTreeMap<String, String>,
}

/// Where samples come from.
enum RulerSamples {
    Generated(RulerSource),
    Read(SampleFiles),
}

pub(super) fn run(options: &RulerArguments) -> Result<()> {
    let PreparedRuler { samples, template, settings } = options.samples.prepare()?;
    checked(check_template(&options.chat_template, template))?;
    let setup = options.run.setup()?.with_chat_template(&options.chat_template, template)?;
    let evaluation = setup.evaluation(template);
    if let Some(folder) = &options.samples.write {
        let written = write_samples(folder, samples.source(), &evaluation.encoder, &*evaluation.progress);
        setup.finish();
        let written = written.with_context(|| format!("--write {}", folder.display()))?;
        return written.iter().try_for_each(|path| Ok(writeln!(std::io::stdout(), "{}", path.display())?));
    }
    setup.check_length(match &samples {
        RulerSamples::Generated(_) => sorted_lengths(&options.samples.lengths).last().copied().unwrap_or(0),
        RulerSamples::Read(files) => files.longest(&evaluation.encoder)?,
    })?;
    let records =
        ask(&setup, EvaluationKind::Ruler, samples.source(), template, Protocol::default(), settings)?;
    if let Some(folder) = &options.samples.predictions {
        write_predictions(folder, &records).with_context(|| format!("--predictions {}", folder.display()))?;
    }
    Ok(())
}

impl RulerSamples {
    fn source(&self) -> &dyn SampleSource {
        match self {
            Self::Generated(source) => source,
            Self::Read(files) => files,
        }
    }
}

impl RulerSampleOptions {
    /// Reads the files and refuses what makes no sense, before a model is fetched.
    fn prepare(&self) -> Result<PreparedRuler> {
        if let Some(path) = &self.read {
            let form = if self.template.is_some() { SampleForm::Message } else { SampleForm::Whole };
            let files = SampleFiles::open_as(path, form)?;
            let settings = settings(&[("source", &files.description())]);
            let template = self.template.unwrap_or(PromptTemplate::Raw);
            return Ok(PreparedRuler { samples: RulerSamples::Read(files), template, settings });
        }
        checked(self.check())?;
        let data = self.data()?;
        let tasks = self.tasks(&data);
        let asks = |format: QuestionFormat| tasks.iter().any(|task| task.questions() == Some(format));
        let seed = self.seed.to_string();
        let mut settings = settings(&[
            ("source", "generated"),
            ("seed", &seed),
            ("essays", data.essays.description()),
            ("words", data.words.description()),
        ]);
        for questions in data.questions.iter().filter(|questions| asks(questions.format())) {
            settings.insert(questions.format().name().into(), questions.description().into());
        }
        let plan = RulerPlan {
            tasks,
            lengths: sorted_lengths(&self.lengths),
            samples: self.samples,
            seed: self.seed,
        };
        let source = checked(RulerSource::new(plan, data).map_err(Into::into))?;
        let template = self.template.unwrap_or_default();
        Ok(PreparedRuler { samples: RulerSamples::Generated(source), template, settings })
    }

    fn check(&self) -> Result<()> {
        ensure!(self.samples > 0, "--samples: expected at least 1, found 0");
        Ok(())
    }

    fn data(&self) -> Result<RulerData> {
        let mut data = RulerData::default();
        if let Some(path) = &self.words {
            data.words = WordList::read(path)?;
        }
        if let Some(path) = &self.essays {
            data.essays = HaystackText::read(path)?;
        }
        for (path, format) in [(&self.squad, QuestionFormat::Squad), (&self.hotpot, QuestionFormat::Hotpot)] {
            if let Some(path) = path {
                data.questions.push(DocumentQuestions::read(path, format)?);
            }
        }
        Ok(data)
    }

    /// Those that were chosen, or all whose data is there.
    fn tasks(&self, data: &RulerData) -> Vec<RulerTask> {
        if !self.tasks.is_empty() {
            return self.tasks.clone();
        }
        let is_there = |format| data.questions.iter().any(|questions| questions.format() == format);
        RulerTask::all().filter(|task| task.questions().is_none_or(is_there)).collect()
    }
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(flatten)]
        options: RulerSampleOptions,
    }

    fn prepare(arguments: &[&str]) -> Result<PreparedRuler> {
        let all = ["ruler"].iter().chain(arguments);
        TestCommand::try_parse_from(all)?.options.prepare()
    }

    #[test]
    fn options_name_samples_and_settings() {
        let prepared = prepare(&["--tasks", "vt,fwe", "--lengths", "2048,4096", "--samples", "2"]).unwrap();
        let names = prepared.samples.source().names();
        assert_eq!((names.len(), names[2].as_str(), names[7].as_str()), (8, "fwe/2048/0", "fwe/4096/1"));
        assert_eq!(prepared.settings["essays"], "generated sentences");
        assert_eq!(prepared.template, PromptTemplate::Model);
        // all that need no data
        assert_eq!(prepare(&["--samples", "1"]).unwrap().samples.source().names().len(), 11);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (arguments, found) in [
            (vec!["--tasks", "qa_1"], "SQuAD 2.0"),
            (vec!["--tasks", "niah"], "niah_single_1"),
            (vec!["--lengths", "0"], "number of tokens"),
            (vec!["--samples", "0"], "--samples"),
            (vec!["--samples", "9999999999"], "1000000 in all"),
            (vec!["--template", "chat"], "meta-chat"),
            (vec!["--read", "nowhere.jsonl"], "nowhere.jsonl"),
            (vec!["--read", "a", "--seed", "1"], "cannot be used with"),
            (vec!["--essays", "nowhere.txt"], "nowhere.txt"),
        ] {
            let error = prepare(&arguments).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(found), "{arguments:?}: {error}");
        }
    }
}
