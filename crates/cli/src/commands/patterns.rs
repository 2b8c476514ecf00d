//! `minference patterns`: what is in a pattern file, in another format, and whether it fits a
//! model.

mod tables;

use crate::model::{model_error, resolve_model};
use crate::options::parse_head;
use crate::terminal::Interrupt;
use anyhow::Result;
use clap::{Args, Subcommand};
use minference_attention::pattern::config::{FileFormat, PatternConfig};
use minference_fetch::ModelReference;
use minference_model::ModelFiles;
use minference_model::patterns::files::ModelPatterns;
use std::io::Write;
use std::path::PathBuf;

/// What to do with a pattern file.
#[derive(Debug, Subcommand)]
pub(crate) enum PatternsCommand {
    /// Print what a file holds: how it was found, how many heads got which pattern, a map of layers
    /// and heads, or all about one head
    Show(ShowOptions),
    /// Write a file in another format: ours, or that of the files that the paper's authors
    /// published
    Convert(ConvertOptions),
    /// Check that a file is right, and that it is for a model
    Check(CheckOptions),
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// A pattern file in either format
    file: PathBuf,
    /// Show what was tried for one head, both counted from 0
    #[arg(long, value_name = "LAYER,HEAD", value_parser = parse_head)]
    head: Option<(usize, usize)>,
}

/// What to convert.
#[derive(Debug, Args)]
pub(crate) struct ConvertOptions {
    /// A pattern file in either format
    file: PathBuf,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: FileFormat,
    /// Leave out what was tried for each head: the file says the same patterns and errors, and is a
    /// tenth as large
    #[arg(long)]
    without_trials: bool,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// A pattern file in either format
    file: PathBuf,
    /// The model that it should be for
    #[arg(long, short, value_name = "MODEL")]
    model: Option<ModelReference>,
}

impl PatternsCommand {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Show(options) => show(options),
            Self::Convert(options) => convert(options),
            Self::Check(options) => check(options),
        }
    }
}

fn show(options: &ShowOptions) -> Result<()> {
    let patterns = PatternConfig::read(&options.file)?;
    let mut out = std::io::stdout().lock();
    match options.head {
        Some((layer, head)) => tables::print_head(&mut out, &patterns, layer, head)?,
        None => tables::print_file(&mut out, &patterns)?,
    }
    Ok(())
}

fn convert(options: &ConvertOptions) -> Result<()> {
    let mut patterns = PatternConfig::read(&options.file)?;
    if options.without_trials {
        patterns = patterns.without_trials();
    }
    match &options.output {
        Some(output) => patterns.write(output, options.to)?,
        None => write!(std::io::stdout(), "{}", patterns.to_json(options.to)?)?,
    }
    Ok(())
}

fn check(options: &CheckOptions) -> Result<()> {
    let patterns = PatternConfig::read(&options.file)?;
    let mut sentence =
        format!("a pattern file for {} layers of {} heads", patterns.layers(), patterns.heads());
    if let Some(model) = &options.model {
        let path = resolve_model(model, &Interrupt::listen()?)?;
        let files = ModelFiles::open(&path).map_err(|error| model_error("open", model, error))?;
        ModelPatterns::read(&options.file, files.config(), files.fingerprint())?;
        sentence.push_str(match patterns.provenance() {
            Some(_) => ", searched with this model",
            None => ", as the model has (it does not say for which model it is)",
        });
    }
    writeln!(std::io::stdout(), "{}: {sentence}", options.file.display())?;
    Ok(())
}
