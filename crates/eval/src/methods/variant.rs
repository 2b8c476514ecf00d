//! [`Variant`]: a method, the chunks in which it reads a prompt, and what it keeps of the keys and
//! values.
//!
//! | written | what it does |
//! |---|---|
//! | `minference` | reads the prompt as a whole, keeps everything |
//! | `minference+chunk:8K` | reads at most 8,192 tokens at once; patterns are estimated anew in each chunk |
//! | `dense+snapkv:1024` | keeps 1,024 tokens of each layer; without a number 4,096 |
//! | `minference+chunk:8K+pyramidkv` | both |
//!
//! ```
//! use minference_eval::methods::{AttentionMethod, Variant};
//!
//! let variant: Variant = "minference+chunk:8K+snapkv".parse()?;
//! assert_eq!((variant.method, variant.chunk), (AttentionMethod::Minference, Some(8192)));
//! assert_eq!(variant.to_string(), "minference+chunk:8192+snapkv:4096");
//! assert_eq!(variant.whole().to_string(), "minference+snapkv:4096");
//! assert_eq!(Variant::plain(AttentionMethod::Dense), Variant::DENSE);
//! # Ok::<(), minference_eval::Error>(())
//! ```

use super::compression::CompressionNotation;
use super::{AttentionMethod, CompressionKind};
use crate::error::{Error, Result};
use crate::numbers::{count, parse_length};
use minference_model::session::kv_cache::KvCompression;
use std::fmt;
use std::str::FromStr;

/// A way of attending, of reading, and of keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// What queries of the prompt attend to.
    pub method: AttentionMethod,
    /// Tokens that are read at once, at most; all without it.
    pub chunk: Option<usize>,
    /// What stays of the prompt's keys and values; all without it.
    pub compression: Option<KvCompression>,
}

impl Variant {
    /// What all others are held against.
    pub const DENSE: Self = Self::plain(AttentionMethod::Dense);
    /// What shapes without a budget refer to.
    pub const MINFERENCE: Self = Self::plain(AttentionMethod::Minference);

    /// A method that reads a prompt as a whole and keeps everything.
    pub const fn plain(method: AttentionMethod) -> Self {
        Self { method, chunk: None, compression: None }
    }

    /// The same without chunks.
    pub fn whole(self) -> Self {
        Self { chunk: None, ..self }
    }

    /// What it stood for with a prompt, for readers.
    ///
    /// - `pattern`: what its method stood for
    pub(crate) fn describe(&self, mut pattern: String) -> String {
        if let Some(chunk) = self.chunk {
            pattern += &format!(", in chunks of {} tokens at most", count(chunk));
        }
        if let Some(compression) = &self.compression {
            pattern += &format!(", {compression}");
        }
        pattern
    }

    /// Refuses what can't be run, or not be written.
    pub(super) fn check(&self) -> Result<()> {
        if self.chunk == Some(0) {
            return Err(Error::choice("chunk", "at least 1 token", 0));
        }
        if self.method == AttentionMethod::Static && *self != Self::plain(AttentionMethod::Static) {
            let expected =
                "no chunks and no compression: its index says which keys of a whole prompt are attended to";
            return Err(Error::choice("static", expected, self));
        }
        match self.compression.map(CompressionNotation) {
            Some(notation) if !notation.is_complete() => {
                let expected = format!("the defaults of {notation}, by which results name it");
                Err(Error::choice("compression", expected, notation.0))
            }
            _ => Ok(()),
        }
    }
}

impl From<AttentionMethod> for Variant {
    fn from(method: AttentionMethod) -> Self {
        Self::plain(method)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.method.fmt(f)?;
        if let Some(chunk) = self.chunk {
            write!(f, "+chunk:{chunk}")?;
        }
        match self.compression {
            Some(compression) => write!(f, "+{}", CompressionNotation(compression)),
            None => Ok(()),
        }
    }
}

impl FromStr for Variant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('+');
        let mut variant = Self::plain(parts.next().unwrap_or_default().parse()?);
        for part in parts.map(str::trim) {
            let number = part.strip_prefix("chunk:").map(parse_length);
            if number.is_none() && !CompressionKind::ALL.iter().any(|kind| part.starts_with(kind.name())) {
                let kinds = CompressionKind::ALL.map(CompressionKind::name).join(", +");
                let expected = format!("+chunk with a number of tokens, such as +chunk:8K, +{kinds}");
                return Err(Error::choice(
                    format!("method {text:?}"),
                    expected,
                    format!("{:?}", format!("+{part}")),
                ));
            }
            let is_second = match number {
                Some(Some(tokens)) => variant.chunk.replace(tokens).is_some(),
                Some(None) => {
                    let expected = "a number of tokens such as 2048 or 8K";
                    return Err(Error::choice(format!("chunk of {text:?}"), expected, format!("{part:?}")));
                }
                None => {
                    let CompressionNotation(compression) = part.parse()?;
                    variant.compression.replace(compression).is_some()
                }
            };
            if is_second {
                let expected = "at most one chunk and one compression";
                return Err(Error::choice(format!("method {text:?}"), expected, format!("also {part}")));
            }
        }
        variant.check()?;
        Ok(variant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_written_in_one_way_and_read_in_several() {
        for (text, expected) in [
            ("dense", "dense"),
            (" a-shape:1024,4096+chunk:8K", "a-shape:1024,4096+chunk:8192"),
            ("dense+streaming-llm", "dense+streaming-llm:4096"),
            ("minference + snapkv:1K + chunk:2K", "minference+chunk:2048+snapkv:1024"),
        ] {
            let variant: Variant = text.parse().unwrap();
            assert_eq!(variant.to_string(), expected);
            assert_eq!(expected.parse::<Variant>().unwrap(), variant);
        }
        let described = "dense+chunk:8K+snapkv".parse::<Variant>().unwrap().describe("every key".into());
        let expected =
            "every key, in chunks of 8,192 tokens at most, SnapKV (4096 tokens a layer, 32 queries vote)";
        assert_eq!(described, expected);
    }

    #[test]
    fn what_can_not_be_run_is_refused() {
        let refused = |text: &str, part: &str| {
            let error = text.parse::<Variant>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("sparse+chunk:8K", "\"sparse\"");
        refused("dense+chunk", "+chunk:8K, +streaming-llm, +snapkv, +pyramidkv");
        refused("dense+chunk:", "2048 or 8K");
        refused("dense+chunk:0", "2048 or 8K");
        refused("dense+h2o:1024", "+pyramidkv, found \"+h2o:1024\"");
        refused("dense+snapkv:16", "more than the 32 last tokens");
        refused("dense+snapkv+pyramidkv", "at most one chunk and one compression, found also pyramidkv");
        refused("dense+chunk:1K+chunk:2K", "also chunk:2K");
        refused("static+chunk:1K", "keys of a whole prompt");
        refused("static+snapkv", "static: expected no chunks");
        assert!(Variant { chunk: Some(0), ..Variant::DENSE }.check().is_err());
    }
}
