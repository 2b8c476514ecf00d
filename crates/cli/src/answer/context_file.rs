//! Contexts in files: what was read of a prompt is kept, and a later prompt that begins in the same
//! way goes on from there.

use crate::answer::AnswerRequest;
use crate::model::NamedPlan;
use anyhow::{Context, Result, ensure};
use minference_model::session::context_file::{ContextFile, LoadOptions};
use minference_model::session::shared_tokens;
use minference_model::text::chat_template::LocalTime;
use minference_model::{Session, SessionOptions};
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The field of a context file with the time that the chat template was rendered with.
pub(crate) const DATE: &str = "date";

/// What came from a context file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReusedContext {
    pub(crate) path: PathBuf,
    /// Tokens of the prompt that were not read again.
    pub(crate) tokens: usize,
    /// What loading them took.
    pub(crate) load: Duration,
    /// How they were read, if the file says so.
    pub(crate) attention: Option<String>,
    /// How their keys and values had been compressed, if they were.
    pub(crate) compressed: Option<EarlierCompression>,
}

/// Tokens whose keys and values were compressed before they were saved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EarlierCompression {
    pub(crate) tokens: usize,
    /// What chose those that stayed, as far as the file says it.
    pub(crate) by: String,
}

/// What went into a context file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedContext {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// What saving took.
    pub(crate) save: Duration,
}

/// The time that the chat template of a context's prompt was rendered with. With another one the
/// prompt would differ from the context where the template writes the date, often in its first
/// line.
pub(crate) fn date_of(file: &ContextFile) -> Option<LocalTime> {
    file.about()[DATE].as_str()?.parse().ok()
}

/// Refuses a file that no context can be written to, and one that holds something other than a
/// context, which would be lost.
pub(crate) fn check_target(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_right = !path.is_dir() && folder.unwrap_or(Path::new(".")).is_dir();
    ensure!(is_right, "expected a file in a folder that exists, found {}", path.display());
    ensure!(
        !path.exists() || ContextFile::is_context(path)?,
        "{}: expected a new file, or a context to replace, found another file; choose another name, or remove that file first",
        path.display()
    );
    Ok(())
}

/// A session for a prompt: one that has read what the context file and the prompt share, or an
/// empty one.
pub(crate) fn begin(
    request: &AnswerRequest<'_>,
    options: SessionOptions,
) -> Result<(Session, Option<ReusedContext>)> {
    let (decoder, compute) = (request.model.model.decoder().clone(), request.compute.clone());
    let Some(file) = request.context_file else {
        return Ok((Session::new(decoder, compute, options)?, None));
    };
    let start = Instant::now();
    let tokens = file.reusable(request.prompt, decoder.config());
    let load = LoadOptions { session: options, tokens: Some(tokens) };
    let session = file
        .load(decoder, compute, &request.model.model.fingerprint(), &load)
        .context("can't use this --context-file")?;
    if tokens == 0 {
        writeln!(io::stderr(), "{}", why_nothing_is_reused(file, request.prompt))?;
    }
    let about = |name: &str| file.about()[name].as_str().map(String::from);
    let compressed_tokens = session.cache().compressed_tokens();
    let compressed = (compressed_tokens > 0).then(|| EarlierCompression {
        tokens: compressed_tokens,
        by: about("kv").unwrap_or_else(|| "a compression".into()),
    });
    let (load, attention) = (start.elapsed(), about("attention"));
    let reused = ReusedContext { path: file.path().into(), tokens, load, attention, compressed };
    Ok((session, Some(reused)))
}

fn why_nothing_is_reused(file: &ContextFile, prompt: &[u32]) -> String {
    let path = file.path().display();
    let shared = shared_tokens(file.history(), prompt).min(prompt.len().saturating_sub(1));
    match file.compressed_tokens() {
        compressed if shared > 0 && shared >= compressed => format!(
            "warning: this model's positions depend on the length, and those of the context of {path} were made for another one than this \
             prompt's; all of it is read"
        ),
        0 => format!("warning: the prompt begins otherwise than the context of {path}; all of it is read"),
        compressed => format!(
            "warning: the context of {path} was compressed, and only a prompt that begins with all of its {compressed} tokens can go on from \
             it; all of the prompt is read. A context saved without --kv can be used up to where prompts differ."
        ),
    }
}

/// Saves what a session has read, and how.
///
/// - `reused`: what of it came from another file
pub(crate) fn save(
    session: &Session,
    path: &Path,
    request: &AnswerRequest<'_>,
    plan: &NamedPlan,
    reused: Option<&ReusedContext>,
) -> minference_model::Result<SavedContext> {
    let start = Instant::now();
    let before = reused.and_then(|reused| reused.compressed.as_ref()).map(|before| before.by.clone());
    let now = request.compression.map(|compression| compression.to_string());
    let kv: Vec<String> = before.into_iter().chain(now).collect();
    let about = json!({
        "model": request.model.short_name(),
        DATE: request.date.to_string(),
        "attention": plan.kind.name(),
        "pattern": plan.pattern,
        "kv": (!kv.is_empty()).then(|| kv.join(", then ")),
    });
    session.save_with(path, &request.model.model.fingerprint(), about)?;
    // the size is only printed
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    Ok(SavedContext { path: path.into(), bytes, save: start.elapsed() })
}
