//! How a prompt is cut into chunks.

use minference_attention::index::BLOCK;
use std::ops::Range;

/// Chunks of nearly equal length, at most `most` tokens each. Where that is more than a block of
/// queries, all but the last are whole blocks.
pub(super) fn chunks(tokens: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let unit = match most {
        most if most >= tokens => tokens,
        0..BLOCK => 1,
        _ => BLOCK,
    };
    let units = tokens.div_ceil(unit);
    let chunks = units.div_ceil(most / unit);
    // the product of two lengths may not fit into 64 bits
    let start = move |chunk: usize| {
        let units = (units as u128 * chunk as u128 / chunks as u128) as usize;
        (units * unit).min(tokens)
    };
    (0..chunks).map(move |chunk| start(chunk)..start(chunk + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_alike_and_none_is_longer_than_wanted() {
        for (tokens, most) in [
            (10, 3),
            (9, 3),
            (100, 7),
            (5, 5),
            (5, 9),
            (8193, 8192),
            (1, 1),
            (1000, 130),
            (640, 64),
            (700, 64),
        ] {
            let lengths: Vec<usize> = chunks(tokens, most).map(|chunk| chunk.len()).collect();
            assert_eq!(lengths.iter().sum::<usize>(), tokens);
            let (least, longest) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            let unit = if most < BLOCK { 1 } else { BLOCK };
            assert!(*longest <= most && longest - least < 2 * unit, "{tokens} by {most}: {lengths:?}");
            assert!(lengths[..lengths.len() - 1].iter().all(|length| length % unit == 0), "{lengths:?}");
        }
        assert_eq!(chunks(8193, 8192).collect::<Vec<_>>(), [0..4096, 4096..8193]);
        for most in [100, 101, usize::MAX] {
            assert!(chunks(100, most).eq(std::iter::once(0..100)), "{most}");
        }
    }
}
