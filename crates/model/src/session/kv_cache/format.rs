//! [`CacheFormat`]: how keys and values are stored.
//!
//! | name | a key or value of 64 elements | what else is in it |
//! |---|---|---|
//! | `f32` | 256 bytes | queries and attention's output in `f32`, too |
//! | `f16`, `bf16` | 128 bytes | queries and attention's output in the same type |
//! | `int8` | 66 and 68 bytes | codes with their scales; queries and output in `f16` |
//! | `int4` | 34 and 36 bytes | the same |
//!
//! Codes are those of [`minference_attention::quantized`]: a key's channels have scales for 128
//! tokens, a value has one of its own (KIVI, arXiv 2402.02750), and the last keys stay in `f16`.
//! Both prefill and decoding read them as they are stored.
//!
//! ```
//! use minference_model::session::kv_cache::CacheFormat;
//!
//! let format: CacheFormat = "int8".parse()?;
//! assert_eq!(format, CacheFormat::Int8);
//! assert!("int2".parse::<CacheFormat>().is_err());
//! # Ok::<(), minference_model::Error>(())
//! ```

use crate::error::{Error, Result};
use crate::session::token_rows::RowFormat;
use minference_attention::ElementType;
use minference_attention::quantized::{CodeBits, Grouping};
use std::fmt;
use std::str::FromStr;

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum CacheFormat {
    /// 32-bit floating point.
    F32,
    /// Half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// 8-bit codes: half the memory of f16.
    Int8,
    /// 4-bit codes: a quarter of it, less exact.
    Int4,
}

impl CacheFormat {
    /// All there are, the most exact first.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Int8, Self::Int4];

    /// Type of queries and of attention's output beside such a cache.
    pub fn element_type(self) -> ElementType {
        match self {
            Self::F32 => ElementType::F32,
            Self::Bf16 => ElementType::Bf16,
            Self::F16 | Self::Int8 | Self::Int4 => ElementType::F16,
        }
    }

    /// Bits of its codes, where it holds no elements.
    pub fn code_bits(self) -> Option<CodeBits> {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => None,
            Self::Int8 => Some(CodeBits::Eight),
            Self::Int4 => Some(CodeBits::Four),
        }
    }

    /// Bytes that a token's key and value take in one layer, of `[kv_heads, head_dim]`.
    pub fn bytes_per_row(self, shape: [usize; 2]) -> usize {
        self.keys().bytes_per_token(shape) + self.values().bytes_per_token(shape)
    }

    /// Bytes that keys and values of so many tokens take in one layer, at most: of the last ones,
    /// keys are not coded yet.
    pub fn bytes(self, tokens: usize, shape: [usize; 2]) -> usize {
        self.keys().bytes(tokens, shape).saturating_add(self.values().bytes(tokens, shape))
    }

    pub(super) fn keys(self) -> RowFormat {
        self.rows(Grouping::PerChannel)
    }

    pub(super) fn values(self) -> RowFormat {
        self.rows(Grouping::PerToken)
    }

    fn rows(self, grouping: Grouping) -> RowFormat {
        match self.code_bits() {
            Some(bits) => RowFormat::Quantized(bits, grouping),
            None => RowFormat::Plain(self.element_type()),
        }
    }
}

impl From<ElementType> for CacheFormat {
    fn from(element_type: ElementType) -> Self {
        match element_type {
            ElementType::F32 => Self::F32,
            ElementType::F16 => Self::F16,
            ElementType::Bf16 => Self::Bf16,
        }
    }
}

impl fmt::Display for CacheFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        })
    }
}

impl FromStr for CacheFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|format| format.to_string() == text.trim());
        named.ok_or_else(|| {
            let names = Self::ALL.map(|format| format.to_string()).join(", ");
            Error::shape("format of the key-value cache", format!("one of {names}"), text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for format in CacheFormat::ALL {
            assert_eq!(format.to_string().parse::<CacheFormat>().unwrap(), format);
        }
        let error = "f8".parse::<CacheFormat>().unwrap_err().to_string();
        assert!(error.contains("f32, f16, bf16, int8, int4") && error.contains("found f8"), "{error}");
    }

    #[test]
    fn formats_differ_in_size() {
        let bytes = CacheFormat::ALL.map(|format| format.bytes_per_row([2, 64]));
        assert_eq!(bytes, [1024, 512, 512, 132 + 136, 68 + 72]);
    }
}
