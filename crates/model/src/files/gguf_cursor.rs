//! Reading a GGUF header forwards, never beyond the end of the file and never into more memory than
//! a small multiple of it.

use super::gguf_value::GgufValue as Value;
use crate::error::{Error, Result};
use std::path::Path;

/// Arrays within arrays; files in use have none.
const MAX_DEPTH: usize = 4;
/// Bytes of memory that arrays may take for each byte of the file, and beside that.
const MEMORY_PER_BYTE: usize = 16;
const FREE_MEMORY: usize = 16 << 20;

pub(super) struct GgufCursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    position: usize,
    /// Memory that arrays may still take. A value is 32 bytes however small it is in the file.
    memory: usize,
}

impl<'a> GgufCursor<'a> {
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        let memory = bytes.len().saturating_mul(MEMORY_PER_BYTE).saturating_add(FREE_MEMORY);
        Self { path, bytes, position: 0, memory }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(super) fn error(
        &self,
        place: &str,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Error {
        Error::file(self.path, place, expected, found)
    }

    fn take(&mut self, count: u64, place: &str) -> Result<&'a [u8]> {
        let taken = usize::try_from(count).ok().and_then(|count| {
            let end = self.position.checked_add(count)?;
            self.bytes.get(self.position..end)
        });
        let Some(taken) = taken else {
            let found = format!("{} before the end of the file", self.remaining());
            return Err(self.error(place, format!("{count} bytes"), found));
        };
        self.position += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, place: &str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64, place)?);
        Ok(out)
    }

    pub(super) fn u32(&mut self, place: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(place)?))
    }

    pub(super) fn u64(&mut self, place: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(place)?))
    }

    /// A name: it must be UTF-8, and not empty.
    pub(super) fn name(&mut self, place: &str) -> Result<String> {
        let length = self.u64(place)?;
        let bytes = self.take(length, place)?;
        match std::str::from_utf8(bytes) {
            Ok(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(self.error(place, "a name in UTF-8", format!("{} other bytes", bytes.len()))),
        }
    }

    /// The value of a metadata key.
    pub(super) fn value(&mut self, key: &str) -> Result<Value> {
        let kind = self.u32(key)?;
        self.value_of(kind, key, 0)
    }

    fn value_of(&mut self, kind: u32, key: &str, depth: usize) -> Result<Value> {
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.array(key)?)),
            1 => Value::I8(i8::from_le_bytes(self.array(key)?)),
            2 => Value::U16(u16::from_le_bytes(self.array(key)?)),
            3 => Value::I16(i16::from_le_bytes(self.array(key)?)),
            4 => Value::U32(self.u32(key)?),
            5 => Value::I32(i32::from_le_bytes(self.array(key)?)),
            6 => Value::F32(f32::from_le_bytes(self.array(key)?)),
            7 => match self.array::<1>(key)?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(self.error(key, "a truth value, 0 or 1", other)),
            },
            8 => {
                let length = self.u64(key)?;
                Value::String(String::from_utf8_lossy(self.take(length, key)?).into_owned())
            }
            9 => Value::Array(self.values(key, depth + 1)?),
            10 => Value::U64(self.u64(key)?),
            11 => Value::I64(i64::from_le_bytes(self.array(key)?)),
            12 => Value::F64(f64::from_le_bytes(self.array(key)?)),
            other => return Err(self.error(key, "a type of value from 0 to 12", other)),
        })
    }

    fn values(&mut self, key: &str, depth: usize) -> Result<Vec<Value>> {
        if depth > MAX_DEPTH {
            return Err(self.error(key, format!("arrays at most {MAX_DEPTH} deep"), "a deeper one"));
        }
        let (kind, length) = (self.u32(key)?, self.u64(key)?);
        let smallest: u64 = match kind {
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            _ => 1,
        };
        if length.checked_mul(smallest).is_none_or(|needed| needed > self.remaining() as u64) {
            let expected = format!("at most the {} bytes that the file still has", self.remaining());
            return Err(self.error(key, expected, format!("an array of {length} values")));
        }
        // it fits: the line above compared it with the length of a slice
        let length = length as usize;
        let Some(memory) =
            length.checked_mul(size_of::<Value>()).and_then(|needed| self.memory.checked_sub(needed))
        else {
            let expected =
                format!("arrays that take at most {MEMORY_PER_BYTE} times the file's size in memory");
            return Err(self.error(key, expected, format!("an array of {length} values")));
        };
        self.memory = memory;
        let mut values = Vec::with_capacity(length);
        for _ in 0..length {
            values.push(self.value_of(kind, key, depth)?);
        }
        Ok(values)
    }
}
