//! `minference eval needle`.

use super::protocol::ProtocolOptions;
use super::run::ask;
use crate::options::{
    ChatTemplateOptions, EvaluationOptions, Length, check_template, checked, sorted_lengths,
};
use crate::prompt::TextFile;
use anyhow::{Result, ensure};
use clap::Args;
use minference_eval::evaluate::{Protocol, SessionMode};
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::EvaluationKind;
use minference_eval::tasks::needle::{Needle, NeedleOptions, NeedleText};
use std::path::PathBuf;

/// Shown by `--help`.
pub(super) const HELP: &str = "\
What is asked:
  A text holds facts (The access code of the Oslo office is 4711.) and each is asked for (What is the access code of the Oslo
  office?). An answer is right if it holds the number. With several facts the text is read once and the cache is rolled back after each
  answer; the question is read with the method, too. With one fact, text and question are read as one prompt, but by methods that
  compress before the question is known (--compress context). With --session turns the questions about a text, at least two, follow
  each other in one conversation.

Examples:
  Five facts in each of four texts of 4,096 and 8,192 tokens, dense and with the model's patterns:
    minference eval needle --model demo --lengths 4K,8K
  The classic grid, one fact each, with an A-shape that computes as much:
    minference eval needle --model demo --needles 1 --depths 0,0.25,0.5,0.75,1 --lengths 2K,4K,8K --methods dense,minference,a-shape
  Harder: look-alikes, and a text of your own:
    minference eval needle --model m.gguf --similar 10 --text essays.txt --lengths 31K --rounds 8
  What is lost and saved where 1,024 tokens of each layer are kept, chosen with and without the question:
    minference eval needle --model demo --methods dense,dense+snapkv:1K,minference+snapkv:1K,dense+streaming-llm:1K
    minference eval needle --model demo --kv snapkv,pyramidkv --kv-capacity 1K --compress prompt --output results/prompt
  Five questions as turns of a conversation, with the text read in chunks:
    minference eval needle --model demo --session turns --chunk 2K --output results/turns
  A report of what was found:
    minference report results/needle";

/// What to hide, and where.
#[derive(Debug, Args)]
pub(crate) struct NeedleArguments {
    /// Lengths of prompts, their answers (and with --session turns all turns) included, such as
    /// 4K,8K,16K
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',', default_value = "4K", help_heading = "Texts")]
    lengths: Vec<Length>,
    /// Facts in a text, each of which is asked for; the text is read once
    #[arg(long, value_name = "NUMBER", default_value_t = 5, help_heading = "Texts")]
    needles: usize,
    /// Where the facts lie, 0 at the beginning, 1 at the end [default: evenly from 0.1 to 0.9; of a
    /// single fact 0.1,0.3,0.5,0.7,0.9]
    #[arg(long, value_name = "DEPTHS", value_delimiter = ',', help_heading = "Texts")]
    depths: Vec<f64>,
    /// Texts of each length (of a single fact, of each length and depth)
    #[arg(long, value_name = "NUMBER", default_value_t = 4, help_heading = "Texts")]
    rounds: usize,
    /// Facts of the same form about other places, which no question is about; each makes it harder
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = "Texts")]
    similar: usize,
    /// What the text looks like
    #[arg(long, value_enum, value_name = "STYLE", default_value = "prose", help_heading = "Texts")]
    style: NeedleText,
    /// Take the sentences of this text instead
    #[arg(long, value_name = "FILE", conflicts_with = "style", help_heading = "Texts")]
    text: Option<PathBuf>,
    /// Another seed makes other texts
    #[arg(long, default_value_t = 0, help_heading = "Texts")]
    seed: u64,
    /// Form of prompts: model (its own chat template), raw, or one that RULER publishes (base,
    /// meta-chat, vicuna-chat, ...)
    #[arg(long, value_name = "NAME", default_value = "model", help_heading = "Texts")]
    template: PromptTemplate,
    #[command(flatten)]
    chat_template: ChatTemplateOptions,
    #[command(flatten)]
    protocol: ProtocolOptions,
    #[command(flatten)]
    run: EvaluationOptions,
}

pub(super) fn run(options: &NeedleArguments) -> Result<()> {
    let text = options.text()?;
    let needle = checked(options.needle(text))?;
    checked(check_template(&options.chat_template, options.template))?;
    let setup = options.run.setup()?.with_chat_template(&options.chat_template, options.template)?;
    if let Some(longest) = sorted_lengths(&options.lengths).last() {
        setup.check_questions(*longest, options.needles, options.protocol.into())?;
    }
    ask(&setup, EvaluationKind::Needle, &needle, options.template, options.protocol.into(), needle.settings())
        .map(drop)
}

impl NeedleArguments {
    fn text(&self) -> Result<NeedleText> {
        let Some(path) = &self.text else { return Ok(self.style.clone()) };
        let TextFile { name, text } = TextFile::read(path)?;
        Ok(NeedleText::File { name, text })
    }

    fn needle(&self, text: NeedleText) -> Result<Needle> {
        let session = Protocol::from(self.protocol).session;
        ensure!(
            session == SessionMode::Requests || self.needles != 1,
            "--session turns: expected at least 2 --needles, which are asked for one after the other, found 1"
        );
        let depths = if self.needles == 1 && self.depths.is_empty() {
            vec![0.1, 0.3, 0.5, 0.7, 0.9]
        } else {
            self.depths.clone()
        };
        Ok(Needle::new(NeedleOptions {
            lengths: sorted_lengths(&self.lengths),
            depths,
            rounds: self.rounds,
            needles: self.needles,
            similar: self.similar,
            text,
            seed: self.seed,
            session,
        })?)
    }
}
