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
    /// For errors: short, whatever a file holds.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Array(values) => format!("an array of {} values", values.len()),
            Self::String(text) => format!("\"{}\"", shown(text)),
            other => format!("{other:?}"),
        }
    }
}
