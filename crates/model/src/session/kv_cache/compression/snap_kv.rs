//! SnapKV (Li et al., arXiv 2404.14469): the last queries of a prompt vote for what to keep.
//!
//! The probabilities that they give to each key are summed; neighbours are pooled, so that what
//! stands beside an important key stays, too; the best keys are kept, and the tokens of the last
//! queries themselves. The published code votes for each query head, after keys and values were
//! repeated for those of a group. Here heads of a group vote together, as they share what is kept.

use super::KeptKeys;
use crate::error::{Error, Result};
use minference_attention::index::BLOCK;
use minference_attention::pattern::top::best;
use minference_attention::{AttentionBackend, AttentionInputs};

/// How the votes for a key and its neighbours become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Pooling {
    /// Their mean; beyond the ends there are zeros, which count.
    #[default]
    Average,
    /// The largest.
    Maximum,
}

/// Keeps what the last queries attend to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SnapKv {
    capacity: usize,
    window: usize,
    kernel: usize,
    pooling: Pooling,
}

impl SnapKv {
    /// Tokens of a layer that are kept unless someone wants something else.
    pub const CAPACITY: usize = 4096;
    /// Queries that vote, as in the published code.
    pub const WINDOW: usize = 32;
    /// Neighbours that are pooled, as in the published code.
    pub const KERNEL: usize = 5;

    /// Room for `capacity` tokens; the last `window` queries vote, and votes of `kernel` neighbours
    /// are pooled.
    ///
    /// # Errors
    /// A capacity that does not exceed the window, a window of none or of more queries than can
    /// vote, an even kernel, which has no middle.
    pub fn new(capacity: usize, window: usize, kernel: usize, pooling: Pooling) -> Result<Self> {
        if !(1..=BLOCK).contains(&window) {
            return Err(Error::shape("voting queries of SnapKV", format!("1 to {BLOCK}"), window));
        }
        if capacity <= window {
            let expected =
                format!("more than the {window} last tokens, whose queries vote and which are kept");
            return Err(Error::shape("capacity of SnapKV", expected, capacity));
        }
        if kernel.is_multiple_of(2) {
            return Err(Error::shape("pooled neighbours of SnapKV", "an odd number", kernel));
        }
        Ok(Self { capacity, window, kernel, pooling })
    }

    /// Room for `capacity` tokens, with the defaults of the published code.
    ///
    /// # Errors
    /// A capacity that does not exceed the window.
    pub fn with_capacity(capacity: usize) -> Result<Self> {
        Self::new(capacity, Self::WINDOW, Self::KERNEL, Pooling::default())
    }

    /// Tokens of a layer that are kept.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Queries that vote, the last ones; their tokens are always kept.
    pub fn window(&self) -> usize {
        self.window
    }

    /// For each key-value head the best keys, `capacity` of them, less than there are.
    pub(super) fn keep(
        &self,
        backend: &impl AttentionBackend,
        inputs: &AttentionInputs<'_>,
        capacity: usize,
    ) -> Result<KeptKeys> {
        let group = inputs.group_size();
        let chosen = (0..inputs.kv_heads()).map(|kv_head| {
            let mut votes = vec![0.0f32; inputs.geometry().keys()];
            for head in kv_head * group..(kv_head + 1) * group {
                let scores = backend.last_query_scores(inputs, head, self.window)?;
                votes.iter_mut().zip(scores.columns).for_each(|(sum, x)| *sum += x);
            }
            Ok(self.choose(&votes, capacity))
        });
        Ok(KeptKeys::Chosen(chosen.collect::<Result<_>>()?))
    }

    /// The keys to keep, ascending, by the votes for each. The last ones, whose queries voted, are
    /// not elected, and lend their neighbours no votes.
    fn choose(&self, votes: &[f32], capacity: usize) -> Vec<u32> {
        let prefix = votes.len() - self.window;
        let pooled = self.pool(&votes[..prefix]);
        let mut kept = best(&pooled, 0..0, capacity - self.window);
        kept.extend((prefix..votes.len()).map(|key| key as u32));
        kept
    }

    fn pool(&self, votes: &[f32]) -> Vec<f32> {
        let reach = self.kernel / 2;
        let around = |key: usize| &votes[key.saturating_sub(reach)..(key + reach + 1).min(votes.len())];
        let pooled = |key: usize| match self.pooling {
            Pooling::Average => around(key).iter().sum::<f32>() / self.kernel as f32,
            Pooling::Maximum => around(key).iter().copied().fold(f32::NEG_INFINITY, f32::max),
        };
        (0..votes.len()).map(pooled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snap(capacity: usize, kernel: usize, pooling: Pooling) -> SnapKv {
        SnapKv::new(capacity, 2, kernel, pooling).unwrap()
    }

    #[test]
    fn neighbours_of_what_was_voted_for_stay() {
        // ten keys, of which the last two vote
        let votes = [0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.8, 0.0, 5.0, 5.0];
        let choose = |kernel, pooling, capacity| snap(capacity, kernel, pooling).choose(&votes, capacity);
        assert_eq!(choose(1, Pooling::Average, 4), [3, 6, 8, 9]);
        // 2, 3 and 4 all have the vote for 3
        assert_eq!(choose(3, Pooling::Maximum, 5), [2, 3, 4, 8, 9]);
        // with five neighbours 4 and 5 lie near both
        assert_eq!(choose(5, Pooling::Average, 4), [4, 5, 8, 9]);
    }

    #[test]
    fn zeros_beyond_the_ends_count_in_a_mean() {
        let pooled = snap(4, 3, Pooling::Average).pool(&[3.0, 0.0, 0.0, 6.0]);
        assert_eq!(pooled, [1.0, 1.0, 2.0, 2.0]);
        let pooled = snap(4, 3, Pooling::Maximum).pool(&[3.0, 0.0, 0.0, 6.0]);
        assert_eq!(pooled, [3.0, 3.0, 6.0, 6.0]);
    }

    #[test]
    fn equal_votes_keep_the_first() {
        assert_eq!(snap(5, 1, Pooling::Average).choose(&[1.0; 9], 5), [0, 1, 2, 7, 8]);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let refused = |capacity, window, kernel, part: &str| {
            let error = SnapKv::new(capacity, window, kernel, Pooling::Average).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(32, 32, 5, "more than the 32 last tokens");
        refused(0, 32, 5, "found 0");
        refused(100, 0, 5, "voting queries of SnapKV: expected 1 to 64, found 0");
        refused(100, 65, 5, "1 to 64");
        refused(100, 32, 4, "an odd number, found 4");
    }
}
