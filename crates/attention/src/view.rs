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

use crate::element::ElementType;
use crate::error::{Error, Result};
use crate::quantized::{CodedRow, QuantizedView};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::marker::PhantomData;

/// The elements behind a view.
#[derive(Debug, Clone, Copy)]
pub enum Elements<'a> {
    /// 32-bit floating point.
    F32(&'a [f32]),
    /// Half precision.
    F16(&'a [f16]),
    /// bfloat16.
    Bf16(&'a [bf16]),
}

impl Elements<'_> {
    /// Those from `start` on.
    fn skip(self, start: usize) -> Self {
        match self {
            Self::F32(data) => Self::F32(&data[start..]),
            Self::F16(data) => Self::F16(&data[start..]),
            Self::Bf16(data) => Self::Bf16(&data[start..]),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::F16(data) => data.len(),
            Self::Bf16(data) => data.len(),
        }
    }

    /// Their type.
    pub fn element_type(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::F16(_) => ElementType::F16,
            Self::Bf16(_) => ElementType::Bf16,
        }
    }
}

impl<'a> From<&'a [f32]> for Elements<'a> {
    fn from(data: &'a [f32]) -> Self {
        Self::F32(data)
    }
}
impl<'a> From<&'a [f16]> for Elements<'a> {
    fn from(data: &'a [f16]) -> Self {
        Self::F16(data)
    }
}
impl<'a> From<&'a [bf16]> for Elements<'a> {
    fn from(data: &'a [bf16]) -> Self {
        Self::Bf16(data)
    }
}

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

/// A row as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'a> {
    Plain(Elements<'a>),
    Coded(CodedRow<'a>),
}

impl Row<'_> {
    /// As `f32`, into `out` of head_dim elements.
    pub(crate) fn read(&self, out: &mut [f32]) {
        match self {
            Self::Plain(Elements::F32(row)) => out.copy_from_slice(row),
            Self::Plain(Elements::F16(row)) => row.convert_to_f32_slice(out),
            Self::Plain(Elements::Bf16(row)) => row.convert_to_f32_slice(out),
            Self::Coded(row) => row.read(out),
        }
    }
}

/// A tensor to read, `[tokens, heads, head_dim]`: elements, or the codes of a
/// [`QuantizedTensor`](crate::quantized::QuantizedTensor).
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    storage: Storage<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Storage<'a> {
    Plain(PlainView<'a>),
    Quantized(QuantizedView<'a>),
}

impl<'a> From<QuantizedView<'a>> for TensorView<'a> {
    fn from(view: QuantizedView<'a>) -> Self {
        Self { storage: Storage::Quantized(view) }
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
        Ok(Self { storage: Storage::Plain(PlainView { data, shape, strides }) })
    }

    /// `[tokens, heads, head_dim]`
    pub fn shape(&self) -> [usize; 3] {
        match &self.storage {
            Storage::Plain(view) => view.shape,
            Storage::Quantized(view) => view.shape(),
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
            Storage::Plain(view) => view.data.element_type(),
            Storage::Quantized(_) => ElementType::F16,
        }
    }

    /// One row as it is stored.
    ///
    /// # Panics
    /// If the token or the head is out of range.
    #[inline(always)]
    pub(crate) fn row(&self, token: usize, head: usize) -> Row<'a> {
        match &self.storage {
            Storage::Plain(view) => Row::Plain(view.row(token, head)),
            Storage::Quantized(view) => view.row(token, head),
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
            Storage::Plain(view) => Some(*view),
            Storage::Quantized(_) => None,
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
            Storage::Plain(view) => Storage::Plain(view.token_range(start, end)),
            Storage::Quantized(view) => Storage::Quantized(view.token_range(start, end)),
        };
        Ok(Self { storage })
    }
}

/// Elements with a shape and strides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainView<'a> {
    data: Elements<'a>,
    shape: [usize; 3],
    strides: [usize; 2],
}

impl<'a> PlainView<'a> {
    /// `[tokens, heads, head_dim]`
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn row(&self, token: usize, head: usize) -> Elements<'a> {
        let [tokens, heads, head_dim] = self.shape;
        assert!(token < tokens && head < heads, "row ({token}, {head}) of {:?}", self.shape);
        let start = token * self.strides[0] + head * self.strides[1];
        match self.data {
            Elements::F32(data) => Elements::F32(&data[start..start + head_dim]),
            Elements::F16(data) => Elements::F16(&data[start..start + head_dim]),
            Elements::Bf16(data) => Elements::Bf16(&data[start..start + head_dim]),
        }
    }

    /// The data from the first row of a head on, and the elements from one of its rows to the next.
    pub(crate) fn head_rows(&self, head: usize) -> (Elements<'a>, usize) {
        (self.data.skip(head * self.strides[1]), self.strides[0])
    }

    /// Its tokens `start..end`, which exist.
    fn token_range(self, start: usize, end: usize) -> Self {
        let skipped = start.saturating_mul(self.strides[0]).min(self.data.len());
        let [_, heads, head_dim] = self.shape;
        Self { data: self.data.skip(skipped), shape: [end - start, heads, head_dim], ..self }
    }
}

/// A tensor to write, `[tokens, heads, head_dim]`; kernels write its rows from several threads.
#[derive(Debug)]
pub struct TensorViewMut<'a> {
    data: ElementsMut,
    shape: [usize; 3],
    strides: [usize; 2],
    borrow: PhantomData<&'a mut [f32]>,
}

/// Base pointers of mutable data.
#[derive(Debug, Clone, Copy)]
enum ElementsMut {
    F32(*mut f32),
    F16(*mut f16),
    Bf16(*mut bf16),
}

// SAFETY: the view is an exclusive borrow of its data (`PhantomData<&mut>`), whose elements are
// plain numbers. Shared references to it write only through `write_row`, whose contract rules out
// races.
unsafe impl Send for TensorViewMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for TensorViewMut<'_> {}

/// Element types that a [`TensorViewMut`] can hold.
pub trait OutputElement: sealed::Sealed + Copy {}

mod sealed {
    use super::ElementsMut;
    use half::{bf16, f16};

    #[allow(private_interfaces)]
    pub trait Sealed: Sized {
        fn base(data: &mut [Self]) -> ElementsMut;
    }
    #[allow(private_interfaces)]
    impl Sealed for f32 {
        fn base(data: &mut [Self]) -> ElementsMut {
            ElementsMut::F32(data.as_mut_ptr())
        }
    }
    #[allow(private_interfaces)]
    impl Sealed for f16 {
        fn base(data: &mut [Self]) -> ElementsMut {
            ElementsMut::F16(data.as_mut_ptr())
        }
    }
    #[allow(private_interfaces)]
    impl Sealed for bf16 {
        fn base(data: &mut [Self]) -> ElementsMut {
            ElementsMut::Bf16(data.as_mut_ptr())
        }
    }
}

impl OutputElement for f32 {}
impl OutputElement for f16 {}
impl OutputElement for bf16 {}

impl<'a> TensorViewMut<'a> {
    /// A contiguous tensor.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] where the data is too short.
    pub fn new<T: OutputElement>(data: &'a mut [T], shape: [usize; 3]) -> Result<Self> {
        Self::strided(data, shape, [shape[1].saturating_mul(shape[2]), shape[2]])
    }

    /// A tensor with `strides` elements from one token to the next and from one head to the next.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] where the view reaches beyond the data, [`Error::OverlappingOutput`]
    /// where two rows share elements.
    pub fn strided<T: OutputElement>(
        data: &'a mut [T],
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        check_reach(shape, strides, data.len())?;
        let [tokens, heads, head_dim] = shape;
        // Rows are disjoint if the heads of a token lie apart and the tokens lie apart around them,
        // or the other way round.
        let apart = |inner: usize, inner_count: usize, outer: usize, outer_count: usize| {
            let inner_extent = (inner_count.max(1) - 1).saturating_mul(inner).saturating_add(head_dim);
            (inner_count <= 1 || inner >= head_dim) && (outer_count <= 1 || outer >= inner_extent)
        };
        if !apart(strides[1], heads, strides[0], tokens) && !apart(strides[0], tokens, strides[1], heads) {
            return Err(Error::OverlappingOutput { shape, strides });
        }
        Ok(Self { data: T::base(data), shape, strides, borrow: PhantomData })
    }

    /// `[tokens, heads, head_dim]`
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Type of the elements.
    pub fn element_type(&self) -> ElementType {
        match self.data {
            ElementsMut::F32(_) => ElementType::F32,
            ElementsMut::F16(_) => ElementType::F16,
            ElementsMut::Bf16(_) => ElementType::Bf16,
        }
    }

    /// Rounds `row` to the tensor's type and writes it.
    ///
    /// # Safety
    /// No other thread may write or read the same row at the same time.
    ///
    /// # Panics
    /// If the token or the head is out of range, or `row` has another length than head_dim.
    pub unsafe fn write_row(&self, token: usize, head: usize, row: &[f32]) {
        let [tokens, heads, head_dim] = self.shape;
        assert!(
            token < tokens && head < heads && row.len() == head_dim,
            "row ({token}, {head}) of {:?}",
            self.shape
        );
        let start = token * self.strides[0] + head * self.strides[1];
        // SAFETY: construction checked that every row within the shape lies within the data, and
        // that rows are disjoint; the caller makes sure that this row is not shared. The borrow
        // outlives `self`.
        unsafe {
            match self.data {
                ElementsMut::F32(data) => {
                    std::slice::from_raw_parts_mut(data.add(start), head_dim).copy_from_slice(row);
                }
                ElementsMut::F16(data) => {
                    std::slice::from_raw_parts_mut(data.add(start), head_dim).convert_from_f32_slice(row);
                }
                ElementsMut::Bf16(data) => {
                    std::slice::from_raw_parts_mut(data.add(start), head_dim).convert_from_f32_slice(row);
                }
            }
        }
    }
}
