//! Borrowed tensors on the device, of shape `[tokens, heads, head_dim]`.
//!
//! Kernels take views, never buffers: a part of a fused projection, a part of a cache, or the
//! tensor of another library can be passed as it lies in memory. The elements of one row (one
//! token, one head) lie side by side; tokens and heads may lie anywhere, at multiples of 16 bytes.
//!
//! Keys and values may also be **paged**, as serving engines keep them: a table says which page
//! holds each run of `page_tokens` tokens.

use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::memory::Buffer;
use half::{bf16, f16};
use std::marker::PhantomData;

/// Rows start at multiples of this many bytes, which is what the copy engine moves at least.
const ROW_ALIGNMENT: usize = 16;

/// Element types of tensors on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceType {
    /// IEEE half precision.
    F16,
    /// bfloat16: the upper half of an f32.
    Bf16,
    /// 32-bit floating point; for outputs only.
    F32,
}

impl DeviceType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }

    /// As it stands in the names of kernels.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }
}

/// Rust types of those elements.
pub trait DeviceElement: bytemuck::Pod {
    /// The type.
    const TYPE: DeviceType;
}

impl DeviceElement for f16 {
    const TYPE: DeviceType = DeviceType::F16;
}
impl DeviceElement for bf16 {
    const TYPE: DeviceType = DeviceType::Bf16;
}
impl DeviceElement for f32 {
    const TYPE: DeviceType = DeviceType::F32;
}

/// Where the tokens of a paged tensor lie: page `table[t / page_tokens]` holds token `t`.
#[derive(Debug, Clone, Copy)]
pub struct Pages<'a> {
    pub(crate) table: u64,
    pub(crate) entries: usize,
    pub(crate) page_tokens: usize,
    pub(crate) page_stride: usize,
    pub(crate) pool: usize,
    borrow: PhantomData<&'a [i32]>,
}

/// Numbers of pages on the device, all below the number of pages that there are.
#[derive(Debug)]
pub struct PageTable {
    numbers: Buffer<i32>,
    pool: usize,
}

impl PageTable {
    /// Copies the numbers of pages of a pool of `pool`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a number beyond the pool; [`Error::OutOfMemory`].
    pub fn new(device: &CudaDevice, numbers: &[i32], pool: usize) -> Result<Self> {
        if let Some(wrong) = numbers.iter().find(|&&page| page < 0 || page as usize >= pool) {
            return Err(Error::Shape {
                what: "page",
                expected: format!("one of {pool}, counted from 0"),
                found: wrong.to_string(),
            });
        }
        Ok(Self { numbers: Buffer::from_slice(device, "a page table", numbers)?, pool })
    }
}

impl<'a> Pages<'a> {
    /// Pages of `page_tokens` tokens (a power of two, 16 or more), `page_stride` elements from page
    /// to page.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of tokens.
    pub fn new(table: &'a PageTable, page_tokens: usize, page_stride: usize) -> Result<Self> {
        let PageTable { numbers, pool } = table;
        // SAFETY: the table is borrowed for as long as the pages are; its numbers were checked.
        unsafe { Self::from_raw(numbers.pointer(), numbers.len(), page_tokens, page_stride, *pool) }
    }

    /// The same from a pointer to `entries` numbers on the device, of a pool of `pool` pages.
    ///
    /// # Safety
    /// The table lies on the device that the view is used on, and outlives `'a`; its numbers are
    /// below `pool`.
    ///
    /// # Errors
    /// [`Error::Shape`] for pages of another number of tokens.
    pub unsafe fn from_raw(
        table: u64,
        entries: usize,
        page_tokens: usize,
        page_stride: usize,
        pool: usize,
    ) -> Result<Self> {
        if page_tokens < 16 || !page_tokens.is_power_of_two() {
            return Err(Error::Shape {
                what: "page",
                expected: "a power of two of tokens, at least 16".into(),
                found: page_tokens.to_string(),
            });
        }
        Ok(Self { table, entries, page_tokens, page_stride, pool, borrow: PhantomData })
    }
}

/// What views to read and to write have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) pointer: u64,
    pub(crate) element_type: DeviceType,
    /// `[tokens, heads, head_dim]`
    pub(crate) shape: [usize; 3],
    /// Elements from one token to the next, and from one head to the next.
    pub(crate) strides: [usize; 2],
}

impl Placement {
    /// Checks that rows start where the copy engine can take them.
    fn new(
        what: &'static str,
        pointer: u64,
        element_type: DeviceType,
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        let bytes = strides.map(|stride| stride * element_type.bytes());
        let aligned = bytes.iter().all(|stride| stride % ROW_ALIGNMENT == 0)
            && pointer.is_multiple_of(ROW_ALIGNMENT as u64);
        if !aligned {
            return Err(Error::Shape {
                what,
                expected: format!("rows that start at multiples of {ROW_ALIGNMENT} bytes"),
                found: format!("strides of {} and {} bytes from {pointer:#x} on", bytes[0], bytes[1]),
            });
        }
        Ok(Self { pointer, element_type, shape, strides })
    }

    /// Elements that the shape and strides reach.
    fn reach(shape: [usize; 3], strides: [usize; 2]) -> usize {
        let [tokens, heads, head_dim] = shape;
        if tokens == 0 || heads == 0 {
            return 0;
        }
        (tokens - 1)
            .saturating_mul(strides[0])
            .saturating_add((heads - 1).saturating_mul(strides[1]))
            .saturating_add(head_dim)
    }

    /// Refuses a view that reaches beyond a buffer.
    fn check_reach(shape: [usize; 3], strides: [usize; 2], available: usize) -> Result<()> {
        let needed = Self::reach(shape, strides);
        match needed <= available {
            true => Ok(()),
            false => {
                Err(minference_attention::Error::OutOfBounds { shape, strides, needed, available }.into())
            }
        }
    }

    /// Bytes from one token to the next, and from one head to the next.
    pub(crate) fn byte_strides(&self) -> [i64; 2] {
        self.strides.map(|stride| (stride * self.element_type.bytes()) as i64)
    }
}

/// A tensor to read.
#[derive(Debug, Clone, Copy)]
pub struct DeviceView<'a> {
    pub(crate) placement: Placement,
    pub(crate) pages: Option<Pages<'a>>,
    borrow: PhantomData<&'a [u8]>,
}

impl<'a> DeviceView<'a> {
    /// A contiguous tensor.
    ///
    /// # Errors
    /// A buffer that is too short.
    pub fn new<T: DeviceElement>(data: &'a Buffer<T>, shape: [usize; 3]) -> Result<Self> {
        Self::strided(data, 0, shape, [shape[1] * shape[2], shape[2]])
    }

    /// A tensor from element `start` of a buffer on, with `strides` elements from one token to the
    /// next and from one head to the next.
    ///
    /// # Errors
    /// A buffer that is too short, rows that do not start at multiples of 16 bytes.
    pub fn strided<T: DeviceElement>(
        data: &'a Buffer<T>,
        start: usize,
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        Placement::check_reach(shape, strides, data.len().saturating_sub(start))?;
        let pointer = data.pointer() + (start * size_of::<T>()) as u64;
        // SAFETY: the buffer is borrowed for as long as the view is, and the view lies within it.
        unsafe { Self::from_raw(pointer, T::TYPE, shape, strides) }
    }

    /// A contiguous tensor of 16-bit words that hold elements of a type.
    ///
    /// # Errors
    /// A buffer that is too short; f32.
    pub fn from_words(data: &'a Buffer<u16>, element_type: DeviceType, shape: [usize; 3]) -> Result<Self> {
        let strides = [shape[1] * shape[2], shape[2]];
        Placement::check_reach(shape, strides, data.len())?;
        // SAFETY: the buffer is borrowed for as long as the view is, the view lies within it, and
        // every word is a valid element of either type.
        unsafe { Self::from_raw(data.pointer(), element_type, shape, strides) }
    }

    /// A tensor in pages: token `t` of `shape` lies at `strides[0] * (t % page_tokens)` of its
    /// page.
    ///
    /// # Errors
    /// A buffer or a table that is too short, rows that do not start at multiples of 16 bytes.
    pub fn paged<T: DeviceElement>(
        data: &'a Buffer<T>,
        pages: Pages<'a>,
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        let of_page = [pages.page_tokens, shape[1], shape[2]];
        let reach = Placement::reach(of_page, strides) + pages.pool.saturating_sub(1) * pages.page_stride;
        if reach > data.len() {
            let (needed, available) = (reach, data.len());
            return Err(minference_attention::Error::OutOfBounds { shape, strides, needed, available }.into());
        }
        // SAFETY: as above; every page of the pool lies within the buffer.
        unsafe { Self::from_raw(data.pointer(), T::TYPE, shape, strides)?.with_pages(pages) }
    }

    /// A tensor of another library (from DLPack, or torch), by its address.
    ///
    /// # Safety
    /// All rows within the shape lie on the device that the view is used on, hold elements of that
    /// type, and are not written during `'a`.
    ///
    /// # Errors
    /// Rows that do not start at multiples of 16 bytes; f32.
    pub unsafe fn from_raw(
        pointer: u64,
        element_type: DeviceType,
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        if element_type == DeviceType::F32 {
            return Err(Error::Shape {
                what: "tensor",
                expected: "elements of type f16 or bf16".into(),
                found: "f32".into(),
            });
        }
        let placement = Placement::new("tensor", pointer, element_type, shape, strides)?;
        Ok(Self { placement, pages: None, borrow: PhantomData })
    }

    /// The same in pages; the pointer is that of the pool's first page.
    ///
    /// # Safety
    /// Every page of the pool lies on the device, with rows as in [`from_raw`](Self::from_raw).
    ///
    /// # Errors
    /// A table that is too short, pages that do not start at multiples of 16 bytes.
    pub unsafe fn with_pages(self, pages: Pages<'a>) -> Result<Self> {
        let tokens = self.tokens();
        if pages.entries < tokens.div_ceil(pages.page_tokens) {
            return Err(Error::Shape {
                what: "page table",
                expected: format!("{} pages for {tokens} tokens", tokens.div_ceil(pages.page_tokens)),
                found: pages.entries.to_string(),
            });
        }
        let bytes = pages.page_stride * self.element_type().bytes();
        if !bytes.is_multiple_of(ROW_ALIGNMENT) {
            return Err(Error::Shape {
                what: "pages",
                expected: format!("pages that start at multiples of {ROW_ALIGNMENT} bytes"),
                found: format!("a stride of {bytes} bytes"),
            });
        }
        Ok(Self { pages: Some(pages), ..self })
    }

    /// `[tokens, heads, head_dim]`
    pub fn shape(&self) -> [usize; 3] {
        self.placement.shape
    }
    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.placement.shape[0]
    }
    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.placement.shape[1]
    }
    /// Elements of a row.
    pub fn head_dim(&self) -> usize {
        self.placement.shape[2]
    }
    /// Type of the elements.
    pub fn element_type(&self) -> DeviceType {
        self.placement.element_type
    }
}

/// A tensor to write.
#[derive(Debug)]
pub struct DeviceViewMut<'a> {
    pub(crate) placement: Placement,
    borrow: PhantomData<&'a mut [u8]>,
}

impl<'a> DeviceViewMut<'a> {
    /// A contiguous tensor.
    ///
    /// # Errors
    /// A buffer that is too short.
    pub fn new<T: DeviceElement>(data: &'a mut Buffer<T>, shape: [usize; 3]) -> Result<Self> {
        Self::strided(data, 0, shape, [shape[1] * shape[2], shape[2]])
    }

    /// A tensor from element `start` of a buffer on, with `strides` elements from one token to the
    /// next and from one head to the next.
    ///
    /// # Errors
    /// A buffer that is too short, rows that overlap or do not start at multiples of 16 bytes.
    pub fn strided<T: DeviceElement>(
        data: &'a mut Buffer<T>,
        start: usize,
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        Placement::check_reach(shape, strides, data.len().saturating_sub(start))?;
        let pointer = data.pointer() + (start * size_of::<T>()) as u64;
        // SAFETY: the buffer is borrowed exclusively for as long as the view is, and the view lies
        // within it.
        unsafe { Self::from_raw(pointer, T::TYPE, shape, strides) }
    }

    /// A tensor of another library, by its address.
    ///
    /// # Safety
    /// All rows within the shape lie on the device that the view is used on, have room for elements
    /// of that type, and are neither read nor written through anything else during `'a`.
    ///
    /// # Errors
    /// Rows that overlap or do not start at multiples of 16 bytes.
    pub unsafe fn from_raw(
        pointer: u64,
        element_type: DeviceType,
        shape: [usize; 3],
        strides: [usize; 2],
    ) -> Result<Self> {
        let [tokens, heads, head_dim] = shape;
        let apart = |inner: usize, inner_count: usize, outer: usize, outer_count: usize| {
            let extent = (inner_count.max(1) - 1) * inner + head_dim;
            (inner_count <= 1 || inner >= head_dim) && (outer_count <= 1 || outer >= extent)
        };
        if !apart(strides[1], heads, strides[0], tokens) && !apart(strides[0], tokens, strides[1], heads) {
            return Err(minference_attention::Error::OverlappingOutput { shape, strides }.into());
        }
        let placement = Placement::new("output", pointer, element_type, shape, strides)?;
        Ok(Self { placement, borrow: PhantomData })
    }

    /// `[tokens, heads, head_dim]`
    pub fn shape(&self) -> [usize; 3] {
        self.placement.shape
    }
    /// Type of the elements.
    pub fn element_type(&self) -> DeviceType {
        self.placement.element_type
    }
}
