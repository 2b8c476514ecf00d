//! Borrowed tensors of shape `[tokens, heads, head_dim]`.
//!
//! A view is a slice with a shape and two strides, so that a fused projection or a part of a
//! preallocated KV cache can be passed as it lies in memory. The elements of one row (one token,
//! one head) are always contiguous.
//!
//! ```
//! use minference_attention::TensorView;
//!
//! // Q, K and V of one head, fused in rows of 3 * 8 elements.
//! let fused = vec![0.5f32; 10 * 24];
//! let keys = TensorView::strided(&fused[8..], [10, 1, 8], [24, 8])?;
//! assert_eq!(keys.shape(), [10, 1, 8]);
//!
//! // The other layout in use, [heads, tokens, head_dim], is a matter of strides too.
//! let head_major = vec![0.5f32; 2 * 10 * 8];
//! let view = TensorView::strided(&head_major, [10, 2, 8], [8, 10 * 8])?;
//!
//! // A view that reaches beyond its data is refused.
//! assert!(TensorView::strided(&fused, [10, 1, 8], [27, 8]).is_err());
//! # Ok::<(), minference_attention::Error>(())
//! ```

mod elements;
mod plain_view;
mod row;
mod tensor_view_mut;

pub use elements::Elements;
pub(crate) use plain_view::PlainView;
pub(crate) use row::Row;
pub use tensor_view_mut::{OutputElement, TensorViewMut};

use crate::element::ElementType;
use crate::error::{Error, Result};
use crate::quantized::QuantizedView;

/// Elements that the shape and strides reach, if that can be computed at all.
fn reach(shape: [usize; 3], strides: [usize; 2]) -> Option<usize> {
    let [tokens, heads, head_dim] = shape;
    if tokens == 0 || heads == 0 || head_dim == 0 {
        return Some(0);
    }
    let last_token = (tokens - 1).checked_mul(strides[0])?;
    let last_head = (heads - 1).checked_mul(strides[1])?;
    last_token.checked_add(last_head)?.checked_add(head_dim)
}

fn check_reach(shape: [usize; 3], strides: [usize; 2], available: usize) -> Result<()> {
    match reach(shape, strides) {
        Some(needed) if needed <= available => Ok(()),
        needed => Err(Error::OutOfBounds { shape, strides, needed: needed.unwrap_or(usize::MAX), available }),
    }
}

/// A tensor to read, `[tokens, heads, head_dim]`: elements, or the codes of a
/// [`QuantizedTensor`](crate::quantized::QuantizedTensor).
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    storage: ViewStorage<'a>,
}

#[derive(Debug, Clone, Copy)]
enum ViewStorage<'a> {
    Plain(PlainView<'a>),
    Quantized(QuantizedView<'a>),
}

impl<'a> From<QuantizedView<'a>> for TensorView<'a> {
    fn from(view: QuantizedView<'a>) -> Self {
        Self { storage: ViewStorage::Quantized(view) }
    }
}

impl<'a> TensorView<'a> {
    /// A contiguous tensor.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] where the data is too short.
    pub fn new<T>(data: &'a [T], shape: [usize; 3]) -> Result<Self>
    where
        &'a [T]: Into<Elements<'a>>,
    {
        Self::strided(data, shape, [shape[1].saturating_mul(shape[2]), shape[2]])
    }

    /// A tensor with `strides` elements from one token to the next and from one head to the next.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] where the view reaches beyond the data.
    pub fn strided<T>(data: &'a [T], shape: [usize; 3], strides: [usize; 2]) -> Result<Self>
    where
        &'a [T]: Into<Elements<'a>>,
    {
        let data = data.into();
        check_reach(shape, strides, data.len())?;
        Ok(Self { storage: ViewStorage::Plain(PlainView { data, shape, strides }) })
    }

    /// `[tokens, heads, head_dim]`
    pub fn shape(&self) -> [usize; 3] {
        match &self.storage {
            ViewStorage::Plain(view) => view.shape,
            ViewStorage::Quantized(view) => view.shape(),
        }
    }
    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.shape()[0]
    }
    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.shape()[1]
    }
    /// Elements of a row.
    pub fn head_dim(&self) -> usize {
        self.shape()[2]
    }
    /// Type of the elements; of codes the type that they stand for, `f16`.
    pub fn element_type(&self) -> ElementType {
        match &self.storage {
            ViewStorage::Plain(view) => view.data.element_type(),
            ViewStorage::Quantized(_) => ElementType::F16,
        }
    }

    /// One row as it is stored.
    ///
    /// # Panics
    /// If the token or the head is out of range.
    #[inline(always)]
    pub(crate) fn row(&self, token: usize, head: usize) -> Row<'a> {
        match &self.storage {
            ViewStorage::Plain(view) => Row::Plain(view.row(token, head)),
            ViewStorage::Quantized(view) => view.row(token, head),
        }
    }

    /// One row as `f32`, into `out` of head_dim elements.
    ///
    /// # Panics
    /// If the token or the head is out of range, or `out` has another length.
    pub fn read_row(&self, token: usize, head: usize, out: &mut [f32]) {
        self.row(token, head).read(out);
    }

    /// Its elements, where it has such and no codes.
    pub(crate) fn plain(&self) -> Option<PlainView<'a>> {
        match &self.storage {
            ViewStorage::Plain(view) => Some(*view),
            ViewStorage::Quantized(_) => None,
        }
    }

    /// The same tensor, its tokens from `start` to the end (a chunk of a prompt, for example).
    ///
    /// # Errors
    /// [`Error::Shape`] where there are fewer tokens.
    pub fn tokens_from(&self, start: usize) -> Result<Self> {
        self.token_range(start, self.tokens())
    }

    /// The same tensor, its tokens `start..end` (the filled part of a cache, for example).
    ///
    /// # Errors
    /// [`Error::Shape`] where there are fewer tokens.
    pub fn token_range(&self, start: usize, end: usize) -> Result<Self> {
        if start > end || end > self.tokens() {
            return Err(Error::Shape {
                what: "token range",
                expected: format!("a range within 0..{}", self.tokens()),
                found: format!("{start}..{end}"),
            });
        }
        let storage = match self.storage {
            ViewStorage::Plain(view) => ViewStorage::Plain(view.token_range(start, end)),
            ViewStorage::Quantized(view) => ViewStorage::Quantized(view.token_range(start, end)),
        };
        Ok(Self { storage })
    }
}
