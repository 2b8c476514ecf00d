//! [`TextFile`]: a text that someone wants evaluated, with a name for the results.

use anyhow::{Context, Result};
use minference_attention::files;
use minference_attention::files::text_without_mark;
use std::path::Path;

/// A file that was read.
pub(crate) struct TextFile {
    /// Its name without folders.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl TextFile {
    /// Reads UTF-8 text.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = files::read_text(path, files::TEXT_BYTES)
            .with_context(|| format!("can't read the text {}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { name, text: text_without_mark(text) })
    }
}
