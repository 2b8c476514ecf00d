//! `minference demo`: hides a fact in a long generated text, asks a small model for it, and shows sparse attention against dense.

use crate::bench::options::Compute;
use crate::interrupt::Interrupt;
use crate::run::{
    Comparison, ModelOptions, PromptText, Request, answer, default_plan, dense_plan, print_summary,
};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use minference_model::fetch::ModelReference;
use minference_model::generate::GenerationOptions;
use minference_model::haystack::{Haystack, HaystackOptions, HaystackStyle};
use minference_model::sampling::SamplingOptions;
use minference_model::tokenizer::SpecialTokens;
use std::io::Write;

/// Tokens of the answer: a sentence.
const ANSWER_TOKENS: usize = 32;
/// Tokens that the chat template and the question take at most.
const AROUND: usize = 100;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The model that answers: a short name, a file, a folder, or hf:owner/name[:file]
    #[arg(long, default_value = "demo")]
    model: ModelReference,
    /// Length of the prompt, in tokens
    #[arg(long, default_value_t = 7500)]
    tokens: usize,
    /// What the text looks like
    #[arg(long, value_enum, default_value = "log")]
    style: StyleChoice,
    /// Which text is generated, and where the fact lies in it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    compute: Compute,
}

/// Texts that can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StyleChoice {
    /// Lines of a server's log
    Log,
    /// English sentences
    Prose,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.tokens < 2 * AROUND {
        bail!("--tokens: expected at least {}, found {}", 2 * AROUND, options.tokens);
    }
    let interrupt = Interrupt::listen()?;
    let compute = options.compute.compute()?;
    let model = ModelOptions::named(options.model.clone()).load(&interrupt)?;
    let tokenizer = model.model.tokenizer();
    let haystack = Haystack::generate(&haystack_options(options), |text| {
        tokenizer.encode(text, SpecialTokens::AsText).map(|tokens| tokens.len())
    })?;
    let prompt =
        PromptText::chat(format!("{}\n{}", haystack.text, haystack.question)).tokens(&model.model)?;
    let generation =
        GenerationOptions { max_tokens: ANSWER_TOKENS, stops: vec![], sampling: SamplingOptions::default() };
    let capacity = model.capacity(prompt.tokens.len(), ANSWER_TOKENS, None)?;
    let mut out = std::io::stdout();
    writeln!(out, "A generated text of {} tokens, in it the line", haystack.tokens)?;
    writeln!(out, "  {}", haystack.fact)?;
    writeln!(out, "{}", haystack.question)?;
    let request = |is_streamed| Request {
        model: &model,
        compute: &compute,
        prompt: &prompt,
        capacity,
        generation: &generation,
        chunk: None,
        interrupt: &interrupt,
        is_streamed,
    };
    let sparse = answer(&request(false), &default_plan())?;
    writeln!(out, "  sparse: {}", sparse.answer.text.trim())?;
    let dense = answer(&request(false), &dense_plan())?;
    writeln!(out, "  dense:  {}", dense.answer.text.trim())?;
    out.flush()?;
    print_summary(&Comparison { model: &model.name, answer: &sparse, dense: Some(&dense) })?;
    if !haystack.is_answered_by(&sparse.answer.text) {
        bail!("the sparse answer is wrong: expected {}, found {:?}", haystack.answer, sparse.answer.text);
    }
    Ok(())
}

/// The fact lies where the seed says, not always in the middle.
fn haystack_options(options: &Options) -> HaystackOptions {
    let style = match options.style {
        StyleChoice::Log => HaystackStyle::Log,
        StyleChoice::Prose => HaystackStyle::Prose,
    };
    let depth = 0.15 + 0.7 * (options.seed.wrapping_mul(0x9e37_79b9) % 1000) as f32 / 1000.0;
    HaystackOptions { style, tokens: options.tokens - AROUND, depth, similar_facts: 0, seed: options.seed }
}
