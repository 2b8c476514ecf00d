//! Q, K and V of a case.

use super::case::{Case, Filling};
use crate::element::ElementType;
use crate::inputs::AttentionInputs;
use crate::synthetic::normal;
use crate::view::TensorView;
use half::{bf16, f16};

/// A tensor's memory in its own type.
#[derive(Debug)]
pub(super) enum TensorData {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl TensorData {
    /// The numbers, rounded to a type.
    pub(super) fn new(data: Vec<f32>, element_type: ElementType) -> Self {
        match element_type {
            ElementType::F32 => Self::F32(data),
            ElementType::F16 => Self::F16(data.into_iter().map(f16::from_f32).collect()),
            ElementType::Bf16 => Self::Bf16(data.into_iter().map(bf16::from_f32).collect()),
        }
    }

    pub(super) fn view(&self, shape: [usize; 3], strides: [usize; 2]) -> crate::Result<TensorView<'_>> {
        match self {
            Self::F32(data) => TensorView::strided(data, shape, strides),
            Self::F16(data) => TensorView::strided(data, shape, strides),
            Self::Bf16(data) => TensorView::strided(data, shape, strides),
        }
    }
}

/// The inputs of a case, with the gaps between rows poisoned by NaN: a kernel that reads them is
/// found out.
#[derive(Debug)]
pub struct CaseInputs {
    tensors: [(TensorData, [usize; 3], [usize; 2]); 3],
    window: Option<usize>,
}

impl CaseInputs {
    /// Makes the inputs; the same case always gets the same.
    pub fn new(case: &Case) -> Self {
        let keys = case.queries + case.offset;
        let heads = case.kv_heads * case.group;
        let tensor = |tokens: usize, heads: usize, seed: u64| {
            let shape = [tokens, heads, case.head_dim];
            let head_stride = case.head_dim + case.gap;
            let strides = [heads * head_stride + 3 * case.gap, head_stride];
            let mut data = vec![f32::NAN; tokens * strides[0]];
            for token in 0..tokens {
                for head in 0..heads {
                    let row = &mut data[token * strides[0] + head * strides[1]..][..case.head_dim];
                    fill(row, case.filling, token, tokens, seed + head as u64, seed == 3);
                }
            }
            (TensorData::new(data, case.element_type), shape, strides)
        };
        let tensors =
            [tensor(case.queries, heads, 1), tensor(keys, case.kv_heads, 2), tensor(keys, case.kv_heads, 3)];
        Self { tensors, window: case.window }
    }

    /// Views of them.
    ///
    /// # Errors
    /// None, unless the case is impossible.
    pub fn view(&self) -> crate::Result<AttentionInputs<'_>> {
        let [q, k, v] = self.tensors.each_ref().map(|(data, shape, strides)| data.view(*shape, *strides));
        AttentionInputs::new(q?, k?, v?)?.with_sliding_window(self.window)
    }
}

fn fill(row: &mut [f32], filling: Filling, token: usize, tokens: usize, seed: u64, is_value: bool) {
    let noise = normal(row.len(), seed * 1_000_003 + token as u64);
    let head_dim = row.len();
    for (d, x) in row.iter_mut().enumerate() {
        *x = match filling {
            Filling::Noise => noise[d],
            Filling::Ones => 1.0,
            Filling::Identity => f32::from(u8::from(token % head_dim == d)),
            Filling::Ramp => (token + 1) as f32 / tokens as f32,
            Filling::LargeScores if is_value => noise[d],
            // q . k / sqrt(head_dim) is then about 3e3 of a standard deviation
            Filling::LargeScores => 55.0 * noise[d],
            Filling::OutlierChannels if !is_value && [3, 17, 40].contains(&d) => 8.0 * noise[d],
            Filling::OutlierChannels => noise[d],
        };
    }
}
