//! [`verify`]: whether a file in the cache still is what was fetched.

use super::digest::{Digest, Expected, Hasher, hash_file};
use super::progress::FetchProgress;
use super::{FetchError, Result, sha256};
use std::path::Path;

/// The SHA-256 of a model's file, in hexadecimal. The Hub's cache names contents by their hash; a
/// file of it is compared with its name.
///
/// # Errors
/// [`FetchError::Damaged`] for a file that is not what its name says; [`FetchError::Io`] and its
/// kin if it can't be read; [`FetchError::Cancelled`].
pub fn verify(path: &Path, progress: &dyn FetchProgress) -> Result<String> {
    let sha256 = sha256(path, progress)?;
    let failed = |source| FetchError::io(path, source, None);
    let blob = path.canonicalize().map_err(failed)?;
    let Some(digest) = digest_in_name(&blob) else { return Ok(sha256) };
    let found = match &digest {
        Digest::Sha256(_) => Digest::Sha256(sha256.clone()),
        Digest::GitBlob(_) => {
            let bytes = blob.metadata().map_err(failed)?.len();
            let mut hasher = Hasher::new(&Expected { bytes, digest: digest.clone() });
            hash_file(&blob, &mut hasher, progress)?;
            hasher.finish()
        }
    };
    if found == digest {
        return Ok(sha256);
    }
    Err(FetchError::Damaged { path: blob, expected: digest.describe(), found: found.describe() })
}

/// What the Hub's cache says about one of its contents.
fn digest_in_name(blob: &Path) -> Option<Digest> {
    let is_blob = blob.parent()?.file_name()? == "blobs";
    Digest::parse(blob.file_name()?.to_str()?).filter(|_| is_blob)
}
