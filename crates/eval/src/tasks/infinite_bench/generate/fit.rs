//! [`most_units`]: how long a text can be, from few counts of its tokens.

use crate::error::Result;

/// Units of the first text that is counted.
const FIRST: usize = 32;

/// Texts that are counted at most; three or four are usual.
const MOST_COUNTS: usize = 16;

/// How many units a text within `limit` tokens can have, give or take about one; none where not even a text without units fits.
///
/// The tokens of a text of so many units come from `tokens`. Each count says how long units are, and so where to look next.
pub(super) fn most_units(
    limit: usize,
    mut tokens: impl FnMut(usize) -> Result<usize>,
) -> Result<Option<usize>> {
    let least = tokens(0)?;
    if least > limit {
        return Ok(None);
    }
    let (mut fits, mut fits_tokens) = (0, least);
    let mut too_many = usize::MAX;
    let mut per_unit = (limit - least) as f64 / FIRST as f64;
    for _ in 0..MOST_COUNTS {
        // units without tokens must not go on for ever
        let more = ((limit - fits_tokens) as f64 / per_unit.max(0.5)) as usize;
        let next = (fits + more.max(1)).min(too_many - 1);
        if next <= fits {
            break;
        }
        let found = tokens(next)?;
        let slope = found.saturating_sub(fits_tokens) as f64 / (next - fits) as f64;
        if found > limit {
            too_many = next;
        } else {
            (fits, fits_tokens) = (next, found);
            if ((limit - found) as f64) < slope {
                break;
            }
        }
        per_unit = slope;
    }
    Ok(Some(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_counts_find_the_longest_text() {
        for (limit, text) in [
            (10_000, (|units| 40 + 23 * units) as fn(usize) -> usize),
            (131_000, |units| 40 + 23 * units),
            (16_384, |units| 100 + 39 * units / 10),
            (100_000, |units| 3 + 52 * units + units / 7),
            (120, |units| 40 + 23 * units),
        ] {
            let mut counts = 0;
            let units = most_units(limit, |units| {
                counts += 1;
                Ok(text(units))
            });
            let units = units.unwrap().unwrap();
            assert!(text(units) <= limit && text(units + 2) > limit, "{units} of {limit}");
            assert!(counts <= 8, "{counts} counts");
        }
    }

    #[test]
    fn extremes_end() {
        assert_eq!(most_units(10, |_| Ok(11)).unwrap(), None);
        assert_eq!(most_units(10, |units| Ok(10 + units)).unwrap(), Some(0));
        assert!(most_units(10, |_| Ok(0)).unwrap().unwrap() < 10_000);
    }
}
