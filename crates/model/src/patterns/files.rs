//! [`ModelPatterns`]: the pattern file that belongs to a model, and where it may lie.
//!
//! | place | for |
//! |---|---|
//! | `model.patterns.json` beside `model.gguf` or its parts, `patterns.json` in a model's folder | files that stay with the model |
//! | `FINGERPRINT.json` in a folder of patterns, the cache | what a search found |
//! | this program | models that were searched before it was released |
//!
//! The first that is there is taken. A file that says for which model it was searched must say the
//! right one.

use crate::decoder::config::ModelConfig;
use crate::error::{Error, Result};
use crate::files::Fingerprint;
use crate::files::PartName;
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

/// A file that comes with this program.
struct Shipped {
    name: &'static str,
    fingerprint: &'static str,
    json: &'static str,
}

/// Models that were searched; `benchmarks/search.md` has the commands. The files are without what
/// was tried (`minference patterns convert --without-trials`), which would be most of their bytes.
const SHIPPED: [Shipped; 2] = [
    Shipped {
        name: "SmolLM2-135M-Instruct Q4_1",
        fingerprint: "f29ae0583be2767d",
        json: include_str!("../../patterns/smollm2-135m-instruct-q4_1.json"),
    },
    Shipped {
        name: "Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
        fingerprint: "e57dcab166182b34",
        json: include_str!("../../patterns/qwen2.5-coder-0.5b-instruct-q4_k_m.json"),
    },
];

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
        let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.fingerprint == wanted) else {
            return Ok(None);
        };
        let patterns = PatternConfig::parse(shipped.json)?;
        Self::new(PatternSource::Shipped(shipped.name), patterns, config, fingerprint).map(Some)
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
        if let Err(error) = patterns.check_model(config.layers.len(), config.heads) {
            return Err(match error {
                minference_attention::Error::PatternFile { place, expected, found, .. } => {
                    wrong(&place, expected, found)
                }
                other => other.into(),
            });
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

/// The file that stays with a model: beside `model.gguf`, and beside the parts of a split one
/// (`model-00001-of-00003.gguf`), it is `model.patterns.json`, in a folder `patterns.json`. None
/// for a path without a file name.
pub fn beside(model: &Path) -> Option<PathBuf> {
    if model.is_dir() {
        return Some(model.join("patterns.json"));
    }
    let part = model.file_name().and_then(|name| PartName::parse(name.to_str()?));
    let mut name = part.map_or(model.file_stem()?, |part| part.prefix.as_ref()).to_os_string();
    name.push(".patterns.json");
    Some(model.with_file_name(name))
}

/// The file of a model in a folder of patterns.
pub fn in_cache(folder: &Path, fingerprint: Fingerprint) -> PathBuf {
    folder.join(format!("{fingerprint}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::config::test_config;
    use minference_attention::HeadPattern;
    use minference_attention::pattern::config::FileFormat;
    use minference_attention::pattern::provenance::Provenance;

    fn write(path: &Path, local: usize, fingerprint: Option<Fingerprint>) {
        let patterns = PatternConfig::uniform(HeadPattern::AShape { sink: 1, local }, 2, 4).unwrap();
        let provenance = |fingerprint: Fingerprint| Provenance {
            program: "minference".into(),
            model: "a model".into(),
            fingerprint: fingerprint.to_string(),
            objective: "none".into(),
            element_type: "f16".into(),
            calibration: vec![],
            errors_from: 0,
        };
        let patterns = match fingerprint {
            Some(fingerprint) => patterns.with_provenance(provenance(fingerprint)),
            None => patterns,
        };
        patterns.write(path, FileFormat::Native).unwrap();
    }

    #[test]
    fn the_nearest_file_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let (model, cache) = (folder.path().join("SmolLM2.Q4_1.gguf"), folder.path().join("cache"));
        std::fs::create_dir(&cache).unwrap();
        let [ours, other] = [Fingerprint::of_tokens(&[1]), Fingerprint::of_tokens(&[2])];
        let find = |model: &Path| ModelPatterns::find(model, &test_config(), ours, Some(&cache));
        let local = |found: Option<ModelPatterns>| match found?.patterns.head(0, 0).unwrap().pattern {
            HeadPattern::AShape { local, .. } => Some(local),
            _ => None,
        };
        assert!(find(&model).unwrap().is_none());
        assert!(ModelPatterns::find(&model, &test_config(), ours, None).unwrap().is_none());
        write(&in_cache(&cache, other), 9, Some(other));
        assert!(find(&model).unwrap().is_none());
        write(&in_cache(&cache, ours), 10, Some(ours));
        assert_eq!(local(find(&model).unwrap()), Some(10));
        // a file that doesn't say which model it is for may be for this one
        write(&folder.path().join("SmolLM2.Q4_1.patterns.json"), 11, None);
        assert_eq!(local(find(&model).unwrap()), Some(11));
        write(&folder.path().join("patterns.json"), 12, Some(ours));
        assert_eq!(local(find(folder.path()).unwrap()), Some(12));
    }

    #[test]
    fn files_of_other_models_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, other] = [Fingerprint::of_tokens(&[1]), Fingerprint::of_tokens(&[2])];
        let path = folder.path().join("patterns.json");
        let refused = |parts: &[&str]| {
            let error =
                ModelPatterns::find(folder.path(), &test_config(), ours, None).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        };
        write(&path, 1, Some(other));
        refused(&["patterns.json", "search.fingerprint", &ours.to_string(), &other.to_string(), "a model"]);
        PatternConfig::uniform(HeadPattern::Dense, 3, 4).unwrap().write(&path, FileFormat::Native).unwrap();
        refused(&["patterns.json", "2 layers of 4 heads", "3 layers of 4 heads"]);
        std::fs::write(&path, "[").unwrap();
        refused(&["patterns.json", "JSON"]);
    }

    #[test]
    fn shipped_files_are_for_whom_they_say() {
        for Shipped { name, fingerprint, json } in SHIPPED {
            let patterns = PatternConfig::parse(json).unwrap();
            let provenance = patterns.provenance().unwrap_or_else(|| panic!("{name} does not say"));
            assert_eq!(provenance.fingerprint, fingerprint, "{name}");
            // what was tried would be most of every program's size, and nothing reads it
            assert_eq!(patterns.to_json(FileFormat::Native).unwrap(), json, "{name}");
            assert_eq!(patterns.clone().without_trials(), patterns, "{name}");
        }
    }
}
