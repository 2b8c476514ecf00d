//! `minference run`: a model, a long prompt, an answer, and where the time went.

mod answer;
mod attention;
mod model;
mod progress;
mod prompt;
mod summary;

pub(crate) use answer::{Request, answer};
pub(crate) use attention::{default_plan, dense_plan};
pub(crate) use model::ModelOptions;
pub(crate) use prompt::PromptText;
pub(crate) use summary::{Comparison, print_summary};

use crate::bench::options::Compute;
use crate::interrupt::Interrupt;
use anyhow::{Context, Result, bail};
use attention::AttentionOptions;
use clap::Args;
use minference_model::generate::GenerationOptions;
use minference_model::sampling::SamplingOptions;
use prompt::PromptOptions;
use std::io::Write;

pub(crate) const EXAMPLES: &str = "Examples:
  Ask about a document, with the demo model:
    minference run --model demo --prompt-file report.txt --prompt \"What was decided?\"

  A GGUF file of your own, sparse and dense compared:
    minference run --model qwen2.5-0.5b-q4_k_m.gguf --prompt-file book.txt --prompt \"Who is Emma?\" --compare

  From a pipe, with more context than the model was made for, as one JSON object:
    journalctl | minference run --model demo --prompt-file - --prompt \"What failed?\" \\
      --context 16384 --rope-scaling dynamic --rope-factor 2 --json";

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    prompt: PromptOptions,
    #[command(flatten)]
    attention: AttentionOptions,
    #[command(flatten)]
    generation: Generation,
    #[command(flatten)]
    compute: Compute,
    /// Run dense attention too, and print the speed-up and whether the answers agree
    #[arg(long)]
    compare: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// How the answer is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answer")]
struct Generation {
    /// Longest answer, in tokens
    #[arg(long, default_value_t = 256)]
    max_tokens: usize,
    /// 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Only so many of the likeliest tokens [default: all]
    #[arg(long)]
    sample_top_k: Option<usize>,
    /// Only the likeliest tokens whose probabilities sum to this share
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Only tokens at least this share as likely as the likeliest
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Makes tokens that were there before less likely; 1 is no penalty
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Where the random numbers of sampling start
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End the answer at this text (may be given several times)
    #[arg(long)]
    stop: Vec<String>,
}

impl Generation {
    fn options(&self) -> Result<GenerationOptions> {
        let sampling = SamplingOptions {
            temperature: self.temperature,
            top_k: self.sample_top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            repetition_window: None,
            seed: self.seed,
        };
        sampling.validate()?;
        if self.max_tokens == 0 {
            bail!("--max-tokens: expected at least 1, found 0");
        }
        Ok(GenerationOptions { max_tokens: self.max_tokens, stops: self.stop.clone(), sampling })
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let generation = options.generation.options()?;
    let interrupt = Interrupt::listen()?;
    // A missing prompt is told before a model is fetched.
    let text = options.prompt.read()?;
    let compute = options.compute.compute()?;
    let model = options.model.load(&interrupt)?;
    let prompt = text.tokens(&model.model).context("can't make a prompt")?;
    let plan = options.attention.plan(&model.model, prompt.tokens.len())?;
    let capacity = model.capacity(prompt.tokens.len(), generation.max_tokens, options.attention.chunk())?;
    let request = Request {
        model: &model,
        compute: &compute,
        prompt: &prompt,
        capacity,
        generation: &generation,
        chunk: options.attention.chunk(),
        interrupt: &interrupt,
        is_streamed: !options.json,
    };
    let sparse = answer(&request, &plan)?;
    let dense = if options.compare {
        if !options.json {
            eprintln!("\nthe same with dense attention:");
        }
        Some(answer(&request, &dense_plan())?)
    } else {
        None
    };
    let comparison = Comparison { model: &model.name, answer: &sparse, dense: dense.as_ref() };
    if options.json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&comparison.to_json())?)?;
    } else {
        print_summary(&comparison)?;
    }
    Ok(())
}
