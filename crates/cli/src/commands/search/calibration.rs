//! The prompts that a search reads: generated objects of keys and values, texts, or files of
//! tokens.

use crate::model::LoadedModel;
use crate::prompt::{PromptText, TextOrIds};
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_attention::files;
use minference_attention::files::text_without_mark;
use minference_attention::pattern::provenance::CalibrationSource;
use minference_attention::pattern::vertical_slash::LAST_QUERIES;
use minference_eval::haystack::Haystack;
use minference_model::files::Fingerprint;
use minference_model::text::chat_template::RenderOptions;
use std::path::{Path, PathBuf};

/// Tokens of a generated prompt, where the model can read that many: the authors'.
const TOKENS: usize = 30_000;

/// The largest number of generated prompts.
const MAX_PROMPTS: usize = 64;

/// What to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Calibration")]
pub(super) struct CalibrationOptions {
    /// A text to read, or a file with a list of token ids ([1, 2, 3]); may be given several times
    /// [default: a generated JSON object of keys and values, with a question about one of them]
    #[arg(long, value_name = "FILE")]
    calibration: Vec<PathBuf>,
    /// Length of each prompt; longer files are cut [default: the model's context, at most 30000]
    #[arg(long, value_name = "TOKENS")]
    tokens: Option<usize>,
    /// Number of generated prompts; errors are averaged over these and the files [default: 1, none
    /// beside files]
    #[arg(long, value_name = "NUMBER")]
    prompts: Option<usize>,
    /// Which keys and values are generated
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// A file's name and content.
pub(super) struct CalibrationText {
    name: String,
    text: String,
}

/// A prompt, and where it came from.
pub(super) struct CalibrationPrompt {
    pub(super) source: String,
    pub(super) tokens: Vec<u32>,
}

impl CalibrationPrompt {
    /// What a pattern file says about it.
    pub(super) fn sample(&self) -> CalibrationSource {
        let hash = Fingerprint::of_tokens(&self.tokens).to_string();
        CalibrationSource { source: self.source.clone(), tokens: self.tokens.len(), hash }
    }
}

impl CalibrationOptions {
    /// Refuses what would be no prompt, before a model is fetched.
    pub(super) fn check(&self) -> Result<()> {
        let (prompts, minimum) = (self.generated(), usize::from(self.calibration.is_empty()));
        ensure!(
            (minimum..=MAX_PROMPTS).contains(&prompts),
            "--prompts: expected {minimum} to {MAX_PROMPTS}, found {prompts}"
        );
        let tokens = self.tokens.unwrap_or(TOKENS);
        ensure!(
            tokens >= LAST_QUERIES,
            "--tokens: expected at least {LAST_QUERIES}, whose queries the estimates look at, found {tokens}"
        );
        Ok(())
    }

    /// Number of generated prompts.
    fn generated(&self) -> usize {
        self.prompts.unwrap_or(usize::from(self.calibration.is_empty()))
    }

    /// Reads the files, before a model is fetched.
    pub(super) fn read(&self) -> Result<Vec<CalibrationText>> {
        let read = |path: &PathBuf| -> Result<CalibrationText> {
            let text = files::read_text(path, files::TEXT_BYTES)
                .with_context(|| format!("can't read the calibration file {}", path.display()))?;
            Ok(CalibrationText { name: name(path), text: text_without_mark(text) })
        };
        self.calibration.iter().map(read).collect()
    }

    /// The prompts for a model.
    pub(super) fn prompts(
        &self,
        texts: Vec<CalibrationText>,
        model: &LoadedModel,
    ) -> Result<Vec<CalibrationPrompt>> {
        let context = model.context;
        let length = self.tokens.unwrap_or(TOKENS.min(context));
        ensure!(
            length <= context,
            "--tokens: expected at most {context}, the model's context, found {length}; --context and --rope-scaling stretch it"
        );
        let generated = (self.seed..).take(self.generated()).map(|seed| key_values(model, length, seed));
        let read = texts.into_iter().map(|text| from_text(text, model, length));
        let prompts: Vec<CalibrationPrompt> = generated.chain(read).collect::<Result<_>>()?;
        for CalibrationPrompt { source, tokens } in &prompts {
            ensure!(
                tokens.len() >= LAST_QUERIES,
                "{source}: expected at least {LAST_QUERIES} tokens, whose queries the estimates look at, found {}",
                tokens.len()
            );
        }
        Ok(prompts)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// As long as fits, the chat template included.
fn key_values(model: &LoadedModel, length: usize, seed: u64) -> Result<CalibrationPrompt> {
    // a search that goes on another day must find the same prompts
    let render = RenderOptions::reproducible();
    let prompt = |text: &str| PromptText::new(text.to_string()).tokens(&model.model, &render);
    let haystack = Haystack::key_values(length, seed, |text| prompt(text).map(|tokens| tokens.len()))?;
    let tokens = prompt(&haystack.prompt())?;
    // an object of one entry is as short as it gets
    ensure!(
        tokens.len() <= length,
        "--tokens: expected at least {}, one key and its value, found {length}",
        tokens.len()
    );
    Ok(CalibrationPrompt { source: format!("key-values, seed {seed}"), tokens })
}

fn from_text(
    CalibrationText { name, text }: CalibrationText,
    model: &LoadedModel,
    length: usize,
) -> Result<CalibrationPrompt> {
    let mut tokens = TextOrIds::tokens(&name, &text, &model.model)?;
    tokens.truncate(length);
    Ok(CalibrationPrompt { source: name, tokens })
}
