//! What the host and the kernels agree on: the structures of `kernels/interface.h`, the same bytes.

use crate::view::{DeviceView, Placement};
use std::mem::{offset_of, size_of};

/// A tensor `[tokens, heads, head_dim]`, or pages of one. Strides in bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Tensor {
    pub(super) data: u64,
    pub(super) token_stride: i64,
    pub(super) head_stride: i64,
}

impl From<&Placement> for Tensor {
    fn from(placement: &Placement) -> Self {
        let [token_stride, head_stride] = placement.byte_strides();
        Self { data: placement.pointer, token_stride, head_stride }
    }
}

/// What one launch of attention needs beside tensor maps; the same for every architecture.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct AttendArguments {
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) v: Tensor,
    pub(super) output: u64,
    pub(super) output_token_stride: i64,
    pub(super) output_head_stride: i64,
    pub(super) tiles: u64,
    pub(super) list: u64,
    pub(super) counter: u64,
    pub(super) tile_count: i32,
    pub(super) queries: i32,
    pub(super) keys: i32,
    pub(super) offset: i32,
    pub(super) window: i32,
    pub(super) group: i32,
    pub(super) scale_log2: f32,
    pub(super) softcap: f32,
    pub(super) sinks: u64,
    pub(super) pages: u64,
    pub(super) k_page_stride: i64,
    pub(super) v_page_stride: i64,
    pub(super) page_tokens: i32,
    pub(super) output_f32: i32,
}

// The offsets that a C compiler gives interface.h.
const _: () = {
    assert!(size_of::<Tensor>() == 24);
    assert!(size_of::<AttendArguments>() == 192 && align_of::<AttendArguments>() == 8);
    assert!(offset_of!(AttendArguments, output) == 72);
    assert!(offset_of!(AttendArguments, tiles) == 96);
    assert!(offset_of!(AttendArguments, tile_count) == 120);
    assert!(offset_of!(AttendArguments, scale_log2) == 144);
    assert!(offset_of!(AttendArguments, sinks) == 152);
    assert!(offset_of!(AttendArguments, k_page_stride) == 168);
    assert!(offset_of!(AttendArguments, page_tokens) == 184);
};

/// The page table of K and V, as the kernels take it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PageArguments {
    pub(super) pages: u64,
    pub(super) k_page_stride: i64,
    pub(super) v_page_stride: i64,
    pub(super) page_tokens: i32,
}

impl PageArguments {
    /// Of keys and values in the same pages, or of strided ones.
    pub(super) fn new(k: &DeviceView<'_>, v: &DeviceView<'_>) -> Self {
        let (Some(k_pages), Some(v_pages)) = (&k.pages, &v.pages) else { return Self::default() };
        let bytes = |view: &DeviceView<'_>, stride: usize| (stride * view.element_type().bytes()) as i64;
        Self {
            pages: k_pages.table,
            k_page_stride: bytes(k, k_pages.page_stride),
            v_page_stride: bytes(v, v_pages.page_stride),
            page_tokens: k_pages.page_tokens as i32,
        }
    }
}

/// Keys in pages, as the index kernels take them: `PagedKeys` of `kernels/index_interface.h`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct PagedKeys {
    pages: u64,
    page_stride: i64,
    page_shift: i32,
    reserved: i32,
}

impl PagedKeys {
    pub(super) fn new(view: &DeviceView<'_>) -> Self {
        let Some(pages) = &view.pages else {
            return Self { pages: 0, page_stride: 0, page_shift: 0, reserved: 0 };
        };
        Self {
            pages: pages.table,
            page_stride: (pages.page_stride * view.element_type().bytes()) as i64,
            page_shift: pages.page_tokens.trailing_zeros() as i32,
            reserved: 0,
        }
    }
}
