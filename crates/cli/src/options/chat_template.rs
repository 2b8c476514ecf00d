//! Variables and date of a model's chat template.

use anyhow::{Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use minference_model::ChatTemplate;
use minference_model::text::chat_template::{LocalTime, RenderOptions, TemplateArguments};
use minference_model::text::tokenizer::Tokenizer;

/// Variables by which templates turn thinking on and off, the usual one first.
const THINKING: [&str; 2] = ["enable_thinking", "thinking"];

/// Variables of the chat template, and the date that it writes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chat template")]
pub(crate) struct ChatTemplateOptions {
    /// A variable of the model's chat template, as JSON (false, 3, [1, 2]) or as a text; may be
    /// given several times
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    template_arg: Vec<String>,
    /// Whether the model thinks before it answers: short for --template-arg enable_thinking=true or
    /// false (thinking=..., where the template calls it so)
    #[arg(long, value_name = "SWITCH")]
    thinking: Option<Thinking>,
    /// The date that the chat template is told, such as 2026-03-04 [default: today; in evaluations
    /// always 2024-07-26, so that results don't depend on the day]
    #[arg(long, value_name = "DATE")]
    date: Option<LocalTime>,
}

/// Whether a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Thinking {
    /// It does
    On,
    /// It answers at once
    Off,
}

impl ChatTemplateOptions {
    /// Refuses arguments that no template can be given, before a model is fetched.
    pub(crate) fn check(&self) -> Result<()> {
        self.arguments().map(drop)
    }

    /// Refuses all of these where no template is used.
    ///
    /// - `instead`: what is used, as an option
    pub(crate) fn check_unused(&self, instead: &str) -> Result<()> {
        match self.given().first() {
            Some(option) => bail!(
                "{option}: expected no {instead} beside it, which asks without the model's chat template"
            ),
            None => Ok(()),
        }
    }

    /// The date, if it was given.
    pub(crate) fn date(&self) -> Option<LocalTime> {
        self.date
    }

    /// What was given that changes prompts, as settings of evaluations: names and values.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        if !self.template_arg.is_empty() {
            settings.push(("template arguments".into(), self.template_arg.join(" ")));
        }
        if let Some(thinking) = self.thinking {
            settings.push(("thinking".into(), thinking.name().into()));
        }
        if let Some(date) = self.date.filter(|date| *date != LocalTime::FIXED) {
            settings.push(("date".into(), date.to_string()));
        }
        settings
    }

    /// The variables and the date for a model. A variable that the template does not read would
    /// have no effect, and is refused by name.
    ///
    /// - `time`: the time, where no date was given
    pub(crate) fn render_options(&self, tokenizer: &Tokenizer, time: LocalTime) -> Result<RenderOptions> {
        let mut arguments = self.arguments()?;
        let time = self.date.unwrap_or(time);
        let first = arguments.names().next().map(|name| format!("--template-arg {name}"));
        let Some(first) = first.or_else(|| self.thinking.map(|_| "--thinking".into())) else {
            return Ok(RenderOptions { time, arguments, ..RenderOptions::default() });
        };
        if tokenizer.chat_template().is_none() {
            bail!("{first}: expected a model with a chat template, found one without");
        }
        let read = ChatTemplate::of(tokenizer)?.variables()?;
        let names = || {
            if read.is_empty() { "none".into() } else { read.iter().cloned().collect::<Vec<_>>().join(", ") }
        };
        for name in arguments.names() {
            ensure!(
                read.contains(name),
                "--template-arg {name}: expected a variable that the model's chat template reads, found another one; it reads: {}",
                names()
            );
        }
        if let Some(thinking) = self.thinking {
            let name = THINKING.into_iter().find(|name| read.contains(*name)).ok_or_else(|| {
                anyhow!(
                    "--thinking: expected a model whose chat template reads {}; this one reads: {}",
                    THINKING.join(" or "),
                    names()
                )
            })?;
            ensure!(
                arguments.names().all(|given| given != name),
                "--thinking: expected no --template-arg {name} beside it, which says the same"
            );
            arguments.set(name, if thinking == Thinking::On { "true" } else { "false" })?;
        }
        Ok(RenderOptions { time, arguments, ..RenderOptions::default() })
    }

    fn arguments(&self) -> Result<TemplateArguments> {
        let mut arguments = TemplateArguments::default();
        for argument in &self.template_arg {
            let (name, value) = argument.split_once('=').ok_or_else(|| {
                anyhow!(
                    "--template-arg: expected NAME=VALUE, such as enable_thinking=false, found {argument:?}"
                )
            })?;
            ensure!(
                arguments.names().all(|earlier| earlier != name),
                "--template-arg {name}: expected it once, found it twice"
            );
            arguments.set(name, value).map_err(|error| anyhow!("--template-arg: {error}"))?;
        }
        Ok(arguments)
    }

    /// Options that were given.
    fn given(&self) -> Vec<&'static str> {
        let options = [
            ("--template-arg", !self.template_arg.is_empty()),
            ("--thinking", self.thinking.is_some()),
            ("--date", self.date.is_some()),
        ];
        options.into_iter().filter_map(|(option, is_given)| is_given.then_some(option)).collect()
    }
}

impl Thinking {
    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}
