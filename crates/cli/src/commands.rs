//! The commands: one file each, with a folder of the same name where a command has several parts.
//! None imports from another one; what they share lies in the folders beside this one.

mod bench;
mod chat;
mod demo;
mod eval;
mod inspect;
mod patterns;
mod pull;
mod report;
mod run;
mod search;

use anyhow::Result;
use clap::Subcommand;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what it is about: a small model answers a question about a long text, sparse and dense
    ///
    /// Fetches the model if need be, generates a text with one fact hidden in it, asks for the
    /// fact, and shows both times, both answers and the share of attention that was computed. Fails
    /// if the sparse answer is wrong, or was not sparse.
    Demo(demo::DemoArguments),
    /// Answer a prompt with a model, the first token sooner
    ///
    /// The answer goes to standard output as it comes; progress and a summary of speed and computed
    /// share go to standard error.
    #[command(after_long_help = run::HELP)]
    Run(Box<run::RunArguments>),
    /// Talk with a model about documents, which are read once
    ///
    /// Each question is read on top of what was read before. Answers go to standard output as they
    /// come, all else to standard error.
    #[command(after_long_help = chat::HELP)]
    Chat(Box<chat::ChatArguments>),
    /// Find the pattern of each of a model's heads, once, so that answers come sooner and agree
    /// with dense attention
    ///
    /// Reads one or more calibration prompts, tries patterns in every head, and writes a pattern
    /// file that `minference run` finds by itself.
    #[command(after_long_help = search::HELP)]
    Search(Box<search::SearchArguments>),
    /// See what sparse attention does to a prompt: which head has which pattern, what it computes
    /// of its attention, and what it misses
    ///
    /// Writes one HTML page that needs nothing else, and its figures as SVG and PNG if asked for.
    #[command(after_long_help = inspect::HELP)]
    Inspect(Box<inspect::InspectArguments>),
    /// Check whether answers stay right, and how far they are dense attention's, on your model and
    /// at your lengths
    #[command(subcommand, after_long_help = eval::HELP)]
    Eval(eval::Eval),
    /// Show what evaluations found: one page with tables and figures, each method beside dense
    /// attention
    ///
    /// Reads folders of results and writes one HTML page that needs nothing else, and its figures
    /// as SVG and PNG if asked for.
    #[command(after_long_help = report::HELP)]
    Report(report::ReportArguments),
    /// Show, convert or check a pattern file
    #[command(subcommand)]
    Patterns(patterns::PatternsCommand),
    /// Measure how fast things are on this machine
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Fetch a model into the cache and print where it lies, or list the models that have a short
    /// name
    #[command(after_long_help = pull::HELP)]
    Pull(pull::PullArguments),
}

impl Command {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Demo(options) => demo::run(&options),
            Self::Run(options) => run::run(&options),
            Self::Chat(options) => chat::run(&options),
            Self::Search(options) => search::run(&options),
            Self::Inspect(options) => inspect::run(&options),
            Self::Eval(eval) => eval.run(),
            Self::Report(options) => report::run(&options),
            Self::Patterns(command) => command.run(),
            Self::Bench(bench) => bench.run(),
            Self::Pull(options) => pull::run(&options),
        }
    }
}
