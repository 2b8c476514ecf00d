//! PyramidKV (Cai et al., arXiv 2406.02069): SnapKV with budgets that fall from the first layer to
//! the last.
//!
//! Lower layers attend to much, upper ones to little. The tokens whose queries vote are kept
//! everywhere. Beside them the last layer keeps a twentieth of the mean, the first as much more
//! than the mean as that is less, and those between lie on a line, so that all layers together keep
//! what SnapKV would (a little more, as the published code rounds). A prompt shorter than twice the
//! mean is kept as by SnapKV.

use super::SnapKv;

/// Keeps what the last queries attend to, more of it in the first layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyramidKv {
    votes: SnapKv,
}

/// The last layer keeps one part in so many of the mean: `beta` of the published code.
const STEEPNESS: usize = 20;

impl PyramidKv {
    /// With the mean capacity, and the votes, of a [`SnapKv`].
    pub fn new(votes: SnapKv) -> Self {
        Self { votes }
    }

    /// How queries vote, with the mean capacity.
    pub fn votes(&self) -> &SnapKv {
        &self.votes
    }

    /// Tokens to keep of a layer's `tokens`. Where the first layer would keep more than there are,
    /// the line is less steep.
    pub fn capacity(&self, layer: usize, layers: usize, tokens: usize) -> usize {
        let window = self.votes.window();
        let mean = self.votes.capacity() - window;
        if tokens <= self.votes.capacity() || tokens / 2 < mean || layers < 2 {
            return self.votes.capacity().min(tokens);
        }
        let first = (2 * mean - mean / STEEPNESS).min(tokens - window);
        let last = 2 * mean - first;
        let step = (first - last) / (layers - 1);
        window + first - layer * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacities(capacity: usize, layers: usize, tokens: usize) -> Vec<usize> {
        let pyramid = PyramidKv::new(SnapKv::with_capacity(capacity).unwrap());
        (0..layers).map(|layer| pyramid.capacity(layer, layers, tokens)).collect()
    }

    #[test]
    fn the_first_layers_keep_more_and_all_together_as_much() {
        let found = capacities(2032, 24, 30_000);
        assert_eq!((found[0], found[23]), (32 + 3900, 32 + 3900 - 23 * 165));
        assert!(found.is_sorted_by(|a, b| a > b));
        let (sum, snap) = (found.iter().sum::<usize>(), 24 * 2032);
        // steps are whole tokens
        assert!(sum.abs_diff(snap) <= 24 * 24 / 2, "{sum} of {snap}");
    }

    #[test]
    fn no_layer_keeps_more_than_there_is() {
        // the line from 1.95 times the mean would leave the prompt
        assert_eq!(capacities(132, 5, 200), [200, 166, 132, 98, 64]);
        assert_eq!(capacities(132, 3, 199), [132; 3]);
        assert_eq!(capacities(1032, 3, 500), [500; 3]);
        // a window beside which there is hardly any room
        assert_eq!(capacities(40, 3, 20), [20; 3]);
        assert_eq!(capacities(52, 3, 45), [45; 3]);
        assert_eq!(capacities(usize::MAX, 3, 45), [45; 3]);
        assert_eq!(capacities(1032, 1, 5000), [1032]);
    }
}
