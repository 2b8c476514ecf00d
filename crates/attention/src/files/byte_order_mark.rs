//! The mark that some editors put before a text in UTF-8, U+FEFF: it says how a file is written,
//! and is no part of what is written there.
//!
//! ```
//! use minference_attention::files::{bytes_without_mark, text_without_mark};
//!
//! assert_eq!(bytes_without_mark(b"\xef\xbb\xbf{}"), b"{}");
//! assert_eq!(text_without_mark("\u{feff}a\u{feff}b".to_owned()), "a\u{feff}b");
//! ```

const MARK: char = '\u{feff}';

/// The bytes of a file without a mark at their beginning.
pub fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// The text of a file without a mark at its beginning.
pub fn text_without_mark(mut text: String) -> String {
    if text.starts_with(MARK) {
        text.drain(..MARK.len_utf8());
    }
    text
}
