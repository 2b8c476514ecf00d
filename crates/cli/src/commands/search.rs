//! `minference search`: which pattern each head of a model should get.
//!
//! | module | what it holds |
//! |---|---|
//! | `objective` | what is tried, and what wins |
//! | `calibration` | the prompts that are read |
//! | `output` | the file that is written, layer by layer |

mod calibration;
mod objective;
mod output;

use crate::model::{LoadedModel, pattern_cache};
use crate::options::{MachineOptions, MatmulOptions, ModelOptions, checked};
use crate::terminal::{Interrupt, LayersBar, notify, print_kinds};
use anyhow::{Context, Result, anyhow};
use calibration::{CalibrationOptions, CalibrationPrompt};
use clap::Args;
use minference_attention::pattern::provenance::Provenance;
use minference_attention::search::{ERRORS_FROM, Objective};
use minference_model::Compute;
use minference_model::memory::{MemoryForecast, PlannedWalk};
use minference_model::patterns::files::in_cache;
use minference_model::patterns::search::{SearchRequest, search_patterns};
use objective::ObjectiveOptions;
use output::SearchOutput;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
How it works:
  Calibration prompts go through the model layer by layer, with dense attention. In every layer each head's
  candidates are tried: their budgets are fitted until all compute equally many query-key pairs, and the one
  whose output is nearest to dense attention's wins (the paper's Algorithm 1). With --max-error the cheapest
  candidate within an error wins instead, and a head that no pattern serves stays dense.

Which objective:
  The paper's candidates compute as much as the first 1024 and the nearest 4096 keys do: right for prompts
  of 30,000 tokens and more, and nothing at 5,000. --max-error 0.05 fits models and prompts of any length.

Examples:
  The paper's search, at the model's context or 30,000 tokens:
    minference search --model qwen2.5-0.5b-instruct-q4_k_m.gguf
  Patterns for prompts of 8,000 tokens of a small model, at most 5 % error in each head:
    minference search --model demo --max-error 0.05
  On your own kind of text, beside the model:
    minference search --model m.gguf --calibration report.txt --calibration log.txt --output m.patterns.json
  On a text and on generated keys and values, for patterns that suit both:
    minference search --model demo --max-error 0.05 --calibration report.txt --prompts 1
  Other candidates:
    minference search --model m.gguf --target a-shape:512,2048 --candidate a-shape:512,2048 \\
      --candidate vertical-slash:100,500 --candidate block-sparse:50

Interrupted searches:
  After each layer what was found is saved beside the output. The same command goes on from there, and
  writes the same file as one that was never interrupted. --restart begins anew.

Patterns are written in one word:
  a-shape:SINK,LOCAL  tri-shape:SINK,LOCAL,LAST  vertical-slash:COLUMNS,DIAGONALS  block-sparse:BLOCKS";

/// What to search.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    objective: ObjectiveOptions,
    #[command(flatten)]
    calibration: CalibrationOptions,
    /// The first query of a prompt that counts in errors
    #[arg(long, value_name = "ROW", default_value_t = ERRORS_FROM)]
    errors_from: usize,
    /// The pattern file to write [default: the cache, where `minference run` finds it]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Begin anew, whatever an interrupted search left
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    machine: MachineOptions,
}

pub(crate) fn run(options: &SearchArguments) -> Result<()> {
    let objective = checked(options.objective.objective())?;
    checked(options.calibration.check())?;
    checked(options.model.check())?;
    let compute = options.machine.compute(MatmulOptions::default())?;
    let texts = options.calibration.read()?;
    let interrupt = Interrupt::listen()?;
    let model = options.model.load(&interrupt)?;
    let prompts = options.calibration.prompts(texts, &model)?;
    let path = options.output.clone().map_or_else(|| default_output(&model), Ok)?;
    check(&model, &objective, &prompts, &compute)?;
    let provenance = provenance(&model, &objective, &prompts, options.errors_from);
    let mut output = SearchOutput::open(path, provenance, options.restart)?;
    let config = model.model.decoder().config();
    let found = output.found(config)?;
    let description =
        |prompt: &CalibrationPrompt| format!("{} tokens ({})", prompt.tokens.len(), prompt.source);
    notify(&format!(
        "Searching {} layers of {} heads with {}.",
        config.layers.len(),
        config.heads,
        prompts.iter().map(description).collect::<Vec<_>>().join(" and ")
    ));
    if !found.is_empty() {
        notify(&format!("Going on after {} layers that an earlier search found.", found.len()));
    }

    let start = Instant::now();
    let bar = Arc::new(LayersBar::new("searching", config.layers.len(), found.len(), interrupt));
    let samples: Vec<Vec<u32>> = prompts.into_iter().map(|prompt| prompt.tokens).collect();
    let request = SearchRequest {
        samples: &samples,
        objective: &objective,
        errors_from: options.errors_from,
        cache: model.cache,
        progress: Some(bar.clone()),
    };
    let result =
        search_patterns(model.model.decoder(), &compute, &request, found, &mut |found| output.save(found));
    bar.finish();
    let patterns = result.inspect_err(|_| output.report_saved_layers())?;
    let (path, patterns) = output.finish(patterns)?;
    notify(&format!("{:.0} s.", start.elapsed().as_secs_f64()));
    print_kinds(&mut std::io::stderr(), &patterns)?;
    writeln!(std::io::stdout(), "{}", path.display())?;
    Ok(())
}

fn default_output(model: &LoadedModel) -> Result<PathBuf> {
    let folder = pattern_cache()
        .ok_or_else(|| anyhow!("there is no cache folder: expected --output FILE, or MINFERENCE_CACHE"))?;
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(in_cache(&folder, model.model.fingerprint()))
}

/// Refuses what would run long and find nothing.
fn check(
    model: &LoadedModel,
    objective: &Objective,
    prompts: &[CalibrationPrompt],
    compute: &Compute,
) -> Result<()> {
    let config = model.model.decoder().config();
    let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.tokens.len()).collect();
    for length in &lengths {
        objective.check_length(*length).context(
            "the calibration prompt is too short for this target; a longer one (--tokens, --calibration), a smaller --target, \
             or --max-error will do",
        )?;
    }
    let walk = PlannedWalk { prompts: &lengths, cache: model.cache, compute };
    MemoryForecast::for_search(config, model.weight_bytes, &walk, objective).check().context(
        "this does not fit into memory; fewer --tokens, fewer prompts, or a --dtype of fewer bits need less",
    )
}

fn provenance(
    model: &LoadedModel,
    objective: &Objective,
    prompts: &[CalibrationPrompt],
    errors_from: usize,
) -> Provenance {
    Provenance {
        program: format!("minference {}", env!("CARGO_PKG_VERSION")),
        model: model.short_name(),
        fingerprint: model.model.fingerprint().to_string(),
        objective: objective.to_string(),
        element_type: model.cache.to_string(),
        calibration: prompts.iter().map(CalibrationPrompt::sample).collect(),
        errors_from,
    }
}
