//! The alphabet of byte-level vocabularies: each byte is written as one printable character
//! (GPT-2's `bytes_to_unicode`).

/// The byte that a character stands for: itself if it is printable in Latin-1, else one of those
/// counted from U+0100 on.
pub(super) fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The bytes that a token prints; the text itself if it is not written in the alphabet.
pub(super) fn bytes_of(token: &str) -> Vec<u8> {
    token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    #[test]
    fn every_byte_has_one_character() {
        let mut bytes: Vec<u8> = ByteLevel::alphabet().into_iter().map(|c| byte_of(c).unwrap()).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        let characters = (0..0x11_0000).filter_map(char::from_u32).filter(|&c| byte_of(c).is_some()).count();
        assert_eq!(characters, 256);
        assert_eq!(bytes_of("Ġthe"), b" the");
        assert_eq!(bytes_of("ä½ł"), "你".as_bytes());
        assert_eq!(bytes_of("<｜end｜>"), "<｜end｜>".as_bytes());
    }
}
