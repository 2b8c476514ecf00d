//! [`Elements`]: a slice of one of the element types.

use crate::element::ElementType;
use half::{bf16, f16};

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
    /// The elements from `start` on.
    pub(super) fn skip(self, start: usize) -> Self {
        match self {
            Self::F32(data) => Self::F32(&data[start..]),
            Self::F16(data) => Self::F16(&data[start..]),
            Self::Bf16(data) => Self::Bf16(&data[start..]),
        }
    }

    pub(super) fn len(&self) -> usize {
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
