//! [`fit`]: how many units of a haystack fit into a length, with few texts counted.

use crate::error::Result;

/// Units that are counted beside the least, to learn how long units are.
const PROBE: usize = 32;

/// What was learned from another sample of the same task and length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Guess {
    /// Units that fitted.
    pub(super) size: usize,
    /// Tokens of a unit.
    pub(super) unit: f64,
}

/// What fits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fitted<T> {
    pub(super) made: T,
    pub(super) tokens: usize,
    pub(super) guess: Guess,
}

/// Something of as many units as a limit of tokens allows, with about a unit to spare at most; or,
/// if even the least does not fit, its tokens.
///
/// - `make`: makes something of a size, and counts its tokens
pub(super) fn fit<T>(
    limit: usize,
    (least, most): (usize, usize),
    guess: Option<Guess>,
    mut make: impl FnMut(usize) -> Result<(T, usize)>,
) -> Result<std::result::Result<Fitted<T>, usize>> {
    // units may count as nothing, and texts must end
    let most = most.min(least.saturating_add(limit)).max(least);
    let mut size = guess.map_or(least, |guess| guess.size.clamp(least, most));
    let mut unit = guess.map(|guess| guess.unit);
    let mut first = None;
    let mut fits: Option<(Count, T)> = None;
    let mut exceeds: Option<Count> = None;
    loop {
        let (made, tokens) = make(size)?;
        let count = Count { size, tokens };
        match first {
            None => first = Some(count),
            Some(first) if guess.is_none() => unit = Some(first.unit_to(count)),
            Some(_) => {}
        }
        if tokens <= limit {
            fits = Some((count, made));
        } else if size == least {
            return Ok(Err(tokens));
        } else {
            exceeds = Some(count);
        }
        let units = |tokens: usize, unit: f64| (tokens as f64 / unit) as usize;
        let next = match (&fits, exceeds) {
            (Some((fits, _)), Some(exceeds)) => {
                (fits.size + units(limit - fits.tokens, fits.unit_to(exceeds))).min(exceeds.size - 1)
            }
            (Some((fits, _)), None) => match unit {
                Some(unit) => fits.size.saturating_add(units(limit - fits.tokens, unit)).min(most),
                None => (fits.size + PROBE).min(most),
            },
            (None, _) => size.saturating_sub(units(tokens - limit, unit.unwrap_or(1.0)) + 1).max(least),
        };
        match fits {
            Some((Count { size, tokens }, made)) if next == size => {
                return Ok(Ok(Fitted { made, tokens, guess: Guess { size, unit: unit.unwrap_or(1.0) } }));
            }
            _ => size = next,
        }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy)]
struct Count {
    size: usize,
    tokens: usize,
}

impl Count {
    /// Tokens of a unit, by this and another count.
    fn unit_to(self, other: Self) -> f64 {
        let units = other.size as f64 - self.size as f64;
        let tokens = other.tokens as f64 - self.tokens as f64;
        // units may count as nothing
        if units == 0.0 { 1.0 } else { (tokens / units).max(0.01) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    proptest! {
        #[test]
        fn what_fits_is_found_with_few_counts(
            fixed in 0usize..500, unit in 1usize..60, least in 1usize..20, limit in 0usize..50_000, noise in 0usize..3,
        ) {
            let counts = Cell::new(0);
            let tokens = |size: usize| fixed + size * unit + (size * 7919 % 5) * noise;
            let make = |size| {
                counts.set(counts.get() + 1);
                Ok((size, tokens(size)))
            };
            match fit(limit, (least, usize::MAX), None, make).unwrap() {
                Err(found) => prop_assert!(found > limit && found == tokens(least)),
                Ok(found) => {
                    prop_assert_eq!(found.tokens, tokens(found.made));
                    prop_assert!(found.tokens <= limit && found.made >= least);
                    prop_assert!(limit - found.tokens <= 2 * unit + 4 * noise, "{} of {limit}", found.tokens);
                    let again = fit(limit, (least, usize::MAX), Some(found.guess), make).unwrap().unwrap();
                    prop_assert!(again.tokens <= limit);
                }
            }
            prop_assert!(counts.get() < 20, "{} counts", counts.get());
        }
    }

    #[test]
    fn ends_are_ends() {
        let make = |size: usize| Ok((size, 10 * size));
        assert_eq!(fit(1000, (1, 20), None, make).unwrap().unwrap().made, 20);
        assert_eq!(fit(1000, (1, usize::MAX), None, make).unwrap().unwrap().made, 100);
        assert_eq!(fit(9, (1, 20), None, make).unwrap(), Err(10));
        // units that count as nothing
        assert!(fit(100, (1, usize::MAX), None, |size| Ok((size, 0))).unwrap().unwrap().made <= 101);
        assert!(
            fit(100, (1, 5), None, |_| Err::<(usize, usize), _>(crate::Error::choice("", "", ""))).is_err()
        );
        // a guess that is far off
        for size in [1, 7, 5000] {
            let found = fit(1000, (1, usize::MAX), Some(Guess { size, unit: 3.0 }), make).unwrap().unwrap();
            assert!(found.made <= 100 && found.made >= 97, "{}", found.made);
        }
    }
}
