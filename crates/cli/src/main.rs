//! The `minference` command.

// What stands beside options is help for the command line, where brackets are optional parts, not
// links.
#![allow(rustdoc::broken_intra_doc_links)]

mod bench;
mod chat;
mod demo;
mod eval;
mod inspect;
mod interrupt;
mod layers_bar;
mod lengths;
mod numbers;
mod patterns;
mod pull;
mod report;
mod run;
mod search;
mod text_or_ids;
mod usage;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Sparse attention for long prompts: the first token sooner, with the same answer (MInference 1.0,
/// arXiv 2407.02490).
#[derive(Debug, Parser)]
#[command(name = "minference", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what it is about: a small model answers a question about a long text, sparse and dense
    ///
    /// Fetches the model if need be, generates a text with one fact hidden in it, asks for the
    /// fact, and shows both times, both answers and the share of attention that was computed. Fails
    /// if the sparse answer is wrong, or was not sparse.
    Demo(demo::Options),
    /// Answer a prompt with a model, the first token sooner
    ///
    /// The answer goes to standard output as it comes; progress and a summary of speed and computed
    /// share go to standard error.
    #[command(after_long_help = run::HELP)]
    Run(Box<run::Options>),
    /// Talk with a model about documents, which are read once
    ///
    /// Each question is read on top of what was read before. Answers go to standard output as they
    /// come, all else to standard error.
    #[command(after_long_help = chat::HELP)]
    Chat(Box<chat::Options>),
    /// Find the pattern of each of a model's heads, once, so that answers come sooner and agree
    /// with dense attention
    ///
    /// Reads one or more calibration prompts, tries patterns in every head, and writes a pattern
    /// file that `minference run` finds by itself.
    #[command(after_long_help = search::HELP)]
    Search(Box<search::Options>),
    /// See what sparse attention does to a prompt: which head has which pattern, what it computes
    /// of its attention, and what it misses
    ///
    /// Writes one HTML page that needs nothing else, and its figures as SVG and PNG if asked for.
    #[command(after_long_help = inspect::HELP)]
    Inspect(Box<inspect::Options>),
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
    Report(report::Options),
    /// Show, convert or check a pattern file
    #[command(subcommand)]
    Patterns(patterns::Command),
    /// Measure how fast things are on this machine
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Fetch a model into the cache and print where it lies, or list the models that have a short
    /// name
    #[command(after_long_help = pull::HELP)]
    Pull(pull::Options),
}

fn main() -> ExitCode {
    let matches = numbers::explained(Cli::command()).try_get_matches();
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = cli.unwrap_or_else(|error| numbers::advised(error).exit());
    let result = match cli.command {
        Command::Demo(options) => demo::run(&options),
        Command::Run(options) => run::run(&options),
        Command::Chat(options) => chat::run(&options),
        Command::Search(options) => search::run(&options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Eval(eval) => eval.run(),
        Command::Report(options) => report::run(&options),
        Command::Patterns(command) => command.run(),
        Command::Bench(bench) => bench.run(),
        Command::Pull(options) => pull::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if interrupt::is_cancellation(&error) => {
            complain("stopped");
            // what shells report for a program that Ctrl-C ended
            ExitCode::from(130)
        }
        // who closed the pipe has read enough
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if usage::is_usage(&error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::from(usage::WRONG_OPTIONS)
        }
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// To standard error; where that is closed, nobody is there to be told.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
