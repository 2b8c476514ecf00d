//! [`PatternConfig`]: the patterns of all heads of a model, and the files that hold them.
//!
//! Two formats are read, and told apart by their content: ours, with named fields, and the one that
//! the authors of MInference published (see [`FileFormat`]).
//!
//! ```
//! use minference_attention::HeadPattern;
//! use minference_attention::pattern::config::{FileFormat, PatternConfig};
//!
//! let published = r#"[{"0": ["vertical_and_slash", 1000, 6096, 0.33], "1": ["stream_llm", 1024, 4096, 0.5]}]"#;
//! let config = PatternConfig::parse(published)?;
//! assert_eq!(config.head(0, 1)?.pattern, HeadPattern::AShape { sink: 1024, local: 4096 });
//!
//! let native = config.to_json(FileFormat::Native)?;
//! assert_eq!(PatternConfig::parse(&native)?, config);
//!
//! // A file for another model is refused.
//! assert!(config.check_model(32, 32).is_err());
//! # Ok::<(), minference_attention::Error>(())
//! ```

use super::provenance::{Provenance, Trial};
use super::{HeadPattern, native_format, original_format};
use crate::error::{Error, Result};
use crate::files;
use serde_json::Value;
use std::path::Path;

/// More bytes than any file has; those of the largest models have a few million, with all trials.
const FILE_BYTES: u64 = 64 << 20;

/// The largest budget of a file.
const MAX_BUDGET: usize = u32::MAX as usize;

/// How a pattern file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum FileFormat {
    /// Ours: JSON with named fields.
    ///
    /// An object with `format`, `version` and `layers`, a list of lists of heads with named
    /// budgets; and, where a search wrote it, `search` and each head's `trials`.
    #[default]
    Native,
    /// The published one: lists of type, first budget, second budget and score.
    ///
    /// A list of layers, each a map from head index to `[type, first, second,
    /// score]`. It knows `vertical_and_slash` (vertical, slash), `stream_llm` (sink, local) and
    /// `block_sparse` (100 blocks).
    Original,
}

/// One head's entry.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadEntry {
    /// The pattern.
    pub pattern: HeadPattern,
    /// What the search that found it scored it, if the file says: in files of ours the error of its
    /// output, in published ones another measure.
    pub score: Option<f64>,
    /// What the search tried, in its order; empty where the file doesn't say.
    pub trials: Vec<Trial>,
}

impl From<HeadPattern> for HeadEntry {
    fn from(pattern: HeadPattern) -> Self {
        Self { pattern, score: None, trials: Vec::new() }
    }
}

/// Patterns of all heads of a model: `layers` of equally many heads.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternConfig {
    layers: Vec<Vec<HeadEntry>>,
    provenance: Option<Provenance>,
}

/// An error at a place in a file whose path the caller adds.
pub(super) fn wrong(
    place: impl Into<String>,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Error {
    Error::PatternFile { path: None, place: place.into(), expected: expected.into(), found: found.into() }
}

/// A short form of a JSON value for messages.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    format!("{}...", text.chars().take(57).collect::<String>())
}

/// A budget: a whole number of tokens or blocks.
pub(super) fn budget(value: &Value, place: &str, name: &str) -> Result<usize> {
    match value.as_u64().and_then(|x| usize::try_from(x).ok()).filter(|&x| x <= MAX_BUDGET) {
        Some(number) => Ok(number),
        None => Err(wrong(place, format!("{name} as a whole number from 0 to {MAX_BUDGET}"), brief(value))),
    }
}

impl PatternConfig {
    /// # Errors
    /// [`Error::PatternFile`] for no layers, layers with different numbers of heads or none, and
    /// what no file can hold: budgets beyond 32 bits, scores, errors and shares that are not
    /// finite.
    pub fn new(layers: Vec<Vec<HeadEntry>>) -> Result<Self> {
        let heads = layers.first().map_or(0, Vec::len);
        if heads == 0 {
            return Err(wrong("layers", "at least one layer with at least one head", "none"));
        }
        for (layer, entries) in layers.iter().enumerate() {
            if entries.len() != heads {
                return Err(wrong(
                    format!("layer {layer}"),
                    format!("{heads} heads, as in layer 0"),
                    format!("{}", entries.len()),
                ));
            }
            for (head, entry) in entries.iter().enumerate() {
                let place = || format!("layer {layer}, head {head}");
                let mut patterns =
                    std::iter::once(entry.pattern).chain(entry.trials.iter().map(|t| t.pattern));
                if let Some(budget) = patterns.find_map(|p| p.budgets().into_iter().find(|&x| x > MAX_BUDGET))
                {
                    return Err(wrong(place(), format!("budgets up to {MAX_BUDGET}"), budget.to_string()));
                }
                let numbers = entry.trials.iter().flat_map(|trial| [trial.error, trial.share]);
                if let Some(number) = entry.score.into_iter().chain(numbers).find(|x| !x.is_finite()) {
                    return Err(wrong(place(), "finite scores, errors and shares", number.to_string()));
                }
            }
        }
        Ok(Self { layers, provenance: None })
    }

    /// The same pattern for every head.
    ///
    /// # Errors
    /// [`Error::PatternFile`] for no layers or no heads.
    pub fn uniform(pattern: HeadPattern, layers: usize, heads: usize) -> Result<Self> {
        Self::new(vec![vec![pattern.into(); heads]; layers])
    }

    /// The same patterns, saying how they were found.
    #[must_use]
    pub fn with_provenance(self, provenance: Provenance) -> Self {
        Self { provenance: Some(provenance), ..self }
    }

    /// The same patterns and scores, without what the search tried for each head.
    #[must_use]
    pub fn without_trials(mut self) -> Self {
        for entry in self.layers.iter_mut().flatten() {
            entry.trials.clear();
        }
        self
    }

    /// How they were found, where a search of ours found them.
    pub fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }
    /// Number of heads of each layer.
    pub fn heads(&self) -> usize {
        self.layers[0].len()
    }

    /// One layer's entries.
    ///
    /// # Errors
    /// [`Error::PatternFile`] where there is no such layer.
    pub fn layer(&self, layer: usize) -> Result<&[HeadEntry]> {
        self.layers.get(layer).map(Vec::as_slice).ok_or_else(|| {
            wrong(format!("layer {layer}"), format!("one of {} layers", self.layers()), "none such")
        })
    }

    /// One head's entry.
    ///
    /// # Errors
    /// [`Error::PatternFile`] where there is no such head.
    pub fn head(&self, layer: usize, head: usize) -> Result<&HeadEntry> {
        self.layer(layer)?.get(head).ok_or_else(|| {
            let place = format!("layer {layer}, head {head}");
            wrong(place, format!("one of {} heads", self.heads()), "none such")
        })
    }

    /// Checks that the file is for a model of this shape.
    ///
    /// # Errors
    /// [`Error::PatternFile`] where it is not.
    pub fn check_model(&self, layers: usize, heads: usize) -> Result<()> {
        if (self.layers(), self.heads()) == (layers, heads) {
            return Ok(());
        }
        Err(wrong(
            "layers",
            format!("{layers} layers of {heads} heads, as the model has"),
            format!("{} layers of {} heads", self.layers(), self.heads()),
        ))
    }

    /// Reads a file in either format.
    ///
    /// # Errors
    /// [`Error::PatternFileIo`] where it can't be read; [`Error::PatternFile`] where it is wrong,
    /// with the file, the layer and the head.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::read_text(path, FILE_BYTES)
            .map_err(|source| Error::PatternFileIo { path: path.to_owned(), source })?;
        // the byte-order mark of some editors
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Self::parse(text).map_err(|error| error.in_pattern_file(path))
    }

    /// Reads the file of a model with so many layers and heads.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and [`Error::PatternFile`] where the file is for another model.
    pub fn read_for_model(path: &Path, layers: usize, heads: usize) -> Result<Self> {
        let config = Self::read(path)?;
        config.check_model(layers, heads).map_err(|error| error.in_pattern_file(path))?;
        Ok(config)
    }

    /// Writes a [`WholeFile`](files::WholeFile): one that was there is replaced as a whole or not
    /// at all.
    ///
    /// # Errors
    /// [`Error::PatternFileIo`] where it can't be written; otherwise as for
    /// [`to_json`](Self::to_json).
    pub fn write(&self, path: &Path, format: FileFormat) -> Result<()> {
        let text = self.to_json(format).map_err(|error| error.in_pattern_file(path))?;
        files::write_bytes(path, text)
            .map_err(|source| Error::PatternFileIo { path: path.to_owned(), source })
    }

    /// Parses either format.
    ///
    /// # Errors
    /// [`Error::PatternFile`] with the place, what was expected and what was found.
    pub fn parse(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|e| wrong(format!("line {}, column {}", e.line(), e.column()), "JSON", e.to_string()))?;
        match &value {
            Value::Array(layers) => Self::new(original_format::parse(layers)?),
            Value::Object(fields) => {
                let (provenance, layers) = native_format::parse(fields)?;
                Ok(Self { provenance, ..Self::new(layers)? })
            }
            other => {
                Err(wrong("top level", "an object (ours) or a list of layers (the original)", brief(other)))
            }
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// [`Error::PatternFile`] for a pattern that the original's format can't express.
    pub fn to_json(&self, format: FileFormat) -> Result<String> {
        Ok(match format {
            FileFormat::Native => native_format::to_text(self.provenance.as_ref(), &self.layers),
            FileFormat::Original => format!("{:#}\n", original_format::to_value(&self.layers)?),
        })
    }
}

impl Error {
    /// Adds the file to an error about its content.
    fn in_pattern_file(self, file: &Path) -> Self {
        match self {
            Self::PatternFile { path: None, place, expected, found } => {
                Self::PatternFile { path: Some(file.to_owned()), place, expected, found }
            }
            other => other,
        }
    }
}

/// A search score: a number, or nothing.
pub(super) fn score(value: Option<&Value>, place: &str) -> Result<Option<f64>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(other) => Err(wrong(place, "a number as the score", brief(other))),
    }
}
