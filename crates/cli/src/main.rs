//! The `minference` command.
//!
//! | folder | what it holds |
//! |---|---|
//! | `commands` | one file per command, with a folder where it has several parts |
//! | `options` | options that commands share, and the checks of their values |
//! | `model` | finding and loading a model, its patterns, its memory |
//! | `prompt` | texts, and how they become tokens |
//! | `answer` | reading a prompt and answering it, and what that took |
//! | `evaluation` | what evaluations and the prefill benchmark share |
//! | `terminal` | messages, tables, progress bars and Ctrl-C |

// What stands beside options is help for the command line, where brackets are optional parts, not
// links.
#![allow(rustdoc::broken_intra_doc_links)]

mod answer;
mod commands;
mod evaluation;
mod model;
mod options;
mod prompt;
mod terminal;

use clap::{CommandFactory, FromArgMatches, Parser};
use commands::Command;
use std::process::ExitCode;

/// Sparse attention for long prompts: the first token sooner, with the same answer (MInference 1.0,
/// arXiv 2407.02490).
#[derive(Debug, Parser)]
#[command(name = "minference", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let matches = options::numbers::with_number_parsers(Cli::command()).try_get_matches();
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = cli.unwrap_or_else(|error| options::numbers::with_advice(error).exit());
    let result = cli.command.run();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_cancellation(&error) => {
            terminal::notify("stopped");
            // what shells report for a program that Ctrl-C ended
            ExitCode::from(130)
        }
        // the reader of the pipe has read enough
        Err(error) if terminal::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if options::usage::is_usage(&error) => {
            terminal::notify(&format!("error: {error:#}"));
            ExitCode::from(options::usage::WRONG_OPTIONS)
        }
        Err(error) => {
            terminal::notify(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
