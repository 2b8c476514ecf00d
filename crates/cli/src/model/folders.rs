//! Where models lie, and what goes with them.

use minference_fetch::FetchSettings;
use std::path::PathBuf;

/// The folder where models are kept, and what goes with them; none where the system has no place
/// for caches.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    Some(FetchSettings::from_environment().ok()?.models)
}

/// The folder where searches leave what they found.
pub(crate) fn pattern_cache() -> Option<PathBuf> {
    Some(cache_folder()?.join("patterns"))
}
