//! A tensor as plain bytes, for files.

use super::per_channel::PerChannel;
use super::per_token::PerToken;
use super::tensor::CodeStorage;
use super::{QuantizedTensor, TOKENS_PER_GROUP};
use crate::error::{Error, Result};
use bytemuck::{Pod, cast_slice, try_cast_slice};

impl QuantizedTensor {
    /// All that is in it as it lies in memory, in the byte order of this machine: codes; minima and
    /// scales; per channel the tokens in `f16`.
    pub fn parts(&self) -> Vec<&[u8]> {
        match &self.storage {
            CodeStorage::PerToken(rows) => vec![&rows.codes, cast_slice(&rows.ranges)],
            CodeStorage::PerChannel(rows) => {
                vec![&rows.codes, cast_slice(&rows.ranges), cast_slice(&rows.recent)]
            }
        }
    }

    /// Takes `tokens` tokens from the [`parts`](Self::parts) of a tensor of the same kind, in place
    /// of those that are there.
    ///
    /// # Errors
    /// [`Error::Shape`] for parts that so many tokens do not have; nothing changes then.
    pub fn restore(&mut self, parts: &[&[u8]], tokens: usize) -> Result<()> {
        let restored = match &mut self.storage {
            CodeStorage::PerToken(rows) => rows.restore(parts, tokens),
            CodeStorage::PerChannel(rows) => rows.restore(parts, tokens),
        };
        restored.ok_or_else(|| {
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            let (expected, found) = (format!("{tokens} tokens"), format!("parts of {lengths:?} bytes"));
            Error::Shape { what: "a quantised tensor", expected, found }
        })
    }
}

impl PerToken {
    fn restore(&mut self, parts: &[&[u8]], tokens: usize) -> Option<()> {
        let &[codes, ranges] = parts else { return None };
        let ranges = elements(ranges, tokens.checked_mul(self.layout.heads)?)?;
        if tokens.checked_mul(self.layout.token_bytes())? != codes.len() {
            return None;
        }
        replace(&mut self.codes, codes);
        replace(&mut self.ranges, ranges);
        Some(())
    }
}

impl PerChannel {
    /// How many tokens are in groups is for the parts to say: it depends on how they came and went.
    fn restore(&mut self, parts: &[&[u8]], tokens: usize) -> Option<()> {
        let &[codes, ranges, recent] = parts else { return None };
        let group_bytes = TOKENS_PER_GROUP * self.layout.token_bytes();
        let groups = codes.len() / group_bytes;
        let after = tokens.checked_sub(groups * TOKENS_PER_GROUP)?;
        let ranges = elements(ranges, groups.checked_mul(2 * self.layout.token_len())?)?;
        let recent = elements(recent, after.checked_mul(self.layout.token_len())?)?;
        if !codes.len().is_multiple_of(group_bytes) {
            return None;
        }
        replace(&mut self.codes, codes);
        replace(&mut self.ranges, ranges);
        replace(&mut self.recent, recent);
        Some(())
    }
}

/// So many elements, from bytes that are aligned for them.
fn elements<T: Pod>(bytes: &[u8], count: usize) -> Option<&[T]> {
    try_cast_slice(bytes).ok().filter(|elements: &&[T]| elements.len() == count)
}

fn replace<T: Copy>(data: &mut Vec<T>, by: &[T]) {
    data.clear();
    data.extend_from_slice(by);
}

#[cfg(test)]
mod tests {
    use super::super::{CodeBits, Grouping};
    use super::*;
    use crate::synthetic::normal;

    #[test]
    fn tensors_come_back_from_their_bytes() {
        let rows = normal(600 * 16, 1);
        for bits in [CodeBits::Eight, CodeBits::Four] {
            for grouping in [Grouping::PerToken, Grouping::PerChannel] {
                let empty = || QuantizedTensor::with_capacity("rows", 600, [2, 8], bits, grouping).unwrap();
                let mut saved = empty();
                saved.append(&rows[..500 * 16]);
                // a cut group
                saved.truncate(201);
                let parts = saved.parts();
                assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), saved.bytes());
                let mut restored = empty();
                restored.append(&rows[..3 * 16]);
                restored.restore(&parts, 201).unwrap();
                assert_eq!((restored.tokens(), restored.parts()), (201, saved.parts()));
                let cut: Vec<Vec<&[u8]>> = (0..parts.len())
                    .map(|i| {
                        let mut parts = parts.clone();
                        parts[i] = &parts[i][..parts[i].len().saturating_sub(1)];
                        parts
                    })
                    .collect();
                let wrong = [(&parts[..1], 201), (&parts[..], 200), (&parts[..], usize::MAX), (&[], 0)];
                for (parts, tokens) in wrong.into_iter().chain(cut.iter().map(|parts| (&parts[..], 201))) {
                    let error = restored.restore(parts, tokens).unwrap_err().to_string();
                    assert!(error.contains("found parts of"), "{error}");
                    assert_eq!(restored.parts(), saved.parts(), "nothing changes");
                }
                // Both go on in the same way.
                saved.append(&rows[201 * 16..]);
                restored.append(&rows[201 * 16..]);
                assert_eq!(restored.parts(), saved.parts());
            }
        }
    }
}
