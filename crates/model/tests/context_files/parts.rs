//! [`ContextFileParts`]: a context file taken apart, to be put together again with something else
//! in it and a header whose checksum is right.

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

/// Bytes before the header.
pub(crate) const PREFIX: usize = 24;

/// A context file.
#[derive(Clone)]
pub(crate) struct ContextFileParts {
    pub(crate) header: Value,
    /// Everything behind the header.
    pub(crate) sections: Vec<u8>,
}

/// Where a file's header ends.
pub(crate) fn header_end(bytes: &[u8]) -> usize {
    PREFIX + u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize
}

impl ContextFileParts {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let end = header_end(bytes);
        let text = std::str::from_utf8(&bytes[PREFIX..end]).unwrap().trim_end_matches('\0');
        Self { header: serde_json::from_str(text).unwrap(), sections: bytes[end..].to_vec() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.with_json(self.header.to_string().as_bytes())
    }

    /// With any text for a header.
    pub(crate) fn with_json(&self, json: &[u8]) -> Vec<u8> {
        let mut bytes = [&b"minf-ctx\x02\0\0\0"[..], &[0; 12], json].concat();
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        let length = (bytes.len() - PREFIX) as u32;
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        seal(&mut bytes);
        [bytes, self.sections.clone()].concat()
    }
}

/// Makes the header's checksum that of what is there.
pub(crate) fn seal(bytes: &mut [u8]) {
    let end = header_end(bytes).min(bytes.len());
    let mut hash = Xxh3::new();
    hash.update(&bytes[..16]);
    hash.update(&bytes[PREFIX..end]);
    bytes[16..PREFIX].copy_from_slice(&hash.digest().to_le_bytes());
}
