//! `minference eval perplexity`.

use crate::evaluation::{EvaluationSetup, print_perplexity};
use crate::options::{EvaluationOptions, Length, checked, sorted_lengths};
use crate::prompt::{TextFile, TextOrIds, check_ids, note_special_names};
use crate::terminal::notify;
use anyhow::{Context, Result, ensure};
use clap::Args;
use minference_eval::perplexity::{Document, check_methods, perplexity};
use minference_eval::prompt::PromptTemplate;
use minference_eval::results::{EvaluationKind, PerplexityRecord};
use minference_model::files::Fingerprint;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Shown by `--help`.
pub(super) const HELP: &str = "\
What is shown:
  For each text and length the perplexity with each method, its change against dense attention, how often the likeliest next
  token is the same, and losses by position: what sparse attention forgets of the distant past shows at late positions. Each text is
  read in one pass; which keys matter is estimated once, from its last 64 tokens. --kv and --chunk have no place here.

Examples:
  A book, dense and with the model's patterns:
    minference eval perplexity --model demo --text book.txt --lengths 2K,8K
  Books in a folder (as PG-19 comes), other methods beside these:
    minference eval perplexity --model m.gguf --text pg19/test --lengths 31K --methods dense,minference,a-shape,static
  A report of what was found:
    minference report results/perplexity";

/// What to predict.
#[derive(Debug, Args)]
pub(crate) struct PerplexityArguments {
    /// A text, a file with a list of token ids ([1, 2, 3]), or a folder of such files (PG-19's, one
    /// book each); may be given several times
    #[arg(long, short = 'f', value_name = "PATH", required = true, help_heading = "Texts")]
    text: Vec<PathBuf>,
    /// How much of each is read, such as 4K,16K; a text that is shorter than a length is left out
    /// there
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',', default_value = "4K", help_heading = "Texts")]
    lengths: Vec<Length>,
    /// Tokens at the beginning of each text that are left out, such as a title page
    #[arg(long, value_name = "TOKENS", default_value_t = 0, help_heading = "Texts")]
    skip: usize,
    #[command(flatten)]
    run: EvaluationOptions,
}

pub(super) fn run(options: &PerplexityArguments) -> Result<()> {
    let lengths = sorted_lengths(&options.lengths);
    // wrong files are refused before a model is fetched
    let mut files = Vec::new();
    for path in &options.text {
        files.extend(read(path)?);
    }
    checked(check(&files))?;
    files.iter().try_for_each(|file| TextOrIds::parse(&file.name, &file.text).map(|_| ()))?;
    checked(check_methods(&options.run.methods(EvaluationOptions::default_methods()?)?).map_err(Into::into))?;
    let setup = options.run.setup()?;
    let documents = files
        .iter()
        .map(|file| document(&setup, file, options.skip, lengths.last().copied().unwrap_or(0)))
        .collect::<Result<Vec<_>>>()?;
    let (documents, short): (Vec<Document>, Vec<Document>) =
        documents.into_iter().partition(|document| document.tokens.len() >= lengths[0]);
    for Document { name, tokens } in &short {
        notify(&format!("{name} has {} tokens: too short for {}, left out", tokens.len(), lengths[0]));
    }
    if let Some(longest) = lengths.last() {
        setup.check_texts(*longest)?;
    }
    let settings = BTreeMap::from([("skipped tokens".to_string(), options.skip.to_string())]);
    let mut folder = setup.folder::<PerplexityRecord>(EvaluationKind::Perplexity, settings)?;
    setup.preload()?;
    let outcome = perplexity(&setup.evaluation(PromptTemplate::Raw), &documents, &lengths, &mut folder);
    setup.finish();
    print_perplexity(&mut std::io::stdout().lock(), folder.records())?;
    notify(&format!("results in {}", folder.path().display()));
    outcome?;
    Ok(())
}

/// The files of a path, which may be a folder.
fn read(path: &Path) -> Result<Vec<TextFile>> {
    let failed = || format!("can't read the text {}", path.display());
    let paths = if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(failed)?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .with_context(failed)?;
        paths.retain(|path| path.is_file());
        paths.sort();
        ensure!(!paths.is_empty(), "{}: expected texts in the folder, found none", path.display());
        paths
    } else {
        vec![path.to_path_buf()]
    };
    paths.iter().map(|path| TextFile::read(path)).collect()
}

fn check(files: &[TextFile]) -> Result<()> {
    let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        anyhow::bail!("--text: expected files of different names, found {} twice", pair[0]);
    }
    Ok(())
}

/// The tokens of a file, at most `longest`.
fn document(setup: &EvaluationSetup, file: &TextFile, skip: usize, longest: usize) -> Result<Document> {
    let model = &setup.model.model;
    let (prefix, ids) = match TextOrIds::parse(&file.name, &file.text)? {
        TextOrIds::Ids(ids) => (vec![], ids),
        TextOrIds::Text(text) => {
            // a text begins as every prompt of the model does, also after what is skipped
            let prefix = model.tokenizer().prompt_prefix().to_vec();
            note_special_names(model, &file.name, text, "a file with a list of token ids can hold them");
            let whole = model.raw_prompt(text).with_context(|| format!("can't read {}", file.name))?;
            let text = whole[prefix.len()..].to_vec();
            (prefix, text)
        }
    };
    let tokens: Vec<u32> = prefix.into_iter().chain(ids.into_iter().skip(skip)).take(longest).collect();
    check_ids(&file.name, &tokens, model)?;
    // two editions may have one name
    let hash = &Fingerprint::of_bytes(file.text.as_bytes()).to_string()[..8];
    Ok(Document { name: format!("{} ({hash})", file.name), tokens })
}
