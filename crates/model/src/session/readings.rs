//! [`Readings`]: for which length the keys of a session were rotated, and so which of them must be
//! read again when it goes on.
//!
//! Dynamic NTK and LongRoPE choose the angles of all positions by the length. The rule is the one
//! of transformers' `generate`, for the whole life of a session: a pass rotates its queries and
//! keys for the length that the session has at the pass's end, and keys that are in the cache stay
//! as they are, or are all read again ([`RotatedKeys`](crate::decoder::config::RotatedKeys)). A
//! pass is what is read at once: a prompt, in however many chunks; what a further turn adds; one
//! token of an answer.
//!
//! One thing is added for sessions that go back, which `generate` does not: keys that were rotated
//! for a length which the session has not reached any more are read again, unless the next pass has
//! the same angles. So no prompt depends on what was read and forgotten before it.

use crate::decoder::config::ModelConfig;
use serde::{Deserialize, Serialize};

/// Tokens from `start` to the next reading's, whose keys have the same angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    /// The first of the tokens.
    pub(crate) start: usize,
    /// The least length with these angles ([`ModelConfig::least_length_alike`]).
    pub(crate) made_for: usize,
}

/// All readings of a session, in order. Tokens before the first are never read again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Readings(Vec<Reading>);

impl Readings {
    /// Notes that tokens from `start` on were read by a pass that a session of `total` tokens ends
    /// with.
    pub(crate) fn add(&mut self, config: &ModelConfig, start: usize, total: usize) {
        let made_for = config.least_length_alike(total);
        if self.0.last().is_none_or(|last| last.made_for != made_for) {
            self.0.push(Reading { start, made_for });
        }
    }

    /// Forgets all tokens from `tokens` on.
    pub(crate) fn truncate(&mut self, tokens: usize) {
        self.0.retain(|reading| reading.start < tokens);
    }

    /// How many of the first `kept` tokens need not be read again by a pass after which there are
    /// `total`.
    pub(crate) fn reusable(&self, config: &ModelConfig, kept: usize, total: usize) -> usize {
        let wanted = config.least_length_alike(total);
        let must_change = |reading: &&Reading| {
            reading.made_for != wanted && (config.reads_again() || reading.made_for > kept)
        };
        self.0.iter().take_while(|reading| reading.start < kept).find(must_change).map_or(kept, |r| r.start)
    }

    /// Whether they could be those of a session of some tokens.
    pub(crate) fn are_of(&self, tokens: usize) -> bool {
        let ascending = self.0.windows(2).all(|pair| pair[0].start < pair[1].start);
        ascending && self.0.last().is_none_or(|last| last.start <= tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::config::{RotatedKeys, test_config};
    use crate::decoder::rope::RopeScaling;

    /// Readings after passes that end at these lengths.
    fn passes(config: &ModelConfig, ends: &[usize]) -> Readings {
        let mut readings = Readings::default();
        let mut start = 0;
        for end in ends {
            readings.add(config, start, *end);
            start = *end;
        }
        readings
    }

    /// LongRoPE with its border at 100 tokens.
    fn long_rope(rotated_keys: RotatedKeys) -> ModelConfig {
        let mut config = ModelConfig { rotated_keys, ..test_config() };
        let (short, long) = (vec![1.0; 8], vec![2.0; 8]);
        config.ropes[0].scaling =
            RopeScaling::LongRope { short, long, original_context: 100, attention_factor: 1.0 };
        config
    }

    /// Dynamic NTK with its border at 100 tokens.
    fn dynamic() -> ModelConfig {
        let mut config = test_config();
        config.ropes[0].context = 100;
        config.ropes[0].scaling = RopeScaling::DynamicNtk { factor: 2.0 };
        config
    }

    #[test]
    fn positions_that_depend_on_no_length_are_one_reading() {
        let config = test_config();
        let readings = passes(&config, &[10, 400, 500]);
        assert_eq!(readings.0, [Reading { start: 0, made_for: 0 }]);
        assert_eq!(readings.reusable(&config, 450, 512), 450);
    }

    #[test]
    fn phi3_reads_everything_again_at_the_border() {
        let config = long_rope(RotatedKeys::ReadAgain);
        let short = passes(&config, &[60, 100]);
        assert_eq!((short.reusable(&config, 99, 100), short.reusable(&config, 100, 101)), (99, 0));
        let long = passes(&config, &[101, 150]);
        assert_eq!((long.reusable(&config, 50, 101), long.reusable(&config, 50, 100)), (50, 0));
    }

    #[test]
    fn others_keep_what_a_session_of_this_length_could_have() {
        for (config, made_for) in [(long_rope(RotatedKeys::Stay), 101), (dynamic(), 120)] {
            let mut readings = passes(&config, &[60, 120]);
            assert_eq!(readings.0[1], Reading { start: 60, made_for });
            assert_eq!(readings.reusable(&config, 120, 300), 120);
            // what is left of the second pass was made for a length that is not reached
            assert_eq!((readings.reusable(&config, 90, 95), readings.reusable(&config, 90, 120)), (60, 90));
            assert_eq!(readings.reusable(&config, 60, 300), 60);
            readings.truncate(60);
            assert_eq!(readings, passes(&config, &[60]));
        }
        // each token of an answer has its own
        let readings = passes(&dynamic(), &[99, 100, 101, 102]);
        assert_eq!(readings.0.len(), 3);
        assert_eq!(readings.reusable(&dynamic(), 102, 103), 102);
    }

    #[test]
    fn readings_of_a_file_may_contradict_themselves() {
        let of =
            |starts: &[usize]| Readings(starts.iter().map(|&start| Reading { start, made_for: 0 }).collect());
        assert!(of(&[]).are_of(0) && of(&[0, 4]).are_of(5));
        assert!(!of(&[0, 6]).are_of(5) && !of(&[4, 4]).are_of(5) && !of(&[4, 0]).are_of(5));
    }
}
