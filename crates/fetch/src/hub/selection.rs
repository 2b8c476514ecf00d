//! [`Selection`]: which files of a repository a model needs.

use super::listing::{ListedFile, Listing};
use crate::reference::{HubReference, is_file_name};
use crate::{FetchError, Result};
use minference_attention::files::bytes_without_mark;
use minference_model::files::{PartName, instead_of_a_model, refuse_by_config};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const INDEX: &str = "model.safetensors.index.json";
const INDEX_BYTES: u64 = minference_attention::files::SETTINGS_BYTES;
const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
/// Without these there is no model.
const REQUIRED: [&str; 2] = [CONFIG, "tokenizer.json"];
const OPTIONAL: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "chat_template.jinja"];

/// The files to fetch: small ones first, since one of them can name the others.
pub(super) struct Selection<'a> {
    listing: &'a Listing,
    repository: &'a str,
    kind: SelectedFiles<'a>,
}

enum SelectedFiles<'a> {
    /// One GGUF file, or all parts of a split one.
    Files(Vec<&'a ListedFile>),
    Sharded(&'a ListedFile),
    Single(&'a ListedFile),
}

impl<'a> Selection<'a> {
    pub(super) fn new(listing: &'a Listing, reference: &'a HubReference) -> Result<Self> {
        let repository = reference.repository();
        // of a split file, the first part stands for all
        let models = |endings: &[&str]| -> Vec<String> {
            let fits = |file: &&ListedFile| {
                endings.iter().any(|ending| file.name.ends_with(ending))
                    && PartName::parse(&file.name).is_none_or(|part| part.number == 1)
            };
            let mut names: Vec<String> =
                listing.files.iter().filter(fits).map(|file| file.name.clone()).collect();
            names.sort();
            names
        };
        let kind = if let Some(file) = reference.file() {
            let find = |file: String| {
                listing.find(&file).ok_or_else(|| FetchError::NoFile {
                    repository: repository.to_string(),
                    choices: models(&[".gguf", ".safetensors"]),
                    file,
                })
            };
            SelectedFiles::Files(all_parts(file).into_iter().map(find).collect::<Result<_>>()?)
        } else if let Some(index) = listing.find(INDEX) {
            SelectedFiles::Sharded(index)
        } else if let Some(weights) = listing.find(WEIGHTS) {
            SelectedFiles::Single(weights)
        } else {
            let (repository, choices) = (repository.to_string(), models(&[".gguf"]));
            return Err(if choices.is_empty() {
                let expected = format!("{WEIGHTS}, {INDEX} or a .gguf file");
                FetchError::NoWeights { repository, expected, found: instead(listing, WEIGHTS) }
            } else {
                FetchError::ChooseFile { repository, choices }
            });
        };
        if !matches!(kind, SelectedFiles::Files(_))
            && let Some(name) = REQUIRED.iter().find(|name| listing.find(name).is_none())
        {
            let (repository, expected) = (repository.to_string(), (*name).to_string());
            return Err(FetchError::NoWeights { repository, expected, found: instead(listing, name) });
        }
        Ok(Self { listing, repository, kind })
    }

    /// What to fetch first.
    pub(super) fn first(&self) -> Vec<&'a ListedFile> {
        if matches!(self.kind, SelectedFiles::Files(_)) {
            return Vec::new();
        }
        let mut files: Vec<&ListedFile> =
            REQUIRED.iter().chain(&OPTIONAL).filter_map(|name| self.listing.find(name)).collect();
        if let SelectedFiles::Sharded(index) = self.kind {
            files.push(index);
        }
        files
    }

    /// Refuses weights that would be fetched in vain, since the configuration in this folder says
    /// that they are another program's.
    pub(super) fn refuse_foreign_weights(&self, folder: &Path) -> Result<()> {
        let path = folder.join(CONFIG);
        let config = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        // what else is wrong with it is told when the model is opened
        let Some(config) = config.filter(|_| !matches!(self.kind, SelectedFiles::Files(_))) else {
            return Ok(());
        };
        refuse_by_config(Path::new(CONFIG), &config).map_err(|error| FetchError::NotSupported {
            repository: self.repository.to_string(),
            reason: error.to_string(),
        })
    }

    /// What to fetch then, with the first files in this folder.
    pub(super) fn rest(&self, folder: &Path) -> Result<Vec<&'a ListedFile>> {
        match &self.kind {
            SelectedFiles::Files(files) => Ok(files.clone()),
            SelectedFiles::Single(file) => Ok(vec![*file]),
            SelectedFiles::Sharded(_) => shards(folder)?
                .iter()
                .map(|name| {
                    self.listing.find(name).ok_or_else(|| FetchError::NoFile {
                        repository: self.repository.to_string(),
                        file: name.clone(),
                        choices: Vec::new(),
                    })
                })
                .collect(),
        }
    }
}

/// A file's own name, or where it is a part of a split GGUF file, the names of all parts.
pub(super) fn all_parts(file: &str) -> Vec<String> {
    PartName::parse(file).map_or_else(|| vec![file.to_string()], |part| part.all().collect())
}

/// What a repository holds in place of a file.
fn instead(listing: &Listing, missing: &str) -> String {
    let names: Vec<String> = listing.files.iter().map(|file| file.name.clone()).collect();
    instead_of_a_model(&names, missing).unwrap_or_else(|| "no such file".into())
}

/// The weight files that the index in a folder names.
fn shards(folder: &Path) -> Result<BTreeSet<String>> {
    let path = folder.join(INDEX);
    let bytes = minference_attention::files::read(&path, INDEX_BYTES)
        .map_err(|source| FetchError::io(&path, source, None))?;
    let value: Option<Value> = serde_json::from_slice(bytes_without_mark(&bytes)).ok();
    let names = value.as_ref().and_then(|value| value["weight_map"].as_object()).map(|map| {
        let name = |name: &Value| name.as_str().filter(|name| is_file_name(name)).map(str::to_string);
        map.values().map(name).collect::<Option<BTreeSet<String>>>()
    });
    names.flatten().filter(|names| !names.is_empty()).ok_or_else(|| FetchError::WrongContent {
        what: path.display().to_string(),
        expected: "an object `weight_map` from tensors to files".into(),
        found: "something else".into(),
    })
}

/// Whether a folder holds all that a model in safetensors needs.
pub(super) fn is_complete(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let weights = match shards(folder) {
        Ok(names) => names.iter().all(|name| has(name)),
        Err(_) => has(WEIGHTS),
    };
    weights && REQUIRED.iter().all(|name| has(name))
}
