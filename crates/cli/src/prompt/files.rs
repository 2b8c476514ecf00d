//! Texts from files and from standard input.

use anyhow::{Context, Result, anyhow, ensure};
use minference_attention::files::text_without_mark;
use minference_attention::files::{self, FileProblem};
use std::io::{self, Read};
use std::path::Path;

/// The bytes of standard input, up to the size that texts may have.
pub(crate) fn standard_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = files::TEXT_BYTES;
    if io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
        return Err(FileProblem::TooLong { limit, found: None }.into());
    }
    Ok(bytes)
}

/// A file of UTF-8 text, which is not empty.
///
/// - `what`: what people call it
pub(crate) fn read_text(path: &Path, what: &str) -> Result<String> {
    let bytes = files::read(path, files::TEXT_BYTES)
        .with_context(|| format!("can't read the {what} {}", path.display()))?;
    text_of(bytes, &path.display().to_string())
}

pub(crate) fn text_of(bytes: Vec<u8>, source: &str) -> Result<String> {
    let text = String::from_utf8(bytes).map(text_without_mark).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        anyhow!("{source}: expected text in UTF-8, found other bytes at {place}; convert it, for example with iconv")
    })?;
    ensure!(!text.is_empty(), "{source}: expected a text, found nothing");
    Ok(text)
}

/// The text of a file.
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
