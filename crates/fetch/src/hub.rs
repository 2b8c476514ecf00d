//! Models of the Hugging Face Hub, in the cache that other programs share.

mod cache;
mod listing;
mod selection;

use self::cache::RepositoryCache;
use self::listing::{ListedFile, Listing};
use self::selection::Selection;
use super::digest::Expected;
use super::download::{Download, Retries, is_temporary};
use super::http::{Client, HttpFailure, HttpResponse, escape_path};
use super::lock::Lock;
use super::partial::require_space;
use super::progress::FetchProgress;
use super::reference::HubReference;
use super::{FetchError, FetchSettings, Result};
use std::path::{Path, PathBuf};

pub(super) use self::cache::cached_repositories;

/// Descriptions of repositories and indices of shards beyond this are refused.
const MAX_JSON: u64 = 64 << 20;

/// One repository at one revision.
pub(super) struct Repository<'a> {
    settings: &'a FetchSettings,
    client: &'a Client,
    reference: &'a HubReference,
    cache: RepositoryCache,
}

impl<'a> Repository<'a> {
    pub(super) fn new(settings: &'a FetchSettings, client: &'a Client, reference: &'a HubReference) -> Self {
        let cache = RepositoryCache::new(&settings.hub, reference.repository());
        Self { settings, client, reference, cache }
    }

    /// Everything that the reference asks for, from the cache or else from the Hub: the file (with
    /// all others of a split one), or the snapshot's folder.
    ///
    /// Without a network only the cache counts: a branch is then as it was when it
    /// was fetched last.
    pub(super) fn fetch(&self, progress: &dyn FetchProgress) -> Result<PathBuf> {
        let cached = self.cached();
        if let Some(path) = cached.clone().filter(|_| self.settings.offline || self.reference.is_pinned()) {
            return Ok(path);
        }
        if self.settings.offline {
            return Err(FetchError::Offline { model: self.reference.to_string(), cached: Vec::new() });
        }
        match self.listing(progress) {
            Ok(listing) => self.fetch_listed(&listing, progress),
            Err(FetchError::NoNetwork { .. } | FetchError::Interrupted { .. }) if cached.is_some() => {
                cached.ok_or(FetchError::Cancelled)
            }
            Err(error) => Err(error),
        }
    }

    /// What the cache has, if it is all that the reference asks for.
    fn cached(&self) -> Option<PathBuf> {
        let commit = match self.reference.is_pinned() {
            true => self.reference.revision().to_ascii_lowercase(),
            false => self.cache.commit_of(self.reference.revision())?,
        };
        let folder = self.cache.snapshot(&commit);
        match self.reference.file() {
            Some(file) => {
                let is_there = |part: String| folder.join(part).is_file();
                selection::all_parts(file).into_iter().all(is_there).then(|| folder.join(file))
            }
            None => selection::is_complete(&folder).then_some(folder),
        }
    }

    fn fetch_listed(&self, listing: &Listing, progress: &dyn FetchProgress) -> Result<PathBuf> {
        let selection = Selection::new(listing, self.reference)?;
        let first: Vec<&ListedFile> = selection.first();
        self.fetch_files(listing, &first, progress)?;
        let folder = self.cache.snapshot(&listing.commit);
        selection.refuse_foreign_weights(&folder)?;
        let rest = selection.rest(&folder)?;
        self.fetch_files(listing, &rest, progress)?;
        self.cache.set_commit(self.reference.revision(), &listing.commit)?;
        Ok(self.reference.file().map_or(folder.clone(), |file| folder.join(file)))
    }

    fn fetch_files(
        &self,
        listing: &Listing,
        files: &[&ListedFile],
        progress: &dyn FetchProgress,
    ) -> Result<()> {
        let mut missing = Vec::new();
        for file in files {
            let expected = match &file.expected {
                Some(expected) => expected.clone(),
                None => self.describe(listing, file, progress)?,
            };
            if !self.cache.has(&expected) {
                missing.push((&file.name, expected));
            } else {
                self.cache.link(&listing.commit, &file.name, &expected)?;
            }
        }
        // said before the first of several gigabytes rather than after the last that fits
        let needed = missing.iter().map(|(_, expected)| expected.bytes).fold(0, u64::saturating_add);
        let blobs = self.cache.blobs();
        let present = missing.iter().map(|(_, expected)| self.cache.partial_bytes(expected)).sum();
        require_space_in_any(&blobs, needed.saturating_sub(present))?;
        for (name, expected) in missing {
            self.fetch_file(&listing.commit, name, &expected, progress)?;
            self.cache.link(&listing.commit, name, &expected)?;
        }
        Ok(())
    }

    fn fetch_file(
        &self,
        commit: &str,
        name: &str,
        expected: &Expected,
        progress: &dyn FetchProgress,
    ) -> Result<()> {
        let _lock = Lock::acquire(&self.cache.lock(expected), name, progress)?;
        if self.cache.has(expected) {
            return Ok(());
        }
        let url = file_url(&self.settings.endpoint, self.reference.repository(), commit, name);
        let target = self.cache.blob(expected);
        let download = Download {
            url: &url,
            repository: self.reference.repository(),
            what: name,
            expected,
            target: &target,
        };
        download.run(self.client, Retries::new(self.settings.pause), progress)
    }

    /// What the repository holds at its revision.
    fn listing(&self, progress: &dyn FetchProgress) -> Result<Listing> {
        let repository = self.reference.repository();
        let revision = self.reference.revision().replace('/', "%2F");
        let url =
            format!("{}/api/models/{repository}/revision/{revision}?blobs=true", self.settings.endpoint);
        let mut retries = Retries::new(self.settings.pause);
        loop {
            let answer = self.ask(&url, &mut retries, progress)?;
            if answer.status == 404 {
                return Err(FetchError::NoRepository {
                    repository: repository.to_string(),
                    revision: self.reference.revision().to_string(),
                    endpoint: self.settings.endpoint.clone(),
                });
            }
            match answer.read_all(MAX_JSON) {
                Ok(bytes) => return Listing::parse(&bytes, &url),
                Err(failure) => self.wait(failure, repository, &mut retries, progress)?,
            }
        }
    }

    /// Size and hash of a file, from the headers that it comes with: some mirrors list names only.
    fn describe(
        &self,
        listing: &Listing,
        file: &ListedFile,
        progress: &dyn FetchProgress,
    ) -> Result<Expected> {
        let repository = self.reference.repository();
        let url = file_url(&self.settings.endpoint, repository, &listing.commit, &file.name);
        let answer = self.ask(&url, &mut Retries::new(self.settings.pause), progress)?;
        if answer.status == 404 {
            let (repository, file) = (repository.to_string(), file.name.clone());
            return Err(FetchError::NoFile { repository, file, choices: Vec::new() });
        }
        listing::from_headers(&answer).ok_or_else(|| FetchError::HttpResponse {
            url,
            expected: "the file's hash in the header ETag or X-Linked-Etag, and its size".into(),
            found: "neither".into(),
        })
    }

    /// An answer with status 200 or 404.
    fn ask(&self, url: &str, retries: &mut Retries, progress: &dyn FetchProgress) -> Result<HttpResponse> {
        let repository = self.reference.repository();
        loop {
            super::progress::check(progress)?;
            let failure = match self.client.get(url, 0) {
                Ok(answer) if matches!(answer.status, 200 | 404) => return Ok(answer),
                Ok(answer) if matches!(answer.status, 401 | 403) => {
                    return Err(FetchError::NoAccess {
                        repository: repository.to_string(),
                        status: answer.status,
                        with_token: self.client.has_token(),
                    });
                }
                Ok(answer) if is_temporary(answer.status) => {
                    HttpFailure::Broken(format!("HTTP {}", answer.status))
                }
                Ok(answer) => {
                    return Err(FetchError::HttpResponse {
                        url: url.to_string(),
                        expected: "HTTP 200".into(),
                        found: format!("HTTP {}", answer.status),
                    });
                }
                Err(failure) => failure,
            };
            self.wait(failure, repository, retries, progress)?;
        }
    }

    /// Waits before another try, or gives up.
    fn wait(
        &self,
        failure: HttpFailure,
        what: &str,
        retries: &mut Retries,
        progress: &dyn FetchProgress,
    ) -> Result<()> {
        match failure {
            HttpFailure::NoConnection { server, reason } => {
                Err(FetchError::NoNetwork { server, reason, cached: Vec::new() })
            }
            HttpFailure::Broken(_) if retries.wait(progress)? => Ok(()),
            HttpFailure::Broken(reason) => {
                Err(FetchError::Interrupted { what: what.to_string(), done: 0, total: None, reason })
            }
        }
    }
}

/// Where the Hub offers a file.
pub(super) fn file_url(endpoint: &str, repository: &str, revision: &str, file: &str) -> String {
    format!("{endpoint}/{repository}/resolve/{revision}/{}", escape_path(file))
}

/// The folder may not exist yet: its nearest ancestor tells.
fn require_space_in_any(folder: &Path, needed: u64) -> Result<()> {
    let existing = folder.ancestors().find(|folder| folder.is_dir());
    existing.map_or(Ok(()), |existing| require_space(&existing.join("x"), needed)).map_err(|error| {
        if let FetchError::NoSpace { needed, available, .. } = error {
            FetchError::NoSpace { path: folder.to_path_buf(), needed, available }
        } else {
            error
        }
    })
}
