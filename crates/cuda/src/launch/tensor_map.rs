//! [`TensorMap`]: how Hopper's copy engine finds the boxes of a tensor.

use crate::error::{During, Result};
use crate::view::{DeviceType, DeviceView};
use cudarc::driver::sys;
use std::mem::MaybeUninit;

/// The columns of a box: 64 elements of two bytes are one row of 128 bytes, the unit of the swizzle
/// that keeps matrix units from conflicts.
const BOX_COLUMNS: u32 = 64;

/// A description that a kernel takes by value, aligned as the newest driver wants it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(128))]
pub(super) struct TensorMap([u64; 16]);

const _: () = assert!(size_of::<TensorMap>() == 128 && size_of::<sys::CUtensorMap>() == 128);

impl TensorMap {
    /// Boxes of 64 columns and `rows` tokens of one head, in a tensor (head_dim, token, head), or
    /// in pages of one: (head_dim, token of the page, head, page).
    ///
    /// What lies beyond the tensor's tokens is filled with zeros.
    pub(super) fn new(view: &DeviceView<'_>, rows: u32) -> Result<Self> {
        let [tokens, heads, head_dim] = view.shape().map(|count| count as u64);
        let [token_stride, head_stride] = view.placement.byte_strides().map(|stride| stride as u64);
        // The engine wants strides that are not 0, even of a dimension that has one element.
        let token_stride = if token_stride == 0 { 16 } else { token_stride };
        let head_stride = if head_stride == 0 { 16 } else { head_stride };
        let (dimensions, strides, rank) = match &view.pages {
            None => ([head_dim, tokens, heads, 1], [token_stride, head_stride, 16], 3),
            Some(pages) => {
                let page_stride = (pages.page_stride * view.element_type().bytes()).max(16) as u64;
                let dimensions = [head_dim, pages.page_tokens as u64, heads, pages.pool as u64];
                (dimensions, [token_stride, head_stride, page_stride], 4)
            }
        };
        let boxes = [BOX_COLUMNS, rows, 1, 1];
        Self::encode(view, rank, &dimensions, &strides, &boxes)
    }

    fn encode(
        view: &DeviceView<'_>,
        rank: u32,
        dimensions: &[u64; 4],
        strides: &[u64; 3],
        boxes: &[u32; 4],
    ) -> Result<Self> {
        let element_type = match view.element_type() {
            DeviceType::F16 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
            DeviceType::Bf16 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
            DeviceType::F32 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
        };
        let mut map = MaybeUninit::<Self>::zeroed();
        // SAFETY: the map has the size of the driver's and at least its alignment; the arrays have
        // one element for each dimension (of strides one less); the driver reads no memory of the
        // tensor.
        unsafe {
            sys::cuTensorMapEncodeTiled(
                map.as_mut_ptr().cast(),
                element_type,
                rank,
                view.placement.pointer as *mut _,
                dimensions.as_ptr(),
                strides.as_ptr(),
                boxes.as_ptr(),
                [1u32; 4].as_ptr(),
                sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
            .result()
            .during("describing a tensor")?;
            Ok(map.assume_init())
        }
    }
}
