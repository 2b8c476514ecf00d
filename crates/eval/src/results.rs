//! What evaluations found, as they leave it in a folder: `run.json` says what was run,
//! `records.jsonl` holds a line for each result.
//!
//! A folder belongs to one [`RunHeader`]. A run that goes on reads the records that are there and
//! adds the others; one with other settings is refused, so that results of different runs never
//! mix.

mod folder;
mod method_record;
mod read;
mod records;
mod references;
mod run;

pub use folder::ResultsFolder;
pub(crate) use method_record::MethodRecord;
pub use read::read_runs;
pub use records::{
    AnswerRecord, AnswerSeconds, CacheBytes, DenseAgreement, LatencyRecord, LatencySeconds, LatencySource,
    LossBucket, PerplexityRecord,
};
pub use references::References;
pub use run::{EvaluationRun, RunRecords};

use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the format of result folders.
pub const FORMAT: u32 = 1;
/// The file that says what was run.
pub const HEADER_FILE: &str = "run.json";
/// The file of results, one JSON object a line.
pub const RECORDS_FILE: &str = "records.jsonl";
/// The setting that says where long prompts of files were cut. Generated samples have none, as they
/// have the lengths that were asked for.
pub const LIMIT_SETTING: &str = "limit";

/// The setting that says how methods other than plain dense attention read prompts.
pub const READING_SETTING: &str = "reading";

/// How they do now. A change that makes a method choose other keys changes this text, so that
/// results from before and after are not mixed.
pub const READING: &str = "the last 64 queries see everything, later chunks estimated from 16 to 64 queries, compression chosen by whole windows";

/// Kinds of evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluationKind {
    /// Facts in generated texts: records are [`AnswerRecord`]s.
    Needle,
    /// RULER: records are [`AnswerRecord`]s.
    Ruler,
    /// InfiniteBench: records are [`AnswerRecord`]s.
    InfiniteBench,
    /// Losses on texts: records are [`PerplexityRecord`]s.
    Perplexity,
    /// Times to the first token: records are [`LatencyRecord`]s.
    Latency,
}

impl EvaluationKind {
    /// As commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Needle => "needle",
            Self::Ruler => "ruler",
            Self::InfiniteBench => "infinite-bench",
            Self::Perplexity => "perplexity",
            Self::Latency => "latency",
        }
    }

    /// What readers call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Needle => "Needle in a haystack",
            Self::Ruler => "RULER",
            Self::InfiniteBench => "InfiniteBench",
            Self::Perplexity => "Perplexity",
            Self::Latency => "Time to the first token",
        }
    }
}

/// What a folder of results is about. Runs that go on must have the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`FORMAT`].
    pub format: u32,
    /// What was evaluated.
    pub evaluation: EvaluationKind,
    /// The model's name, for readers.
    pub model: String,
    /// What identifies its weights.
    pub fingerprint: String,
    /// All that changes results beyond a sample's name and a method: seeds, styles, types,
    /// templates. Numbers of samples and lists of lengths, tasks and methods are not among them, so
    /// that a later run may add to them.
    pub settings: BTreeMap<String, String>,
}

impl RunHeader {
    /// That of a folder; none where no run was.
    ///
    /// # Errors
    /// A file that can't be read, or holds another format.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>> {
        if folder.join(HEADER_FILE).is_file() { read::read_header(folder).map(Some) } else { Ok(None) }
    }
}
