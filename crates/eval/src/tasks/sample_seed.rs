//! [`SampleSeed`]: the random numbers of one sample, which do not depend on other samples of a run.

use minference_attention::synthetic::Random;

/// What all of a sample's random numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleSeed(u64);

impl SampleSeed {
    /// For a sample that these numbers name.
    pub(super) fn new(seed: u64, parts: &[u64]) -> Self {
        Self(parts.iter().fold(seed, |state, part| Random::new(state).bits() ^ part))
    }

    /// A generator of its own for each part of a sample, so that a longer haystack begins like a
    /// shorter one.
    pub(super) fn random(self, part: u64) -> Random {
        Random::new(Self::new(self.0, &[part]).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_parts_have_numbers_of_their_own() {
        assert_ne!(SampleSeed::new(1, &[2, 3]), SampleSeed::new(1, &[3, 2]));
        assert_ne!(SampleSeed::new(1, &[2]).random(0).bits(), SampleSeed::new(1, &[2]).random(1).bits());
    }
}
