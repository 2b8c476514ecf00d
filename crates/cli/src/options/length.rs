//! Lengths as people write them.

use anyhow::{Result, anyhow};
use minference_eval::numbers::parse_length;
use std::str::FromStr;

/// A number of tokens: `8000`, or `31K` for 31 times 1024, or `1M` for 1024 times 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) usize);

impl FromStr for Length {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let tokens = parse_length(text);
        tokens.map(Self).ok_or_else(|| {
            anyhow!("expected a number of tokens such as 8000, 16K or 1M, found {:?}", text.trim())
        })
    }
}

/// In ascending order, each once.
pub(crate) fn sorted_lengths(lengths: &[Length]) -> Vec<usize> {
    let mut tokens: Vec<usize> = lengths.iter().map(|length| length.0).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_those_of_computers() {
        for (text, expected) in [("8000", 8000), ("4K", 4096), ("31k", 31_744), (" 1M ", 1_048_576)] {
            assert_eq!(text.parse::<Length>().unwrap().0, expected);
        }
        for text in ["", "K", "0", "-3", "4.5K", "9999999999999999M", "4G", "ünk"] {
            let error = text.parse::<Length>().unwrap_err().to_string();
            assert!(error.contains("16K"), "{error}");
        }
        assert_eq!(sorted_lengths(&[Length(9), Length(3), Length(9)]), [3, 9]);
    }
}
