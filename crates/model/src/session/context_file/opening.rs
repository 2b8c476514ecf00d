//! The beginning of a context file:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the magic number |
//! | 4 | the version |
//! | 4 | the length of the header, with the zeros that end it at a multiple of 64 bytes of the file |
//! | 8 | the checksum of all bytes before, and of the header |
//! | | the header: JSON |
//!
//! Numbers are little-endian here; behind the header they are as the header says.

use super::checksum::Checksum;
use super::header::{ByteOrder, Header};
use super::sections::{ALIGNMENT, Sections};
use crate::error::{Error, Result};
use crate::files::regular_file::SIDE_FILE_BYTES;
use std::path::Path;

/// What every context file begins with.
pub(super) const MAGIC: &[u8; 8] = b"minf-ctx";

/// Changes with whatever an older program would not understand.
pub(super) const VERSION: u32 = 2;

/// Bytes before the header, and those of them that the checksum covers.
const PREFIX: usize = 24;
const COVERED: usize = 16;

/// What every damaged file leaves to do.
pub(super) const READ_AGAIN: &str = "read the prompt again, and save it again";

/// The beginning of a file.
///
/// # Errors
/// A header that is longer than any program would read.
pub(super) fn write(path: &Path, header: &Header) -> Result<Vec<u8>> {
    let mut bytes = vec![0; PREFIX];
    serde_json::to_writer(&mut bytes, header)
        .map_err(|error| Error::Io { path: path.into(), source: error.into() })?;
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let length = bytes.len() - PREFIX;
    if length as u64 > SIDE_FILE_BYTES {
        let expected = format!("at most {SIDE_FILE_BYTES} bytes; save less beside the context");
        return Err(Error::file(path, "header", expected, length));
    }
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&(length as u32).to_le_bytes());
    let checksum = Checksum::of([&bytes[..COVERED], &bytes[PREFIX..]]);
    bytes[COVERED..PREFIX].copy_from_slice(&checksum.0.to_le_bytes());
    Ok(bytes)
}

/// The header of a file's bytes, and where things lie behind it, all of them within the file.
///
/// # Errors
/// [`Error::File`] for everything that is not as [`write`] leaves it.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<(Header, Sections)> {
    let wrong = |place: &str, expected: &str, found: String| Error::file(path, place, expected, found);
    if !bytes.starts_with(MAGIC) {
        let expected = "a context, as --save-context writes it";
        return Err(wrong("file", expected, "something else".into()));
    }
    let cut = |least: usize| {
        let expected = format!("at least {least} bytes");
        wrong("file", &expected, format!("{}: it was cut; {READ_AGAIN}", bytes.len()))
    };
    let prefix = bytes.get(..PREFIX).ok_or_else(|| cut(PREFIX))?;
    let number = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
    if number(8) != VERSION {
        let found = format!("{}, of another version of the program; {READ_AGAIN}", number(8));
        return Err(wrong("version", &VERSION.to_string(), found));
    }
    let length = number(12);
    if u64::from(length) > SIDE_FILE_BYTES {
        let expected = format!("at most {SIDE_FILE_BYTES} bytes");
        return Err(wrong("header", &expected, length.to_string()));
    }
    let end = PREFIX + length as usize;
    let json = bytes.get(PREFIX..end).ok_or_else(|| cut(end))?;
    let found = Checksum::of([&prefix[..COVERED], json]);
    if found.0.to_le_bytes() != prefix[COVERED..] {
        let found = format!("{found}: the file was damaged; {READ_AGAIN}");
        let expected = u64::from_le_bytes(std::array::from_fn(|i| prefix[COVERED + i]));
        return Err(wrong("header", &format!("the checksum {}", Checksum(expected)), found));
    }
    let text = &json[..json.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    let header: Header = serde_json::from_slice(text)
        .map_err(|error| wrong("header", "JSON as this version writes it", error.to_string()))?;
    if header.byte_order != ByteOrder::NATIVE {
        let expected = format!("{:?} endian numbers, as this machine has them", ByteOrder::NATIVE);
        return Err(wrong("header, byte_order", &expected, format!("{:?}; {READ_AGAIN}", header.byte_order)));
    }
    if let Some((place, expected, found)) = header.contradiction() {
        return Err(wrong(&place, &expected, found));
    }
    let sections = Sections::of(&header, end)
        .ok_or_else(|| wrong("header", "sizes that fit into memory", "larger ones".into()))?;
    if sections.end > bytes.len() {
        return Err(cut(sections.end));
    }
    if !end.is_multiple_of(ALIGNMENT) || sections.end != bytes.len() {
        let expected = format!("{} bytes", sections.end);
        return Err(wrong("file", &expected, format!("{}; {READ_AGAIN}", bytes.len())));
    }
    Ok((header, sections))
}
