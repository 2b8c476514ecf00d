//! Runs every instance that the machine has on small shapes and compares it with the oracle: short
//! enough for valgrind and sanitizers, which look for reads and writes outside the buffers.

use minference_attention::conformance::{Case, Filling, check};
use minference_attention::{Arithmetic, CpuBackend, ElementType, HeadPattern, InstructionSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let patterns = [
        HeadPattern::Dense,
        HeadPattern::AShape { sink: 3, local: 40 },
        HeadPattern::TriShape { sink: 20, local: 20, last: 10 },
        HeadPattern::VerticalSlash { vertical: 35, slash: 101 },
        HeadPattern::BlockSparse { top_k: 2 },
    ];
    let types = [ElementType::F32, ElementType::F16, ElementType::Bf16];
    for set in InstructionSet::available() {
        for arithmetic in [Arithmetic::F32, Arithmetic::Bits16] {
            if arithmetic == Arithmetic::Bits16 && !set.has_16_bit_arithmetic() {
                continue;
            }
            let builder = CpuBackend::builder().threads(1).instruction_set(set).arithmetic(arithmetic);
            let backend = builder.build()?;
            let mut cases = 0;
            for (i, queries) in [1, 15, 64, 65, 150].into_iter().enumerate() {
                for (p, pattern) in patterns.into_iter().enumerate() {
                    let turn = 5 * i + p;
                    let case = Case {
                        queries,
                        offset: [0, 77, 1][turn % 3],
                        kv_heads: 1,
                        group: [1, 3][turn % 2],
                        head_dim: [8, 72, 64, 16][turn % 4],
                        element_type: types[(turn / 2) % 3],
                        gap: [0, 3][(turn / 3) % 2],
                        window: [None, None, Some(33)][(turn / 2) % 3],
                        pattern,
                        filling: Filling::Noise,
                    };
                    let accuracy = check(&backend, &case, case.element_type)?;
                    let limit = if arithmetic == Arithmetic::F32 { 1e-5 } else { 2e-2 };
                    if accuracy.error().is_nan() || accuracy.error() > limit {
                        return Err(format!("{set}, {case}: error {:.1e}", accuracy.error()).into());
                    }
                    cases += 1;
                }
            }
            println!("{set}, {arithmetic} arithmetic: {cases} cases");
        }
    }
    Ok(())
}
