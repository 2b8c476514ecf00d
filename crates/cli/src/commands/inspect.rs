//! `minference inspect`: a page that shows what sparse attention does to a prompt.

use crate::model::LoadedModel;
use crate::options::{
    AttentionOptions, MachineOptions, MatmulOptions, ModelOptions, PromptOptions, checked, parse_head,
};
use crate::prompt::PromptText;
use crate::terminal::{Interrupt, LayersBar, notify};
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_attention::files;
use minference_eval::haystack::{Haystack, HaystackOptions, HaystackStyle};
use minference_eval::inspect::{Heads, InspectionRequest, inspect_prompt};
use minference_model::memory::{MemoryForecast, PlannedWalk};
use minference_model::text::chat_template::{LocalTime, RenderOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
What is shown:
  A map of layers and heads with their patterns, computed shares and errors; the time of each layer's parts;
  for some heads where they look, which part of it was computed, whether the estimate from the last 64
  queries saw the right columns and diagonals, and how much of attention's mass was kept. A head's error is
  the distance of its output from dense attention's, both computed from the same queries, keys and values.

Examples:
  The demo model with a generated text, the worst head of each pattern looked at closely:
    minference inspect --model demo
  A text of your own, heads of your choice, figures as files:
    minference inspect --model m.gguf -f report.txt --head 3,7 --head 12,0 --figures figures
  What another pattern would do:
    minference inspect --model demo --attention a-shape --sink 64 --local 1024 --output a-shape.html";

/// Tokens of the generated text, where the model can read that many.
const TOKENS: usize = 8000;
/// Kinds of sparse patterns: without --head one head of each is looked at.
const KINDS: usize = 4;
/// Cells of a map's side at most.
const LARGEST_SIDE: usize = 2048;

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    prompt: PromptOptions,
    #[command(flatten)]
    attention: AttentionOptions,
    /// A head to look at closely, both counted from 0; may be given several times [default: of each
    /// kind of pattern the one with the largest error]
    #[arg(long, value_name = "LAYER,HEAD", value_parser = parse_head, help_heading = "Output")]
    head: Vec<(usize, usize)>,
    /// Cells of the sides of attention's maps
    #[arg(long, value_name = "CELLS", default_value_t = 192, help_heading = "Output")]
    side: usize,
    /// The page to write
    #[arg(long, short, value_name = "FILE", default_value = "inspection.html", help_heading = "Output")]
    output: PathBuf,
    /// A folder for the figures, each as SVG and PNG
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineOptions,
}

pub(crate) fn run(options: &InspectArguments) -> Result<()> {
    checked(check(options))?;
    if options.output.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
        // found out now rather than after the inspection; a folder that is missing is made then
        files::check_writable(&options.output)
            .with_context(|| format!("can't write {}", options.output.display()))?;
    }
    let compute = options.machine.compute(MatmulOptions::default())?;
    let patterns = options.attention.patterns()?;
    let text = if options.prompt.is_empty() { None } else { Some(options.prompt.read()?) };
    let interrupt = Interrupt::listen()?;
    let model = options.model.load(&interrupt)?;
    let time = if text.is_some() { LocalTime::now() } else { LocalTime::FIXED };
    let render = options.prompt.render_options(&model.model, time)?;
    let text = text.map_or_else(|| generated(&model, &render), Ok)?;
    let prompt = text.tokens(&model.model, &render)?;
    text.note_names_read_as_text(&model.model);
    let context = model.context;
    ensure!(
        prompt.len() <= context,
        "the prompt has {} tokens: expected at most {context}, the context; --context and --rope-scaling stretch it",
        prompt.len()
    );
    let config = model.model.decoder().config();
    let plan = options.attention.plan(&model, prompt.len(), patterns)?;
    let walk = PlannedWalk { prompts: &[prompt.len()], cache: model.cache, compute: &compute };
    let inspected = if options.head.is_empty() { KINDS } else { options.head.len() };
    MemoryForecast::for_inspection(config, model.weight_bytes, &walk, &plan.plan, inspected)
        .check()
        .context("this does not fit into memory; a shorter prompt, or a --dtype of fewer bits needs less")?;

    let bar = Arc::new(LayersBar::new("inspecting", config.layers.len(), 0, interrupt));
    let heads = if options.head.is_empty() { Heads::Worst } else { Heads::Chosen(options.head.clone()) };
    let request = InspectionRequest {
        tokens: &prompt,
        plan: &plan.plan,
        heads: &heads,
        side: options.side,
        cache: model.cache,
        progress: Some(bar.clone()),
    };
    let patterns = format!("{}: {}.", plan.kind.name(), plan.pattern);
    let report = inspect_prompt(&model.model, &compute, &model.short_name(), &patterns, &request);
    bar.finish();
    let report = report?;
    let written = report.write(&options.output, options.figures.as_deref())?;
    if let Some(advice) = &plan.advice {
        notify(advice);
    }
    let heads: Vec<String> =
        report.heads.iter().map(|head| format!("{},{}", head.layer, head.head)).collect();
    notify(&format!(
        "{} tokens, {:.1} % of attention computed; heads looked at closely: {}",
        report.prompt_tokens,
        100.0 * report.computed_share,
        if heads.is_empty() { "none".into() } else { heads.join(" ") }
    ));
    for path in written {
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    Ok(())
}

/// Refuses what has no meaning before a model is fetched.
fn check(options: &InspectArguments) -> Result<()> {
    options.attention.check()?;
    ensure!(
        options.attention.chunk().is_none(),
        "--chunk: expected none, an inspection reads the prompt as a whole"
    );
    options.model.check()?;
    if !options.prompt.is_empty() {
        options.prompt.check()?;
    }
    ensure!(
        (1..=LARGEST_SIDE).contains(&options.side),
        "--side: expected 1 to {LARGEST_SIDE}, found {}",
        options.side
    );
    Ok(())
}

/// A text with a fact in it, as the demo's.
fn generated(model: &LoadedModel, render: &RenderOptions) -> Result<PromptText> {
    /// What the chat template and the question take at most.
    const AROUND: usize = 100;
    let tokens = TOKENS.min(model.context).saturating_sub(AROUND);
    let options =
        HaystackOptions { style: HaystackStyle::Prose, tokens, depths: &[0.5], similar_facts: 0, seed: 1 };
    let haystack = Haystack::generate(&options, |text| {
        PromptText::new(text.to_string()).tokens(&model.model, render).map(|tokens| tokens.len())
    })?;
    Ok(PromptText::new(haystack.prompt()))
}
