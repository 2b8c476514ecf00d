//! Random choices.

use crate::haystack::key_values::grouped;
use minference_attention::synthetic::Random;

/// Puts values into a random order.
pub(super) fn shuffle<T>(values: &mut [T], random: &mut Random) {
    for place in (1..values.len()).rev() {
        values.swap(place, random.below(place + 1));
    }
}

/// Different numbers below `n`, in random order; all of them where there are no more.
pub(super) fn sample(n: usize, count: usize, random: &mut Random) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..n).collect();
    let count = count.min(n);
    for place in 0..count {
        let other = place + random.below(n - place);
        numbers.swap(place, other);
    }
    numbers.truncate(count);
    numbers
}

/// A word of so many letters, `first` being the alphabet's.
pub(super) fn letters(count: usize, first: u8, random: &mut Random) -> String {
    (0..count).map(|_| char::from(first + random.below(26) as u8)).collect()
}

/// Different words of so many letters.
pub(super) fn different_letters(words: usize, count: usize, first: u8, random: &mut Random) -> Vec<String> {
    different(words, || letters(count, first, random))
}

/// Different values, in the order in which they were made.
pub(super) fn different(count: usize, mut make: impl FnMut() -> String) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let value = make();
        if seen.insert(value.clone()) {
            values.push(value);
        }
    }
    values
}

/// A number of seven digits.
pub(super) fn number(random: &mut Random) -> String {
    (1_000_000 + random.below(9_000_000)).to_string()
}

/// A random UUID, version 4.
pub(super) fn uuid(random: &mut Random) -> String {
    let high = random.bits() & !0xf000 | 0x4000;
    let low = random.bits() & !(0b11 << 62) | 0b10 << 62;
    grouped(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_what_they_should_be() {
        let mut random = Random::new(1);
        for _ in 0..200 {
            assert_eq!(number(&mut random).len(), 7);
            let uuid = uuid(&mut random);
            assert!(uuid.len() == 36 && &uuid[14..15] == "4" && "89ab".contains(&uuid[19..20]), "{uuid}");
            let mut chosen = sample(9, 5, &mut random);
            chosen.sort_unstable();
            chosen.dedup();
            assert!(chosen.len() == 5 && chosen[4] < 9);
            assert_eq!(different_letters(20, 1, b'a', &mut random).len(), 20);
        }
        let mut values: Vec<usize> = (0..100).collect();
        shuffle(&mut values, &mut random);
        assert!(values.windows(2).any(|pair| pair[0] > pair[1]));
        values.sort_unstable();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    }
}
