//! [`Pieces`]: what each token prints, ready to be copied.

use super::byte_level;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Text.
    Text,
    /// Text that is found in a prompt before words are cut (`<tool_call>`).
    Added,
    /// A mark for the model that is not printed (`<|im_end|>`).
    Special,
    /// An id that no text leads to.
    Unused,
}

/// How a vocabulary writes what its tokens print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceStyle {
    /// Each byte as a character of GPT-2's alphabet.
    ByteLevel,
    /// As it is, with U+2581 for a space, and `<0x0A>` for bytes outside the vocabulary
    /// (SentencePiece).
    ByteFallback {
        /// Text begins with a space that is not printed.
        strips_first_space: bool,
    },
}

/// The bytes that tokens print, end to end, and their kinds.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
    style: PieceStyle,
}

impl Pieces {
    /// Of tokens in the order of their ids.
    pub(super) fn new<'a>(tokens: impl IntoIterator<Item = (&'a str, TokenKind)>, style: PieceStyle) -> Self {
        let mut pieces = Self { bytes: Vec::new(), ends: Vec::new(), kinds: Vec::new(), style };
        for (text, kind) in tokens {
            match (kind, style) {
                (TokenKind::Text, PieceStyle::ByteLevel) => {
                    pieces.bytes.extend(byte_level::bytes_of(text));
                }
                (_, PieceStyle::ByteLevel) => pieces.bytes.extend(text.as_bytes()),
                (_, PieceStyle::ByteFallback { .. }) => match fallback_byte(text) {
                    Some(byte) => pieces.bytes.push(byte),
                    None => pieces.bytes.extend(text.replace('\u{2581}', " ").into_bytes()),
                },
            }
            pieces.ends.push(pieces.bytes.len());
            pieces.kinds.push(kind);
        }
        pieces
    }

    /// Number of ids.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What an id prints, and its kind.
    pub(super) fn get(&self, id: u32) -> Option<(&[u8], TokenKind)> {
        let index = usize::try_from(id).ok()?;
        let (&end, &kind) = (self.ends.get(index)?, self.kinds.get(index)?);
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some((&self.bytes[start..end], kind))
    }

    /// Whether text begins with a space that is not printed.
    pub(super) fn strips_first_space(&self) -> bool {
        self.style == PieceStyle::ByteFallback { strips_first_space: true }
    }
}

/// The byte that a token such as `<0x0A>` stands for.
pub(super) fn fallback_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_byte = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_byte { u8::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fallback_bytes_are_exactly_two_digits() {
        assert_eq!(fallback_byte("<0x0A>"), Some(10));
        for text in ["<0x+A>", "<0xA>", "<0x0A", "0x0A>", "<0x0AB>", "<0xé>"] {
            assert_eq!(fallback_byte(text), None, "{text}");
        }
    }
}
