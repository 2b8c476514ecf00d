//! [`best`]: selection of the best scores, deterministic and without sorting all of them.
//!
//! ```
//! use minference_attention::pattern::top::best;
//!
//! // The first two are kept whatever their score; of equal scores the lower index wins.
//! assert_eq!(best(&[0.0, 0.1, 0.5, 0.9, 0.5], 0..2, 4), [0, 1, 2, 3]);
//! ```

use std::ops::Range;

/// Indices of the `count` highest scores, ascending; those in `kept` are chosen before all others,
/// NaN after all others. Of equal scores the lower index wins.
pub fn best(scores: &[f32], kept: Range<usize>, count: usize) -> Vec<u32> {
    if count >= scores.len() {
        return (0..scores.len() as u32).collect();
    }
    if count == 0 {
        return Vec::new();
    }
    // One integer per candidate that sorts as wanted: score descending in the high half, index
    // ascending in the low one.
    let rank = |(index, &score): (usize, &f32)| -> u64 {
        let place = match score {
            // even infinity has a place after 0
            _ if kept.contains(&index) => 0,
            _ if score.is_nan() => u32::MAX,
            _ => !ascending_bits(score),
        };
        u64::from(place) << 32 | index as u64
    };
    let mut ranks: Vec<u64> = scores.iter().enumerate().map(rank).collect();
    ranks.select_nth_unstable(count - 1);
    let mut chosen: Vec<u32> = ranks[..count].iter().map(|&rank| rank as u32).collect();
    chosen.sort_unstable();
    chosen
}

/// Bits that compare as the numbers do, minus infinity first.
fn ascending_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lower_index_wins_a_tie() {
        assert_eq!(best(&[1.0, 3.0, 3.0, 3.0, 0.0], 0..0, 2), [1, 2]);
        assert_eq!(best(&[0.0, 0.0, 5.0, 0.0], 3..4, 2), [2, 3]);
        assert_eq!(best(&[f32::NAN, f32::INFINITY, 0.0, 1.0], 2..3, 2), [1, 2]);
        assert_eq!(best(&[f32::NEG_INFINITY, -1.0, -0.5], 0..0, 1), [2]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_full_sort(
            scores in prop::collection::vec(-4i32..4, 0..200),
            kept in 0usize..20,
            count in 0usize..250,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(|x| x as f32 / 2.0).collect();
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| {
                (b < kept).cmp(&(a < kept)).then(
                    if a < kept && b < kept { a.cmp(&b) } else { scores[b].total_cmp(&scores[a]).then(a.cmp(&b)) }
                )
            });
            let mut expected: Vec<u32> = order.iter().take(count).map(|&i| i as u32).collect();
            expected.sort_unstable();
            prop_assert_eq!(best(&scores, 0..kept, count), expected);
        }
    }
}
