//! Rows as plain bytes, for files.

use super::{PlainData, PlainRows};
use crate::error::{Error, Result};
use bytemuck::{Pod, cast_slice, try_cast_slice};

impl PlainRows {
    /// All of its rows as they lie in memory, in the byte order of this machine.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        match &self.data {
            PlainData::F32(data) => vec![cast_slice(data)],
            PlainData::F16(data) => vec![cast_slice(data)],
            PlainData::Bf16(data) => vec![cast_slice(data)],
        }
    }

    /// Rows of this kind from [`parts`](Self::parts), in place of those that are there: the first
    /// `kept` of the `rows` that the parts hold.
    ///
    /// # Errors
    /// [`Error::Shape`] for parts that `rows` rows do not have; nothing changes then.
    pub(crate) fn restore(&mut self, parts: &[&[u8]], rows: usize, kept: usize) -> Result<()> {
        let row_len = self.row_len();
        match &mut self.data {
            PlainData::F32(data) => restore_plain(data, parts, row_len, rows, kept),
            PlainData::F16(data) => restore_plain(data, parts, row_len, rows, kept),
            PlainData::Bf16(data) => restore_plain(data, parts, row_len, rows, kept),
        }
    }
}

fn restore_plain<T: Pod>(
    data: &mut Vec<T>,
    parts: &[&[u8]],
    row_len: usize,
    rows: usize,
    kept: usize,
) -> Result<()> {
    let wrong = || {
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let expected = format!("{rows} of {} bytes", row_len * size_of::<T>());
        Error::shape("rows", expected, format!("parts of {lengths:?} bytes"))
    };
    let [part] = parts else { return Err(wrong()) };
    // fails for what is not aligned, or no whole number of elements
    let elements: &[T] = try_cast_slice(part).map_err(|_| wrong())?;
    if rows.checked_mul(row_len) != Some(elements.len()) || kept > rows {
        return Err(wrong());
    }
    data.clear();
    data.extend_from_slice(&elements[..kept * row_len]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_attention::ElementType;

    #[test]
    fn rows_come_back_from_their_bytes() {
        let values: Vec<f32> = (0..5 * 16).map(|i| i as f32 / 7.0).collect();
        for element_type in [ElementType::F32, ElementType::F16, ElementType::Bf16] {
            let rows = |capacity| PlainRows::with_capacity("rows", capacity, [2, 8], element_type).unwrap();
            let mut saved = rows(5);
            saved.append(&values);
            let parts = saved.parts();
            assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), saved.bytes());
            let mut restored = rows(9);
            restored.restore(&parts, 5, 5).unwrap();
            assert_eq!((restored.tokens(), restored.parts()), (5, saved.parts()));
            restored.restore(&parts, 5, 3).unwrap();
            let (mut found, mut expected) = (vec![0.0; 48], vec![0.0; 48]);
            restored.widen(0..3, &mut found);
            saved.widen(0..3, &mut expected);
            assert_eq!((restored.tokens(), found), (3, expected));
            for (parts, rows, kept) in [
                (&parts[..], 4, 4),
                (&parts[..], 5, 6),
                (&parts[..], usize::MAX, 1),
                (&[&parts[0][1..]][..], 5, 5),
                (&[&parts[0][..1]][..], 0, 0),
                (&[parts[0], parts[0]][..], 10, 10),
                (&[][..], 0, 0),
            ] {
                let error = restored.restore(parts, rows, kept).unwrap_err().to_string();
                assert!(error.contains("rows: expected") && error.contains("found parts of"), "{error}");
                assert_eq!(restored.tokens(), 3);
            }
        }
    }
}
