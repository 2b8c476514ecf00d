//! How large codes are, what shares a scale, and how many bytes that makes.

use super::TOKENS_PER_GROUP;
use half::f16;

/// Bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeBits {
    /// A byte for each element.
    Eight,
    /// Two elements in a byte: the first half of a row in the low bits, the second half in the high
    /// ones.
    Four,
}

impl CodeBits {
    /// Bytes of a row.
    pub(crate) fn row_bytes(self, head_dim: usize) -> usize {
        match self {
            Self::Eight => head_dim,
            Self::Four => head_dim / 2,
        }
    }

    /// The largest code.
    pub(crate) fn largest_code(self) -> f32 {
        match self {
            Self::Eight => 255.0,
            Self::Four => 15.0,
        }
    }
}

/// Which elements share a minimum and a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// Those of one row, a token and a head: for values.
    PerToken,
    /// Those of one channel, an element of head_dim, in [`TOKENS_PER_GROUP`] tokens: for keys.
    PerChannel,
}

/// The shape of a token's codes, `[heads][row_bytes]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeLayout {
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) bits: CodeBits,
}

impl CodeLayout {
    /// Elements of a token.
    pub(crate) fn token_len(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Bytes of a row's codes.
    pub(crate) fn row_bytes(&self) -> usize {
        self.bits.row_bytes(self.head_dim)
    }

    /// Bytes of a token's codes.
    pub(crate) fn token_bytes(&self) -> usize {
        self.heads * self.row_bytes()
    }

    /// Bytes of a token's codes and its share of minima and scales, rounded up.
    pub(crate) fn stored_bytes(&self, grouping: Grouping) -> usize {
        let range = 2 * size_of::<f16>();
        self.token_bytes()
            + match grouping {
                Grouping::PerToken => self.heads * range,
                Grouping::PerChannel => (self.token_len() * range).div_ceil(TOKENS_PER_GROUP),
            }
    }
}
