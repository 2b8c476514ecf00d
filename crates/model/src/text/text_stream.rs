//! [`TextStream`]: an answer's text, as its tokens come.
//!
//! A token need not be text: a character's bytes may lie in several tokens, and a stop string may
//! begin in one token and end in another. The stream gives out only what is certain: whole
//! characters, and nothing that could still become a stop string. Each token costs what it adds,
//! however long the answer is.
//!
//! All pieces together are what [`Tokenizer::decode`] gives for all tokens, up to a stop string or
//! an end token.

use crate::error::{Error, Result};
use crate::text::tokenizer::Tokenizer;

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// The model wrote one of [`Tokenizer::end_tokens`].
    Token(u32),
    /// The text reached a stop string, which is not given out.
    StopString(String),
}

/// What one token adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamPiece {
    /// Text to print now; often empty.
    pub text: String,
    /// Set when the answer is over; tokens after that add nothing.
    pub end: Option<StreamEnd>,
}

/// Turns tokens into text, one after the other.
#[derive(Debug, Clone)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    stops: Vec<String>,
    /// Bytes of a character that is not whole yet: at most three.
    bytes: Vec<u8>,
    /// Text that could be the beginning of a stop string.
    held: String,
    /// The next space is the first of the answer, and not printed.
    strips_space: bool,
    end: Option<StreamEnd>,
}

impl<'a> TextStream<'a> {
    /// An answer that ends at the tokenizer's end tokens and at the first of these strings to be
    /// complete.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty stop string.
    pub fn new(tokenizer: &'a Tokenizer, stops: &[String]) -> Result<Self> {
        if stops.iter().any(String::is_empty) {
            return Err(Error::config("stop string", "text", "an empty string"));
        }
        Ok(Self {
            tokenizer,
            stops: stops.to_vec(),
            bytes: Vec::new(),
            held: String::new(),
            strips_space: tokenizer.strips_first_space(),
            end: None,
        })
    }

    /// Adds a token.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id beyond the vocabulary.
    pub fn push(&mut self, token: u32) -> Result<StreamPiece> {
        let mut printed = self.tokenizer.printed(token)?;
        if self.end.is_some() {
            return Ok(StreamPiece { text: String::new(), end: self.end.clone() });
        }
        if self.tokenizer.end_tokens().binary_search(&token).is_ok() {
            let text = self.rest();
            // A stop string that the last bytes completed came first.
            self.end.get_or_insert(StreamEnd::Token(token));
            return Ok(StreamPiece { text, end: self.end.clone() });
        }
        if self.strips_space && !printed.is_empty() {
            printed = printed.strip_prefix(b" ").unwrap_or(printed);
            self.strips_space = false;
        }
        self.bytes.extend_from_slice(printed);
        let kept = take_characters(&mut self.bytes, &mut self.held, Remainder::Kept);
        Ok(StreamPiece { text: self.certain(kept), end: self.end.clone() })
    }

    /// The rest of the text when no more tokens come: what was held back, with U+FFFD for a
    /// character that was never completed.
    pub fn finish(mut self) -> StreamPiece {
        if self.end.is_some() {
            return StreamPiece { text: String::new(), end: self.end };
        }
        let text = self.rest();
        StreamPiece { text, end: self.end }
    }

    fn rest(&mut self) -> String {
        let kept = take_characters(&mut self.bytes, &mut self.held, Remainder::Replaced);
        let mut text = self.certain(kept);
        text.push_str(&self.held);
        self.held.clear();
        text
    }

    /// Takes what can't be part of a stop string any more from the held text, whose first `kept`
    /// bytes were held before.
    fn certain(&mut self, kept: usize) -> String {
        if let Some((start, stop)) = self.first_stop(kept) {
            self.end = Some(StreamEnd::StopString(stop));
            let mut text = std::mem::take(&mut self.held);
            text.truncate(start);
            return text;
        }
        let held = self.stops.iter().map(|stop| longest_beginning(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - held);
        std::mem::replace(&mut self.held, rest)
    }

    /// The stop string that is complete first, and where it starts; the longest of those that are
    /// complete at once.
    fn first_stop(&self, kept: usize) -> Option<(usize, String)> {
        let found = |stop: &String| {
            // Text held before holds no whole stop string.
            let from = floor_boundary(&self.held, (kept + 1).saturating_sub(stop.len()));
            let start = from + self.held[from..].find(stop.as_str())?;
            Some((start + stop.len(), start, stop.clone()))
        };
        self.stops.iter().filter_map(found).min().map(|(_, start, stop)| (start, stop))
    }
}

/// What becomes of a character that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remainder {
    Kept,
    Replaced,
}

/// Moves whole characters from bytes to text, with U+FFFD for what is none, and says how long the
/// text was.
fn take_characters(bytes: &mut Vec<u8>, text: &mut String, remainder: Remainder) -> usize {
    let before = text.len();
    let mut start = 0;
    while start < bytes.len() {
        match std::str::from_utf8(&bytes[start..]) {
            Ok(valid) => {
                text.push_str(valid);
                start = bytes.len();
            }
            Err(error) => {
                let valid = start + error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[start..valid]));
                start = valid;
                match (error.error_len(), remainder) {
                    (Some(wrong), _) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        start += wrong;
                    }
                    (None, Remainder::Replaced) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        start = bytes.len();
                    }
                    (None, Remainder::Kept) => break,
                }
            }
        }
    }
    bytes.drain(..start);
    before
}

/// Bytes of the longest end of `text` that a longer `stop` begins with.
fn longest_beginning(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    (1..=longest).rev().find(|&length| text.as_bytes().ends_with(&stop.as_bytes()[..length])).unwrap_or(0)
}

/// The character boundary at or before an index.
fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
