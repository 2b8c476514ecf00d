//! One file from a server into the cache: resumed, retried, hashed.

use super::digest::{CHUNK, Expected};
use super::http::{Client, HttpFailure, HttpResponse, header, pause};
use super::partial::Partial;
use super::progress::{Activity, FetchProgress, FetchStep, check};
use super::{FetchError, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Failures in a row, without a byte between them, that end a download.
const ATTEMPTS: u32 = 5;

/// What to download.
pub(super) struct Download<'a> {
    pub(super) url: &'a str,
    /// `owner/name`, for messages.
    pub(super) repository: &'a str,
    /// The file, for messages.
    pub(super) what: &'a str,
    pub(super) expected: &'a Expected,
    pub(super) target: &'a Path,
}

/// Runs requests again that fail for a while.
pub(super) struct Retries {
    pause: Duration,
    failures: u32,
}

impl Retries {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, failures: 0 }
    }

    /// Forgets earlier failures: there was progress.
    fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits before another try; false if it is not worth one.
    pub(super) fn wait(&mut self, progress: &dyn FetchProgress) -> Result<bool> {
        self.failures += 1;
        if self.failures >= ATTEMPTS {
            return Ok(false);
        }
        pause(self.pause * 2u32.pow(self.failures - 1), progress)?;
        Ok(true)
    }
}

impl Download<'_> {
    pub(super) fn run(
        &self,
        client: &Client,
        mut retries: Retries,
        progress: &dyn FetchProgress,
    ) -> Result<()> {
        let mut partial = Partial::open(partial_path(self.target), self.expected, progress)?;
        while partial.bytes() < self.expected.bytes {
            check(progress)?;
            let before = partial.bytes();
            let failure = match client.get(self.url, before) {
                Ok(answer) => match self.accept(client, answer, &mut partial)? {
                    Accepted::Body(answer) => self.receive(answer, &mut partial, progress)?,
                    Accepted::Retry(reason) => Some(HttpFailure::Broken(reason)),
                },
                Err(failure) => Some(failure),
            };
            if partial.bytes() > before {
                retries.reset();
            }
            let reason = match failure {
                None => "the connection ended".to_string(),
                Some(HttpFailure::NoConnection { server, reason }) if partial.bytes() == 0 => {
                    return Err(FetchError::NoNetwork { server, reason, cached: Vec::new() });
                }
                Some(HttpFailure::NoConnection { reason, .. } | HttpFailure::Broken(reason)) => reason,
            };
            if partial.bytes() < self.expected.bytes && !retries.wait(progress)? {
                return Err(FetchError::Interrupted {
                    what: self.what.to_string(),
                    done: partial.bytes(),
                    total: Some(self.expected.bytes),
                    reason,
                });
            }
        }
        partial.finish(self.what, self.target)
    }

    /// Whether an answer's body is what was asked for.
    fn accept(&self, client: &Client, answer: HttpResponse, partial: &mut Partial<'_>) -> Result<Accepted> {
        let unexpected = |expected: &str, found: String| {
            Err(FetchError::HttpResponse { url: self.url.to_string(), expected: expected.to_string(), found })
        };
        match answer.status {
            200 => {
                // a server that knows no ranges
                partial.restart()?;
                let length = header(&answer.last, "content-length").and_then(|text| text.parse::<u64>().ok());
                if length.is_some_and(|length| length != self.expected.bytes) {
                    let expected = format!("{} bytes", self.expected.bytes);
                    return unexpected(&expected, format!("{} bytes", length.unwrap_or_default()));
                }
                Ok(Accepted::Body(answer))
            }
            206 => {
                let range = header(&answer.last, "content-range").unwrap_or_default();
                let expected = format!("bytes {}-", partial.bytes());
                if !range.starts_with(&expected) {
                    return unexpected(&format!("the range {expected}"), format!("`{range}`"));
                }
                Ok(Accepted::Body(answer))
            }
            416 => {
                partial.restart()?;
                Ok(Accepted::Retry("the server has no such range".into()))
            }
            // addresses that a redirect leads to expire
            403 if answer.redirected => Ok(Accepted::Retry("the address expired".into())),
            status @ (401 | 403) => Err(FetchError::NoAccess {
                repository: self.repository.to_string(),
                status,
                with_token: client.has_token(),
            }),
            404 => Err(FetchError::NoFile {
                repository: self.repository.to_string(),
                file: self.what.to_string(),
                choices: Vec::new(),
            }),
            status if is_temporary(status) => Ok(Accepted::Retry(format!("HTTP {status}"))),
            status => unexpected("HTTP 200 or 206", format!("HTTP {status}")),
        }
    }

    /// Appends a body. No failure loses bytes that came before it.
    fn receive(
        &self,
        answer: HttpResponse,
        partial: &mut Partial<'_>,
        progress: &dyn FetchProgress,
    ) -> Result<Option<HttpFailure>> {
        let mut reader = answer.into_reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            check(progress)?;
            let step = FetchStep {
                activity: Activity::Downloading,
                what: self.what,
                done: partial.bytes(),
                total: Some(self.expected.bytes),
            };
            progress.advance(&step);
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) if partial.bytes() + count as u64 > self.expected.bytes => {
                    partial.discard()?;
                    return Err(FetchError::WrongContent {
                        what: self.what.to_string(),
                        expected: format!("{} bytes", self.expected.bytes),
                        found: "more".into(),
                    });
                }
                Ok(count) => partial.append(&buffer[..count])?,
                Err(error) => return Ok(Some(HttpFailure::Broken(error.to_string()))),
            }
        }
    }
}

/// Where the bytes of a file are until all are there.
pub(super) fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    target.with_file_name(name)
}

enum Accepted {
    Body(HttpResponse),
    Retry(String),
}

/// Whether the same request may succeed later.
pub(super) fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}
