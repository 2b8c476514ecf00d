//! The logic of narrow ranges on any machine with AVX2: the kernels with `f16` values emulated.

use super::super::CpuBackend;
use super::super::attend::attend_with;
use super::super::instances;
use super::super::instruction_set::{Arithmetic, InstructionSet};
use crate::backend::{AttentionBackend, BlockScoreVisitor, Crossover, HeadCost, LineScores};
use crate::conformance::conforms;
use crate::element::ElementType;
use crate::error::Result;
use crate::inputs::AttentionInputs;
use crate::lowering::Lowering;
use crate::view::TensorViewMut;

/// AVX2, whose attention of several queries has emulated `f16` values.
struct Emulated(CpuBackend);

impl AttentionBackend for Emulated {
    fn last_query_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        last: usize,
    ) -> Result<LineScores> {
        self.0.last_query_scores(inputs, head, last)
    }
    fn pooled_block_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        visitor: BlockScoreVisitor<'_>,
    ) -> Result<()> {
        self.0.pooled_block_scores(inputs, head, visitor)
    }
    fn attend_lowered(
        &self,
        inputs: &AttentionInputs<'_>,
        heads: &[Lowering<'_>],
        output: &mut TensorViewMut<'_>,
    ) -> Result<Vec<HeadCost>> {
        // As the instruction set with f16 arithmetic chooses.
        let kernels = match inputs.k().element_type() {
            ElementType::Bf16 => &instances::AVX2,
            _ => &instances::AVX2_EMULATED_FP16,
        };
        attend_with(&self.0, kernels, inputs, heads, output)
    }
    fn description(&self, element_type: ElementType) -> String {
        self.0.description(element_type)
    }

    fn crossover(&self, element_type: ElementType) -> Crossover {
        self.0.crossover(element_type)
    }
}

#[test]
fn half_precision_probabilities_conform() {
    if !InstructionSet::Avx2.is_available() {
        println!("skipped: this machine lacks AVX2");
        return;
    }
    let builder = CpuBackend::builder().threads(2).instruction_set(InstructionSet::Avx2);
    let backend = Emulated(builder.arithmetic(Arithmetic::F32).build().unwrap());
    conforms(&backend, |_| ElementType::Bf16).unwrap_or_else(|failures| panic!("{failures}"));
}
