//! `minference bench prefill`: the time to the first token, by length and method.

use crate::evaluation::{EvaluationSetup, print_latency};
use crate::options::{EvaluationOptions, Length, check_repeats, sorted_lengths};
use crate::prompt::{TextFile, TextOrIds};
use crate::terminal::notify;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use minference_attention::files;
use minference_attention::files::text_without_mark;
use minference_eval::haystack::{Haystack, HaystackOptions, HaystackStyle};
use minference_eval::latency::{LatencyOptions, latency};
use minference_eval::methods::Methods;
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::{EvaluationKind, LatencyRecord};
use minference_model::Model;
use minference_model::files::Fingerprint;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Shown by `--help`.
pub(super) const HELP: &str = "\
What is measured:
  From a prompt's tokens to the first token of an answer, with weights in memory: projections, the online estimates (index), attention, and
  the MLP. Methods run in turn. Speed-ups are against this program's own dense attention.

Examples:
  minference bench prefill --model demo --lengths 1K,2K,4K,8K
  Dense attention of the longest prompts computed from that of 32K, and marked as such (its variants are left out there):
    minference bench prefill --model m.gguf --lengths 8K,32K,128K --extrapolate-dense-beyond 32K
  What is kept of the speed-up where prompts are read in chunks, and what compression of the cache costs:
    minference bench prefill --model m.gguf --lengths 32K --chunk 2K,8K --kv snapkv
  What benchmarks/prefill.md says, on this machine:
    minference bench prefill --model demo --definition benchmarks/definitions/prefill-demo.json
  A chart:
    minference report results/latency";

/// Measured where nothing else is asked for.
const METHODS: &str = "dense,minference";
/// Likewise.
const LENGTHS: [usize; 4] = [1024, 2048, 4096, 8192];

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchPrefillArguments {
    /// Lengths of prompts, such as 1K,8K,31K [default: 1K,2K,4K,8K]
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',', help_heading = "Prompts")]
    lengths: Vec<Length>,
    /// How often each is measured; the medians are shown [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Prompts")]
    repeats: Option<usize>,
    /// Measure dense attention up to this length, and compute it from there for longer prompts; the
    /// results say so
    #[arg(long, value_name = "LENGTH", help_heading = "Prompts")]
    extrapolate_dense_beyond: Option<Length>,
    /// Text of the prompts, from its beginning, or a file with a list of token ids ([1, 2, 3])
    /// [default: generated English sentences]
    #[arg(long, value_name = "FILE", help_heading = "Prompts")]
    text: Option<PathBuf>,
    /// Lengths, methods and so on from a JSON file; what is given here as well goes first
    #[arg(long, value_name = "FILE", help_heading = "Prompts")]
    definition: Option<PathBuf>,
    #[command(flatten)]
    run: EvaluationOptions,
}

/// A benchmark as data; all is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BenchmarkDefinition {
    /// What it is about, for readers.
    #[serde(default)]
    #[allow(dead_code)]
    about: String,
    lengths: Option<Vec<usize>>,
    methods: Option<String>,
    repeats: Option<usize>,
    extrapolate_dense_beyond: Option<usize>,
}

pub(super) fn run(options: &BenchPrefillArguments) -> Result<()> {
    let definition = definition(options)?;
    let methods = definition.methods.as_deref().unwrap_or(METHODS);
    let methods: Methods = methods.parse().context("wrong methods in the definition")?;
    let measured = LatencyOptions {
        lengths: match sorted_lengths(&options.lengths) {
            given if given.is_empty() => definition.lengths.unwrap_or(LENGTHS.to_vec()),
            given => given,
        },
        repeats: options.repeats.or(definition.repeats).unwrap_or(1),
        longest_dense: options
            .extrapolate_dense_beyond
            .map(|length| length.0)
            .or(definition.extrapolate_dense_beyond),
    };
    check_repeats(measured.repeats)?;
    let text = options.text.as_deref().map(TextFile::read).transpose()?;
    let setup = options.run.setup_with(methods)?;
    let longest = measured.lengths.iter().copied().max().unwrap_or(0);
    setup.check_length(longest)?;
    let prompt = prompt(&setup, text.as_ref(), longest)?;
    let hash =
        text.map_or("generated".into(), |file| Fingerprint::of_bytes(file.text.as_bytes()).to_string());
    let settings =
        BTreeMap::from([("text".to_string(), hash), ("threads".into(), setup.threads().to_string())]);
    let mut folder = setup.folder::<LatencyRecord>(EvaluationKind::Latency, settings)?;
    setup.preload()?;
    let evaluation = setup.evaluation(PromptTemplate::Raw);
    for variant in evaluation.methods.iter() {
        let left_out = measured.lengths.iter().filter(|&&length| measured.leaves_out(*variant, length));
        let lengths: Vec<String> = left_out.map(ToString::to_string).collect();
        if !lengths.is_empty() {
            notify(&format!(
                "{variant} is left out at {} tokens: only dense itself is extrapolated",
                lengths.join(", ")
            ));
        }
    }
    let outcome = latency(&evaluation, &measured, &|length| Ok(prompt[..length].to_vec()), &mut folder);
    setup.finish();
    print_latency(&mut std::io::stdout().lock(), folder.records())?;
    notify(&format!("results in {}", folder.path().display()));
    outcome?;
    Ok(())
}

fn definition(options: &BenchPrefillArguments) -> Result<BenchmarkDefinition> {
    let Some(path) = &options.definition else { return Ok(BenchmarkDefinition::default()) };
    let text = files::read_text(path, files::SETTINGS_BYTES)
        .with_context(|| format!("can't read the definition {}", path.display()))?;
    serde_json::from_str(&text_without_mark(text)).map_err(|error| {
        anyhow!(
            "{}: expected an object with lengths, methods, repeats or extrapolate_dense_beyond, found: {error}",
            path.display()
        )
    })
}

/// The tokens of the longest prompt; shorter ones are its beginning.
fn prompt(setup: &EvaluationSetup, text: Option<&TextFile>, tokens: usize) -> Result<Vec<u32>> {
    let model: &Model = &setup.model.model;
    let prompt = match text {
        Some(file) => TextOrIds::tokens(&file.name, &file.text, model)?,
        None => {
            let text = generated(tokens, |text| Ok(model.raw_prompt(text)?.len()))?;
            model.raw_prompt(&text)?
        }
    };
    ensure!(
        prompt.len() >= tokens,
        "--text: expected at least {tokens} tokens, for the longest prompt, found {}",
        prompt.len()
    );
    Ok(prompt[..tokens].to_vec())
}

/// A text of `tokens` tokens at least.
fn generated(tokens: usize, count_tokens: impl Fn(&str) -> Result<usize>) -> Result<String> {
    let options = HaystackOptions {
        style: HaystackStyle::Prose,
        // a long text may end a percent early, as the length of its last lines is only estimated
        tokens: tokens + tokens / 50 + 100,
        depths: &[0.5],
        similar_facts: 0,
        seed: 1,
    };
    Ok(Haystack::generate(&options, count_tokens)?.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_texts_are_long_enough() {
        // words of two kinds, so that lines differ in length
        let count =
            |text: &str| text.split_whitespace().map(|word| 1 + usize::from(word.len() > 6)).sum::<usize>();
        for tokens in [1, 63, 1000, 8192, 131_072, 1 << 20] {
            let text = generated(tokens, |text| Ok(count(text))).unwrap();
            assert!(count(&text) >= tokens, "{} of {tokens}", count(&text));
        }
    }
}
