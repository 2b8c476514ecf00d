//! [`GgufValue`]: a value of a GGUF header.

use crate::error::shown;

/// A value of a GGUF header, of one of the format's thirteen types.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum GgufValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    /// What is no UTF-8 in the file was replaced by U+FFFD.
    String(String),
    Array(Vec<GgufValue>),
}

impl GgufValue {
    /// A number that is whole and not negative, of whichever type; none for anything else.
    pub(crate) fn whole(&self) -> Option<u64> {
        match *self {
            Self::U8(x) => Some(u64::from(x)),
            Self::U16(x) => Some(u64::from(x)),
            Self::U32(x) => Some(u64::from(x)),
            Self::U64(x) => Some(x),
            Self::I8(x) => u64::try_from(x).ok(),
            Self::I16(x) => u64::try_from(x).ok(),
            Self::I32(x) => u64::try_from(x).ok(),
            Self::I64(x) => u64::try_from(x).ok(),
            _ => None,
        }
    }

    /// For errors: short, whatever a file holds.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Array(values) => format!("an array of {} values", values.len()),
            Self::String(text) => format!("\"{}\"", shown(text)),
            other => format!("{other:?}"),
        }
    }
}
