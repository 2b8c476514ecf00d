//! The cases: every head_dim and type with every kind of keys, and then what few calls need.

use crate::case::{Case, Filling, Keys};
use crate::report::{Outcome, Report};
use half::{bf16, f16};
use minference_attention::ElementType;
use minference_attention::conformance::{Roundings, conforms_with};
use minference_cuda::CudaDevice;

const HEAD_DIMS: [usize; 6] = [64, 80, 96, 128, 192, 256];

/// Everything on one instruction set.
pub(crate) fn run(device: &CudaDevice, seed: u64, report: &mut Report) {
    for (i, case) in all().into_iter().enumerate() {
        let seed = seed.wrapping_mul(1000).wrapping_add(i as u64);
        let kernels = device.attention_kernels();
        // Outputs of the inputs' type and f32 take turns; what lies behind a sink is below f16's
        // range.
        let narrow_f16 = i % 2 == 1 && case.filling != Filling::Sink;
        if !narrow_f16 {
            report.case(&format!("{kernels} bf16: {case}"), || case.run::<bf16, bf16>(device, seed));
        }
        if !narrow_f16 && case.keys < LONG {
            report.case(&format!("{kernels} f16, f32 out: {case}"), || case.run::<f16, f32>(device, seed));
        }
        if narrow_f16 {
            report.case(&format!("{kernels} f16: {case}"), || case.run::<f16, f16>(device, seed));
        }
        if narrow_f16 && case.keys < LONG {
            report.case(&format!("{kernels} bf16, f32 out: {case}"), || case.run::<bf16, f32>(device, seed));
        }
    }
}

/// From so many keys on a case runs with one type only.
const LONG: usize = 10_000;

fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    // Lengths below, at and above halves, stages and tiles; the other dimensions turn.
    let lengths = [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 193, 255, 257, 700, 2100];
    let kinds = [Keys::Dense, Keys::Lines, Keys::Blocks(30)];
    for (d, head_dim) in HEAD_DIMS.into_iter().enumerate() {
        for (l, queries) in lengths.into_iter().enumerate() {
            let turn = 5 * d + l;
            let offset = [0, 0, 1, 64, 100, 128, 333][turn % 7];
            cases.push(Case {
                queries,
                keys: queries + offset,
                kv_heads: 1 + turn % 2,
                group: [1, 3, 7, 2][turn % 4],
                head_dim,
                sees: kinds[turn % 3],
                window: [None, None, Some(1), None, Some(90)][turn % 5],
                gap: [0, 0, 8][turn % 3],
                filling: [Filling::Noise, Filling::LargeScores, Filling::Sink][turn / 2 % 3],
                ..Case::default()
            });
        }
        // What few calls need, each alone and together.
        let case = Case { queries: 400, keys: 1000, kv_heads: 2, group: 4, head_dim, ..Case::default() };
        let lines = Case { sees: Keys::Lines, ..case };
        cases.extend([
            Case { softcap: Some(20.0), ..case },
            Case { sink_logits: true, ..lines },
            Case { page_tokens: Some(16), ..case },
            Case { page_tokens: Some(64), gap: 8, ..lines },
            Case { page_tokens: Some(256), sees: Keys::Blocks(40), ..case },
            Case {
                page_tokens: Some(32),
                softcap: Some(50.0),
                sink_logits: true,
                window: Some(300),
                ..lines
            },
        ]);
        // Decoding steps, by tiles and by the kernel for them.
        for keys in [1, 15, 64, 65, 300, 1000, 30_000] {
            let step = Case { queries: 1, keys, kv_heads: 2, group: 4, head_dim, ..Case::default() };
            cases.extend([step, Case { decodes: true, ..step }]);
        }
        let step = Case { queries: 1, keys: 5000, decodes: true, ..case };
        cases.extend([
            Case { page_tokens: Some(16), sink_logits: true, ..step },
            Case { window: Some(777), gap: 8, ..step },
            Case { group: 17, softcap: Some(30.0), ..step },
            Case { page_tokens: Some(128), window: Some(3000), filling: Filling::Sink, ..step },
        ]);
    }
    cases.extend(long());
    cases
}

/// Long prompts, and chunks of very long ones.
fn long() -> Vec<Case> {
    let whole = Case { queries: 20_000, keys: 20_000, kv_heads: 1, group: 4, ..Case::default() };
    let million = Case { queries: 256, keys: 1 << 20, ..Case::default() };
    vec![
        whole,
        Case { sees: Keys::Lines, ..whole },
        Case { sees: Keys::Blocks(10), head_dim: 64, ..whole },
        Case { sees: Keys::Lines, filling: Filling::Sink, head_dim: 64, ..whole },
        million,
        Case { sees: Keys::Lines, ..million },
        Case { sees: Keys::Blocks(2), head_dim: 64, ..million },
        Case { filling: Filling::Sink, ..million },
        Case { queries: 1, group: 8, ..million },
        Case { queries: 1, group: 8, decodes: true, ..million },
        Case { queries: 1, group: 8, head_dim: 64, decodes: true, filling: Filling::Sink, ..million },
        Case { queries: 100, window: Some(70_000), page_tokens: Some(16), ..million },
    ]
}

/// The battery that every backend must pass, through tensors of the host.
pub(crate) fn conformance(device: &CudaDevice) -> Outcome {
    let precision = |element_type| match element_type {
        ElementType::Bf16 => ElementType::Bf16,
        ElementType::F16 | ElementType::F32 => ElementType::F16,
    };
    let roundings = Roundings { inputs: &[ElementType::F32], dominant_keys: true, truncated_sums: true };
    Ok(format!("{} cases", conforms_with(device, precision, roundings)?))
}
