//! [`CompressionNotation`]: compression of keys and values, as lists of methods write it:
//! `snapkv:1024`.

use crate::error::{Error, Result};
use crate::numbers::parse_length;
use minference_model::session::kv_cache::{KvCompression, PyramidKv, SnapKv, StreamingLlm};
use std::fmt;
use std::str::FromStr;

/// Ways of compressing, without their budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum CompressionKind {
    /// The first tokens and the last.
    StreamingLlm,
    /// What the prompt's last queries attend to, head by head.
    #[cfg_attr(feature = "clap", value(name = "snapkv"))]
    SnapKv,
    /// The same, with more room in the first layers and less in the last.
    #[cfg_attr(feature = "clap", value(name = "pyramidkv"))]
    PyramidKv,
}

impl CompressionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StreamingLlm, Self::SnapKv, Self::PyramidKv];
    /// Tokens of a layer that are kept unless a budget is given.
    pub const CAPACITY: usize = SnapKv::CAPACITY;

    /// As commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StreamingLlm => "streaming-llm",
            Self::SnapKv => "snapkv",
            Self::PyramidKv => "pyramidkv",
        }
    }

    /// With room for `capacity` tokens of a layer (of PyramidKV on average), and defaults for all
    /// else.
    ///
    /// # Errors
    /// A capacity without room beyond the tokens that are always kept.
    pub fn with_capacity(self, capacity: usize) -> Result<KvCompression> {
        Ok(match self {
            Self::StreamingLlm => {
                KvCompression::StreamingLlm(StreamingLlm::with_capacity(capacity, StreamingLlm::SINK)?)
            }
            Self::SnapKv => KvCompression::SnapKv(SnapKv::with_capacity(capacity)?),
            Self::PyramidKv => KvCompression::PyramidKv(PyramidKv::new(SnapKv::with_capacity(capacity)?)),
        })
    }

    /// Which one it is, and its capacity.
    fn of(compression: &KvCompression) -> (Self, usize) {
        match compression {
            KvCompression::StreamingLlm(streaming) => {
                (Self::StreamingLlm, streaming.sink() + streaming.recent())
            }
            KvCompression::SnapKv(snap) => (Self::SnapKv, snap.capacity()),
            KvCompression::PyramidKv(pyramid) => (Self::PyramidKv, pyramid.votes().capacity()),
        }
    }
}

impl FromStr for CompressionKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text.trim());
        let known = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| Error::choice("compression", format!("one of {known}"), format!("{text:?}")))
    }
}

/// Compression by its kind and its capacity: `snapkv:1024`. Reading it, the capacity may be left
/// out, and written as a length: `snapkv:1K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompressionNotation(pub KvCompression);

impl CompressionNotation {
    /// Whether the notation says all: what differs from its kind's defaults by more than the
    /// capacity has none.
    pub(super) fn is_complete(&self) -> bool {
        let (kind, capacity) = CompressionKind::of(&self.0);
        kind.with_capacity(capacity).is_ok_and(|same| same == self.0)
    }
}

impl fmt::Display for CompressionNotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, capacity) = CompressionKind::of(&self.0);
        write!(f, "{}:{capacity}", kind.name())
    }
}

impl FromStr for CompressionNotation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, capacity) = match text.split_once(':') {
            Some((name, capacity)) => (name, Some(capacity)),
            None => (text, None),
        };
        let kind: CompressionKind = name.parse()?;
        let capacity = match capacity {
            None => CompressionKind::CAPACITY,
            Some(number) => parse_length(number).ok_or_else(|| {
                let what = format!("capacity of {}", kind.name());
                Error::choice(what, "a number of tokens such as 1024 or 4K", format!("{number:?}"))
            })?,
        };
        Ok(Self(kind.with_capacity(capacity)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_model::session::kv_cache::Pooling;

    #[test]
    fn budgets_are_written_always_and_read_where_they_are() {
        for (text, expected) in [
            ("snapkv", "snapkv:4096"),
            ("pyramidkv:1K", "pyramidkv:1024"),
            ("streaming-llm", "streaming-llm:4096"),
            ("streaming-llm:100", "streaming-llm:100"),
        ] {
            let read: CompressionNotation = text.parse().unwrap();
            assert_eq!(read.to_string(), expected);
            assert_eq!(expected.parse::<CompressionNotation>().unwrap(), read);
            assert!(read.is_complete());
        }
        let other = SnapKv::new(100, 16, 5, Pooling::Average).unwrap();
        assert!(!CompressionNotation(KvCompression::SnapKv(other)).is_complete());
    }

    #[test]
    fn what_is_none_is_refused_with_what_there_is() {
        let refused = |text: &str, part: &str| {
            let error = text.parse::<CompressionNotation>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("h2o", "one of streaming-llm, snapkv, pyramidkv, found \"h2o\"");
        refused("streamingllm:4", "streaming-llm");
        refused("snapkv:", "a number of tokens such as 1024");
        refused("snapkv:0", "found \"0\"");
        refused("snapkv:16", "more than the 32 last tokens");
        refused("streaming-llm:4", "more than the 4 first tokens");
    }
}
