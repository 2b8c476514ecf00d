//! [`MatchedShape`]: patterns whose budget is set by how much they compute.

use crate::error::Result;
use minference_attention::index::BLOCK;
use minference_attention::pattern::{a_shape, tri_shape};
use minference_attention::{Geometry, HeadPattern, Lowering, SparseIndex};

/// Last queries of tri-shape, which see everything: the original's.
const LAST: usize = 100;

/// A shape for all heads whose budget is the largest that computes no more than a share of the
/// prompt's attention.
///
/// Which keys block-sparse attends to depends on the prompt, how many does not. (Of vertical-slash
/// it does, which is why it is not here.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchedShape {
    /// A fifth of the budget are first keys, the rest nearest keys, as in the paper's (1024, 4096).
    AShape,
    /// A thirty-second of the budget are first keys, as in the original's (128, 3968, 100).
    TriShape,
    /// Blocks of 64 keys.
    BlockSparse,
}

impl MatchedShape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AShape, Self::TriShape, Self::BlockSparse];

    /// As commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AShape => "a-shape",
            Self::TriShape => "tri-shape",
            Self::BlockSparse => "block-sparse",
        }
    }

    /// The pattern for a prompt.
    ///
    /// - `share`: of the prompt's attention, 0 to 1
    ///
    /// # Errors
    /// A prompt longer than indices can speak of.
    pub fn pattern(self, tokens: usize, share: f64) -> Result<HeadPattern> {
        let geometry = Geometry::prefill(tokens);
        let most = share * geometry.causal_pairs() as f64;
        let (mut within, mut beyond) = (0, tokens + 1);
        while beyond - within > 1 {
            let middle = within.midpoint(beyond);
            let index = self.index(geometry, middle)?;
            if Lowering::new(&index, geometry)?.pairs() as f64 <= most {
                within = middle;
            } else {
                beyond = middle;
            }
        }
        Ok(self.with_budget(within))
    }

    fn with_budget(self, budget: usize) -> HeadPattern {
        let (fifth, small) = (budget / 5, budget / 32);
        match self {
            Self::AShape => HeadPattern::AShape { sink: fifth, local: (budget - fifth).max(1) },
            Self::TriShape => {
                HeadPattern::TriShape { sink: small, local: (budget - small).max(1), last: LAST }
            }
            Self::BlockSparse => HeadPattern::BlockSparse { top_k: budget.max(1) },
        }
    }

    /// An index that computes as much as the pattern with a budget.
    fn index(self, geometry: Geometry, budget: usize) -> Result<SparseIndex> {
        match self.with_budget(budget) {
            HeadPattern::AShape { sink, local } => Ok(a_shape::index(geometry, sink, local)?),
            HeadPattern::TriShape { sink, local, last } => Ok(tri_shape::index(geometry, sink, local, last)?),
            _ => {
                let blocks = geometry.keys().div_ceil(BLOCK) as u32;
                let nearest = |block: u32| (block.saturating_sub(budget.max(1) as u32 - 1)..=block).collect();
                Ok(SparseIndex::blocks(&(0..blocks).map(nearest).collect::<Vec<Vec<u32>>>())?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_attention::synthetic::Random;
    use minference_attention::{AttentionInputs, CpuBackend, TensorView};

    #[test]
    fn budgets_compute_the_share_that_they_should_and_no_more() {
        let tokens = 2500;
        let mut random = Random::new(5);
        let data: Vec<f32> = (0..tokens * 8).map(|_| random.below(100) as f32 / 100.0).collect();
        let view = || TensorView::new(&data, [tokens, 1, 8]).unwrap();
        let inputs = AttentionInputs::new(view(), view(), view()).unwrap();
        let backend = CpuBackend::new().unwrap();
        let geometry = Geometry::prefill(tokens);
        for shape in MatchedShape::ALL {
            for wanted in [0.2, 0.5, 0.85] {
                let pattern = shape.pattern(tokens, wanted).unwrap();
                let index = pattern.select(&backend, &inputs, 0).unwrap();
                let pairs = Lowering::new(&index, geometry).unwrap().pairs();
                let share = pairs as f64 / geometry.causal_pairs() as f64;
                assert!(share <= wanted && share > wanted - 0.05, "{pattern}: {share} of {wanted}");
            }
            // extremes are patterns, too
            assert!(shape.pattern(1, 0.0).is_ok() && shape.pattern(100, 1.0).is_ok());
        }
    }
}
