//! [`TokenRows`]: rows of heads, `[tokens, heads, head_dim]`, as attention reads them: queries,
//! keys and values.
//!
//! Address space for the whole capacity is reserved at once, so that rows are never copied; memory
//! is taken as they come in.

mod plain;

pub(crate) use plain::PlainRows;

use crate::error::Result;
use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor, RECENT_TOKENS, TOKENS_PER_GROUP};
use minference_attention::{ElementType, TensorView};

/// How rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// As elements.
    Plain(ElementType),
    /// As codes that share scales.
    Quantized(CodeBits, Grouping),
}

impl From<ElementType> for RowFormat {
    fn from(element_type: ElementType) -> Self {
        Self::Plain(element_type)
    }
}

impl RowFormat {
    /// Bytes of a token of `[heads, head_dim]`.
    pub(crate) fn bytes_per_token(self, [heads, head_dim]: [usize; 2]) -> usize {
        match self {
            Self::Plain(element_type) => heads * head_dim * element_type.bytes(),
            Self::Quantized(bits, grouping) => {
                QuantizedTensor::bytes_per_token([heads, head_dim], bits, grouping)
            }
        }
    }

    /// Bytes of so many tokens, at most: of those quantised by channel, the last are stored as they
    /// came.
    pub(crate) fn bytes(self, tokens: usize, shape: [usize; 2]) -> usize {
        let bytes = tokens.saturating_mul(self.bytes_per_token(shape));
        match self {
            Self::Quantized(_, Grouping::PerChannel) => {
                let recent = tokens.min(RECENT_TOKENS + TOKENS_PER_GROUP - 1);
                let plain = shape[0] * shape[1] * ElementType::F16.bytes();
                bytes.saturating_add(recent * plain.saturating_sub(self.bytes_per_token(shape)))
            }
            Self::Plain(_) | Self::Quantized(_, Grouping::PerToken) => bytes,
        }
    }
}

/// Rows of one format, appended within a reserved capacity.
#[derive(Debug)]
pub(crate) struct TokenRows {
    data: RowData,
    heads: usize,
    head_dim: usize,
    format: RowFormat,
}

#[derive(Debug)]
enum RowData {
    Plain(PlainRows),
    Quantized(QuantizedTensor),
}

impl TokenRows {
    /// No rows, and room for `capacity` tokens.
    pub(crate) fn with_capacity(
        what: &'static str,
        capacity: usize,
        [heads, head_dim]: [usize; 2],
        format: impl Into<RowFormat>,
    ) -> Result<Self> {
        let (shape, format) = ([heads, head_dim], format.into());
        let data = match format {
            RowFormat::Plain(element_type) => {
                RowData::Plain(PlainRows::with_capacity(what, capacity, shape, element_type)?)
            }
            RowFormat::Quantized(bits, grouping) => {
                RowData::Quantized(QuantizedTensor::with_capacity(what, capacity, shape, bits, grouping)?)
            }
        };
        Ok(Self { data, heads, head_dim, format })
    }

    /// No rows of the same kind, and room for `capacity` tokens.
    pub(crate) fn empty_copy(&self, capacity: usize) -> Result<Self> {
        Self::with_capacity("the key-value cache", capacity, [self.heads, self.head_dim], self.format)
    }

    /// The first `tokens` tokens, or all, and room for `capacity`, at least as many. Of quantised
    /// keys see [`QuantizedTensor::truncate`].
    pub(crate) fn copy(&self, capacity: usize, tokens: usize) -> Result<Self> {
        let what = "the key-value cache";
        let data = match &self.data {
            RowData::Plain(rows) => RowData::Plain(rows.copy(what, capacity, tokens)?),
            RowData::Quantized(rows) => RowData::Quantized(rows.copy(what, capacity, tokens)?),
        };
        Ok(Self { data, ..*self })
    }

    /// Bytes of its rows.
    pub(crate) fn bytes(&self) -> usize {
        match &self.data {
            RowData::Plain(rows) => rows.bytes(),
            RowData::Quantized(rows) => rows.bytes(),
        }
    }

    /// Bytes that so many tokens would take, at most.
    pub(crate) fn bytes_of(&self, tokens: usize) -> usize {
        self.format.bytes(tokens, [self.heads, self.head_dim])
    }

    /// Tokens in it.
    pub(crate) fn tokens(&self) -> usize {
        match &self.data {
            RowData::Plain(rows) => rows.tokens(),
            RowData::Quantized(rows) => rows.tokens(),
        }
    }

    /// Appends `[tokens, heads, head_dim]`, rounded to the format.
    pub(crate) fn append(&mut self, rows: &[f32]) {
        match &mut self.data {
            RowData::Plain(data) => data.append(rows),
            RowData::Quantized(data) => data.append(rows),
        }
    }

    /// Forgets all tokens from `tokens` on. Of quantised keys see [`QuantizedTensor::truncate`].
    pub(crate) fn truncate(&mut self, tokens: usize) {
        match &mut self.data {
            RowData::Plain(rows) => rows.truncate(tokens),
            RowData::Quantized(rows) => rows.truncate(tokens),
        }
    }

    /// All of its rows as they lie in memory, in the byte order of this machine.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        match &self.data {
            RowData::Plain(rows) => rows.parts(),
            RowData::Quantized(rows) => rows.parts(),
        }
    }

    /// Rows of this format from [`parts`](Self::parts), in place of those that are there: the first
    /// `kept` of the `rows` that the parts hold.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for parts that `rows` rows do not have; nothing
    /// changes then.
    pub(crate) fn restore(&mut self, parts: &[&[u8]], rows: usize, kept: usize) -> Result<()> {
        match &mut self.data {
            RowData::Plain(data) => data.restore(parts, rows, kept),
            RowData::Quantized(data) => {
                data.restore(parts, rows)?;
                data.truncate(kept);
                Ok(())
            }
        }
    }

    /// All of its tokens.
    pub(crate) fn view(&self) -> Result<TensorView<'_>> {
        match &self.data {
            RowData::Plain(rows) => rows.view(),
            RowData::Quantized(rows) => Ok(rows.view()),
        }
    }
}

#[cfg(test)]
impl TokenRows {
    /// Some tokens, widened into `out`, `[tokens, heads, head_dim]`.
    pub(crate) fn widen(&self, tokens: std::ops::Range<usize>, out: &mut [f32]) {
        let view = self.view().unwrap();
        for (i, row) in out.chunks_exact_mut(self.head_dim).enumerate() {
            let (token, head) = (tokens.start + i / self.heads, i % self.heads);
            assert!(token < tokens.end);
            view.read_row(token, head, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_attention::synthetic::normal;

    const SHAPE: [usize; 2] = [2, 8];

    fn formats() -> Vec<RowFormat> {
        let codes = [CodeBits::Eight, CodeBits::Four].map(|bits| {
            [Grouping::PerToken, Grouping::PerChannel].map(|grouping| RowFormat::Quantized(bits, grouping))
        });
        codes.into_iter().flatten().chain([ElementType::F16.into(), ElementType::F32.into()]).collect()
    }

    #[test]
    fn rows_of_every_format_come_and_go() {
        let values = normal(600 * 16, 1);
        for format in formats() {
            let mut rows = TokenRows::with_capacity("rows", 600, SHAPE, format).unwrap();
            rows.append(&values[..500 * 16]);
            assert_eq!(rows.tokens(), 500);
            let mut wide = vec![0.0; 30 * 16];
            rows.widen(100..130, &mut wide);
            let original = &values[100 * 16..130 * 16];
            assert!(wide.iter().zip(original).all(|(x, y)| (x - y).abs() < 0.3), "{format:?}");
            let mut copy = rows.copy(550, 500).unwrap();
            rows.truncate(120);
            copy.append(&values[500 * 16..550 * 16]);
            assert_eq!((rows.tokens(), copy.tokens()), (120, 550));
            rows.append(&values[120 * 16..]);
            let empty = rows.empty_copy(3).unwrap();
            assert_eq!((rows.tokens(), empty.tokens(), empty.bytes()), (600, 0, 0));
            assert!(rows.bytes() <= rows.bytes_of(600) && rows.bytes_of(600) == format.bytes(600, SHAPE));
        }
    }

    #[test]
    fn codes_take_less() {
        let shape = [2, 64];
        let bytes = |format: RowFormat| format.bytes_per_token(shape);
        assert_eq!(bytes(ElementType::F16.into()), 256);
        assert_eq!(bytes(RowFormat::Quantized(CodeBits::Eight, Grouping::PerChannel)), 132);
        assert_eq!(bytes(RowFormat::Quantized(CodeBits::Four, Grouping::PerToken)), 72);
    }
}
