//! [`TensorViewMut`]: a tensor to write.

use super::check_reach;
use crate::element::ElementType;
use crate::error::{Error, Result};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::marker::PhantomData;

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
