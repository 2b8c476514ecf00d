//! [`Row`]: one token of one head.

use super::elements::Elements;
use crate::quantized::CodedRow;
use half::slice::HalfFloatSliceExt;

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
