//! [`ModelFiles`]: a model as it lies on disk, a GGUF file or a Hugging Face folder, from which a
//! [`ModelConfig`] and [`ModelWeights`] are read.
//!
//! Opening reads headers and checks everything that they say: sizes, offsets, names, fields.
//! Matrices are never copied; they stay in the mapped file until the decoder touches them. What is
//! not covered is refused by name, with what would be.
//!
//! ```no_run
//! use minference_model::files::ModelFiles;
//!
//! let files = ModelFiles::open("models/smollm2-135m-instruct-q4_1.gguf")?;
//! println!("{}: {} bytes of weights", files.config().family, files.weight_bytes());
//! let (config, weights) = files.load()?;
//! assert_eq!(weights.layers.len(), config.layers.len());
//! # Ok::<(), minference_model::Error>(())
//! ```
//!
//! | place | what it holds |
//! |---|---|
//! | `gguf.rs`, `gguf_cursor.rs` | the header of a GGUF file |
//! | `gguf_parts.rs`, `part_name.rs` | split GGUF files, as one model |
//! | `safetensors.rs` | folders with one or many safetensors files |
//! | `tensors.rs` | named tensors of either, with checked shapes |
//! | `mistaken.rs`, `gguf_kind.rs`, `folder.rs`, `foreign_weights.rs` | what is no model of ours, named for what it is |
//! | `regular_file.rs` | opening files, with limits |
//! | `fingerprint.rs` | telling models apart |
//! | `families.rs`, `families/` | what fields and tensors mean, one file per family |

pub(crate) mod families;
mod fingerprint;
pub(crate) mod folder;
mod foreign_weights;
mod gguf;
mod gguf_cursor;
mod gguf_kind;
mod gguf_parts;
mod gguf_value;
pub(crate) mod mistaken;
mod part_name;
pub(crate) mod regular_file;
mod safetensors;
mod tensors;

pub use fingerprint::Fingerprint;
pub use folder::instead_of_a_model;
pub use foreign_weights::refuse_by_config;
pub use gguf_value::GgufValue;
pub use part_name::{PartName, part_files};
pub(crate) use tensors::Tensors;

use self::families::Plan;
use crate::decoder::config::ModelConfig;
use crate::decoder::weights::ModelWeights;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What kind of thing a model was opened from, with what else it holds.
#[derive(Debug)]
pub enum Container {
    /// One GGUF file, or all parts of a split one. Its metadata, those of the first part, hold the
    /// vocabulary (`tokenizer.ggml.*`) and the chat template.
    Gguf {
        /// Every key of the header. Text that is not UTF-8 was replaced by U+FFFD.
        metadata: HashMap<String, GgufValue>,
    },
    /// A folder as Hugging Face lays it out; `tokenizer.json` and others lie beside the weights.
    HuggingFace {
        /// `config.json`, an object.
        config: serde_json::Value,
    },
}

/// A model on disk whose headers were read and found right.
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    container: Container,
    tensors: Tensors,
    plan: Plan,
}

impl ModelFiles {
    /// Opens a GGUF file, of which, where it is split, any part stands for all, or a folder with
    /// `config.json` and `model.safetensors` (or its shards and their index).
    ///
    /// Files are mapped: a program that changes or truncates an open one changes the model's
    /// weights, or crashes the process.
    ///
    /// # Errors
    /// [`Error::Io`] for files that can't be read; [`Error::File`] for everything in them that is
    /// wrong or not supported, with the place, what was expected and what was found.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(Error::io(path))?;
        if metadata.is_dir() { Self::open_folder(path) } else { Self::open_gguf(path) }
    }

    fn open_gguf(path: &Path) -> Result<Self> {
        let gguf_parts::GgufModel { path, metadata, tensors } = gguf_parts::read(path)?;
        let plan = families::plan_gguf(&metadata, &tensors).map_err(|error| error.in_file(&path))?;
        Ok(Self { path, container: Container::Gguf { metadata }, tensors, plan })
    }

    fn open_folder(folder: &Path) -> Result<Self> {
        let config_path = folder.join("config.json");
        if !config_path.exists() {
            return Err(folder::no_model(folder, "config.json"));
        }
        let config = safetensors::read_json(&config_path)?;
        foreign_weights::refuse_by_config(&config_path, &config)?;
        let tensors = safetensors::read_folder(folder)?;
        folder::refuse_adapter(folder)?;
        foreign_weights::refuse_by_tensors(&tensors)?;
        let plan =
            families::plan_hugging_face(&config, &tensors).map_err(|error| error.in_file(&config_path))?;
        Ok(Self { path: folder.into(), container: Container::HuggingFace { config }, tensors, plan })
    }

    /// What was opened: the GGUF file (of a split one the first part), or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which of the two it is, and what else it holds.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The model's shape and variation.
    pub fn config(&self) -> &ModelConfig {
        &self.plan.config
    }

    /// Bytes of all tensors in the files: what weights occupy once all of them were touched.
    pub fn weight_bytes(&self) -> u64 {
        self.tensors.byte_len()
    }

    /// What tells this model from others; see [`Fingerprint`]. Reads a few pages of every tensor.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.config(), &self.tensors)
    }

    /// The configuration, and the weights, which stay in the mapped files.
    ///
    /// # Errors
    /// [`Error::File`] for tensors that are missing, have another shape than the configuration
    /// says, are stored in a way that is not supported, or that the family does not know.
    pub fn load(&self) -> Result<(ModelConfig, ModelWeights)> {
        let weights = self.plan.load(&self.tensors)?;
        Ok((self.plan.config.clone(), weights))
    }
}
