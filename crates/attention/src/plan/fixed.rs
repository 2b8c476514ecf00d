//! [`FixedIndex`]: what a head attended to in one prompt, for use in others.
//!
//! The paper's ablation "static": the index of one prompt serves all. It shows what the online
//! estimate is worth, and is no way to compute attention that should be right.

use crate::error::Result;
use crate::geometry::Geometry;
use crate::index::{BLOCK, SparseIndex};
use crate::pattern::HeadPattern;

/// What a head chose in some prompt.
///
/// In other prompts, columns and diagonals stay where they are. Blocks of a query block are those
/// of the query block at the same place in the prompt that chose, or of its last one; each query
/// sees its own block.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedIndex {
    /// The pattern that chose.
    pub pattern: HeadPattern,
    /// What it chose in a whole prompt, or dense where sparse attention did not pay.
    pub index: SparseIndex,
}

impl FixedIndex {
    /// The index for a prompt or chunk of another length.
    ///
    /// # Errors
    /// None in fact: lines and blocks stay in order.
    pub fn fit(&self, geometry: Geometry) -> Result<SparseIndex> {
        let blocks = match &self.index {
            SparseIndex::Dense => return Ok(SparseIndex::Dense),
            // lines beyond the prompt have no effect; which queries come last is another matter
            SparseIndex::Lines(lines) => {
                let index = SparseIndex::lines(lines.columns().to_vec(), lines.diagonals().to_vec())?;
                return Ok(match self.pattern {
                    HeadPattern::TriShape { last, .. } => {
                        index.with_dense_from(geometry.queries().saturating_sub(last))
                    }
                    _ => index,
                });
            }
            SparseIndex::Blocks(blocks) => blocks,
        };
        let rows: Vec<Vec<u32>> = (0..geometry.query_blocks())
            .map(|block| {
                let queries = geometry.block_queries(block);
                let own = queries.start / BLOCK..queries.end.div_ceil(BLOCK);
                let place = (queries.start / BLOCK).min(blocks.query_blocks().saturating_sub(1));
                let chosen = if blocks.query_blocks() == 0 { &[] } else { blocks.key_blocks(place) };
                let before = chosen.iter().copied().filter(|&key_block| (key_block as usize) < own.start);
                before.chain(own.clone().map(|key_block| key_block as u32)).collect()
            })
            .collect();
        SparseIndex::blocks(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuBackend;
    use crate::inputs::AttentionInputs;
    use crate::layer::{LayerReport, attend_layer};
    use crate::layout::KeyLayout;
    use crate::lowering::Lowering;
    use crate::pattern::tri_shape;
    use crate::plan::{HeadPlan, LayerPlan, PlannedHead, plan_layer};
    use crate::synthetic::Random;
    use crate::view::{TensorView, TensorViewMut};

    const HEADS: usize = 3;
    const DIM: usize = 8;

    fn random(tokens: usize, heads: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..tokens * heads * DIM).map(|_| random.below(2000) as f32 / 1000.0 - 1.0).collect()
    }

    /// Attends `queries` of `keys` tokens with given heads, or with the patterns' own estimates.
    fn attend(
        queries: usize,
        keys: usize,
        seed: u64,
        heads: Option<&[FixedIndex]>,
    ) -> (Vec<f32>, LayerReport) {
        attend_with_question(queries, keys, seed, heads, 0)
    }

    /// The same, the last `dense_queries` seeing everything.
    fn attend_with_question(
        queries: usize,
        keys: usize,
        seed: u64,
        heads: Option<&[FixedIndex]>,
        dense_queries: usize,
    ) -> (Vec<f32>, LayerReport) {
        let backend = CpuBackend::builder().threads(1).build().unwrap();
        let [q, k, v] =
            [(queries, HEADS, 0), (keys, 1, 1), (keys, 1, 2)].map(|(t, h, s)| random(t, h, seed + s));
        let (shape, kv) = ([queries, HEADS, DIM], [keys, 1, DIM]);
        let view = |data, shape| TensorView::new(data, shape).unwrap();
        let inputs = AttentionInputs::new(view(&q, shape), view(&k, kv), view(&v, kv)).unwrap();
        let mut output = vec![0.0f32; queries * HEADS * DIM];
        let mut target = TensorViewMut::new(&mut output, shape).unwrap();
        let plan = match heads {
            Some(heads) => fixed_plan(heads),
            None => LayerPlan::from(&patterns()),
        };
        let report =
            attend_layer(&backend, &inputs, LayerPlan { dense_queries, ..plan }, &mut target).unwrap();
        (output, report)
    }

    fn fixed_plan(heads: &[FixedIndex]) -> LayerPlan<'static> {
        let heads = heads.iter().map(|head| HeadPlan::Fixed(head.clone())).collect();
        LayerPlan { heads, dense_queries: 0 }
    }

    fn patterns() -> Vec<HeadPattern> {
        vec![
            HeadPattern::VerticalSlash { vertical: 60, slash: 100 },
            HeadPattern::BlockSparse { top_k: 4 },
            HeadPattern::AShape { sink: 16, local: 200 },
        ]
    }

    fn fixed(tokens: usize, seed: u64) -> Vec<FixedIndex> {
        let backend = CpuBackend::builder().threads(1).build().unwrap();
        let [q, k, v] = [(HEADS, 0), (1, 1), (1, 2)].map(|(h, s)| random(tokens, h, seed + s));
        let view = |data, heads| TensorView::new(data, [tokens, heads, DIM]).unwrap();
        let inputs = AttentionInputs::new(view(&q, HEADS), view(&k, 1), view(&v, 1)).unwrap();
        let planned = plan_layer(&backend, &inputs, &patterns()).unwrap();
        let fix = |head: PlannedHead| FixedIndex {
            pattern: head.report.pattern,
            index: head.lowering.into_index(),
        };
        planned.into_iter().map(fix).collect()
    }

    #[test]
    fn in_its_own_prompt_a_fixed_index_gives_what_the_estimate_gave() {
        let heads = fixed(3000, 7);
        assert!(heads.iter().all(|head| !head.index.is_dense()));
        let (own, report) = attend(3000, 3000, 7, Some(&heads));
        let (estimated, expected) = attend(3000, 3000, 7, None);
        assert_eq!(own, estimated);
        assert_eq!(report.pairs(), expected.pairs());
        // elsewhere it is another index
        let (other, _) = attend(3000, 3000, 8, Some(&heads));
        assert_ne!(other, attend(3000, 3000, 8, None).0);
    }

    #[test]
    fn the_last_queries_see_everything_if_asked_to() {
        let heads = fixed(3000, 7);
        let (own, report) = attend_with_question(3000, 3000, 7, Some(&heads), 64);
        let (estimated, expected) = attend_with_question(3000, 3000, 7, None, 64);
        assert_eq!(own, estimated);
        assert_eq!(report.pairs(), expected.pairs());
        assert!(report.pairs() > attend(3000, 3000, 7, Some(&heads)).1.pairs());
        // two blocks, each with a query that is dense
        let (_, short) = attend_with_question(100, 2600, 3, Some(&heads), 64);
        assert!(short.heads.iter().all(|head| head.ran_dense));
    }

    #[test]
    fn the_last_queries_of_a_tri_shape_are_those_of_each_prompt() {
        let pattern = HeadPattern::TriShape { sink: 16, local: 64, last: 100 };
        let index = |tokens| tri_shape::index(Geometry::prefill(tokens), 16, 64, 100).unwrap();
        let fixed = FixedIndex { pattern, index: index(1000) };
        let refitted = fixed.fit(Geometry::prefill(3000)).unwrap();
        assert_eq!(refitted, index(3000));
    }

    #[test]
    fn other_lengths_and_chunks_get_an_index_that_fits() {
        let heads = fixed(3000, 7);
        for (queries, keys) in [(1, 1), (1, 900), (64, 64), (700, 700), (40, 3037), (3100, 3100), (130, 2600)]
        {
            let (output, report) = attend(queries, keys, 3, Some(&heads));
            assert!(output.iter().all(|x| x.is_finite()));
            assert!(report.pairs() <= report.causal_pairs());
            assert_eq!(queries == 1, report.heads.iter().all(|head| head.ran_dense));
        }
        // every query of a chunk sees itself
        let geometry = Geometry::chunk(130, 2600, None).unwrap();
        let index = heads[1].fit(geometry).unwrap();
        let (lowering, mut layout) = (Lowering::new(&index, geometry).unwrap(), KeyLayout::default());
        for block in 0..geometry.query_blocks() {
            lowering.layout_into(block, &mut layout);
            assert!(layout.queries().all(|i| layout.contains(i, i)));
        }
    }

    #[test]
    fn another_number_of_heads_is_refused() {
        let backend = CpuBackend::new().unwrap();
        let data = random(4, HEADS, 0);
        let view = || TensorView::new(&data, [4, HEADS, DIM]).unwrap();
        let inputs = AttentionInputs::new(view(), view(), view()).unwrap();
        let mut output = vec![0.0f32; data.len()];
        let mut target = TensorViewMut::new(&mut output, [4, HEADS, DIM]).unwrap();
        let plan = fixed_plan(&fixed(100, 1)[..2]);
        let error = attend_layer(&backend, &inputs, plan, &mut target).unwrap_err();
        assert!(error.to_string().contains("3 query heads"), "{error}");
    }
}
