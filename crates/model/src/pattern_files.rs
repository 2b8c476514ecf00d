//! [`ModelPatterns`]: the pattern file that belongs to a model, and where it may lie.
//!
//! | place | for |
//! |---|---|
//! | `model.patterns.json` beside `model.gguf`, `patterns.json` in a model's folder | files that stay with the model |
//! | `FINGERPRINT.json` in a folder of patterns, the cache | what a search found |
//! | this program | models that were searched before it was released |
//!
//! The first that is there is taken. A file that says for which model it was searched must say the right one.

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::source::Fingerprint;
use minference_attention::pattern::config::PatternConfig;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where patterns came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternSource {
    /// A file: one that was named, that lies with the model, or in the cache.
    File(PathBuf),
    /// This program, under a name.
    Shipped(&'static str),
}

/// A model's patterns.
#[derive(Debug, Clone)]
pub struct ModelPatterns {
    /// Where they came from.
    pub source: PatternSource,
    /// They fit the model's layers and heads.
    pub patterns: PatternConfig,
}

/// Files of models that were searched, by fingerprint; `benchmarks/search.md` has the commands.
const SHIPPED: [(&str, &str, &str); 0] = [];

impl ModelPatterns {
    /// Finds what belongs to a model; none where there is nothing.
    ///
    /// - `model`: its file or folder
    /// - `cache`: a folder of files named by fingerprint
    ///
    /// # Errors
    /// A file that can't be read, is wrong, or is for another model.
    pub fn find(
        model: &Path,
        config: &ModelConfig,
        fingerprint: Fingerprint,
        cache: Option<&Path>,
    ) -> Result<Option<Self>> {
        // a file that can't be read is told when it is read
        let is_there = |path: &PathBuf| path.try_exists().unwrap_or(true);
        if let Some(path) = beside(model).filter(is_there) {
            return Self::read(&path, config, fingerprint).map(Some);
        }
        if let Some(path) = cache.map(|folder| in_cache(folder, fingerprint)).filter(is_there) {
            return Self::read(&path, config, fingerprint).map(Some);
        }
        let wanted = fingerprint.to_string();
        let Some((name, _, json)) = SHIPPED.iter().find(|(_, of, _)| *of == wanted) else { return Ok(None) };
        Self::new(PatternSource::Shipped(name), PatternConfig::parse(json)?, config, fingerprint).map(Some)
    }

    /// Reads a file for a model.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn read(path: &Path, config: &ModelConfig, fingerprint: Fingerprint) -> Result<Self> {
        let source = PatternSource::File(path.to_path_buf());
        Self::new(source, PatternConfig::read(path)?, config, fingerprint)
    }

    /// Patterns that were read, if they are for a model.
    ///
    /// # Errors
    /// [`Error::File`] where they are for another model.
    pub fn new(
        source: PatternSource,
        patterns: PatternConfig,
        config: &ModelConfig,
        fingerprint: Fingerprint,
    ) -> Result<Self> {
        let wrong = |place: &str, expected: String, found: String| {
            Error::file(Path::new(&source.to_string()), place, expected, found)
        };
        let (layers, heads) = (patterns.layers(), patterns.heads());
        if (layers, heads) != (config.layers.len(), config.heads) {
            let expected =
                format!("{} layers of {} heads, as the model has", config.layers.len(), config.heads);
            return Err(wrong("layers", expected, format!("{layers} layers of {heads} heads")));
        }
        if let Some(provenance) = patterns.provenance()
            && provenance.fingerprint != fingerprint.to_string()
        {
            let expected = format!("patterns of this model, whose fingerprint is {fingerprint}");
            let found = format!("{}, searched with {}", provenance.fingerprint, provenance.model);
            return Err(wrong("search.fingerprint", expected, found));
        }
        Ok(Self { source, patterns })
    }
}

impl fmt::Display for PatternSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Shipped(name) => write!(f, "patterns of {name}, which come with this program"),
        }
    }
}

/// The file that stays with a model: beside `model.gguf` it is `model.patterns.json`, in a folder `patterns.json`. None for a path
/// without a file name.
pub fn beside(model: &Path) -> Option<PathBuf> {
    if model.is_dir() {
        return Some(model.join("patterns.json"));
    }
    let mut name = model.file_stem()?.to_os_string();
    name.push(".patterns.json");
    Some(model.with_file_name(name))
}

/// The file of a model in a folder of patterns.
pub fn in_cache(folder: &Path, fingerprint: Fingerprint) -> PathBuf {
    folder.join(format!("{fingerprint}.json"))
}
