//! Q, K and V for benchmarks: noise, planted structure, or recorded heads.

use anyhow::{Context, Result, bail, ensure};
use half::{bf16, f16};
use minference_attention::inputs::MAX_TOKENS;
use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor};
use minference_attention::synthetic::{Planted, normal, planted_head};
use minference_attention::{AttentionInputs, ElementType, TensorView, files};
use minference_model::memory;
use safetensors::tensor::{Dtype, SafeTensors};
use std::path::Path;

/// One tensor, `[tokens, heads, head_dim]`.
#[derive(Debug)]
pub(crate) struct Tensor {
    data: BenchData,
    shape: [usize; 3],
}

#[derive(Debug)]
enum BenchData {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    Codes(QuantizedTensor),
}

impl Tensor {
    fn new(values: Vec<f32>, shape: [usize; 3], element_type: ElementType) -> Self {
        let data = match element_type {
            ElementType::F32 => BenchData::F32(values),
            ElementType::F16 => BenchData::F16(values.into_iter().map(f16::from_f32).collect()),
            ElementType::Bf16 => BenchData::Bf16(values.into_iter().map(bf16::from_f32).collect()),
        };
        Self { data, shape }
    }

    fn view(&self) -> minference_attention::Result<TensorView<'_>> {
        match &self.data {
            BenchData::F32(data) => TensorView::new(data, self.shape),
            BenchData::F16(data) => TensorView::new(data, self.shape),
            BenchData::Bf16(data) => TensorView::new(data, self.shape),
            BenchData::Codes(data) => Ok(data.view()),
        }
    }

    /// The same numbers in codes.
    fn quantized(&self, bits: CodeBits, grouping: Grouping) -> Result<Self> {
        let [tokens, heads, head_dim] = self.shape;
        let mut codes =
            QuantizedTensor::with_capacity("quantised inputs", tokens, [heads, head_dim], bits, grouping)?;
        let (view, mut rows) = (self.view()?, vec![0.0f32; tokens.min(1024) * heads * head_dim]);
        for first in (0..tokens).step_by(1024) {
            let rows = &mut rows[..(tokens - first).min(1024) * heads * head_dim];
            for (i, row) in rows.chunks_exact_mut(head_dim).enumerate() {
                view.read_row(first + i / heads, i % heads, row);
            }
            codes.append(rows);
        }
        Ok(Self { data: BenchData::Codes(codes), shape: self.shape })
    }
}

/// Q, K and V of one layer.
#[derive(Debug)]
pub(crate) struct Inputs {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

/// Sizes of generated inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputSizes {
    pub(crate) tokens: usize,
    pub(crate) queries: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) element_type: ElementType,
}

impl InputSizes {
    /// Refuses sizes beyond what the kernels take, before memory is asked for.
    pub(crate) fn check(&self) -> Result<()> {
        const MAX_ROW: usize = 1 << 20;
        let tokens = self.tokens;
        ensure!((1..=MAX_TOKENS).contains(&tokens), "--tokens: expected 1 to {MAX_TOKENS}, found {tokens}");
        ensure!(self.heads > 0 && self.kv_heads > 0, "--heads and --kv-heads: expected at least 1");
        let row = self.heads.max(self.kv_heads).checked_mul(self.head_dim);
        ensure!(
            row.is_some_and(|row| row <= MAX_ROW),
            "--heads times --head-dim: expected at most {MAX_ROW}, found {} times {}",
            self.heads.max(self.kv_heads),
            self.head_dim
        );
        Ok(())
    }
}

impl Inputs {
    /// Standard normal numbers.
    pub(crate) fn noise(sizes: InputSizes, seed: u64) -> Self {
        let InputSizes { tokens, queries, heads, kv_heads, head_dim, element_type } = sizes;
        let tensor = |tokens: usize, heads: usize, seed: u64| {
            let shape = [tokens, heads, head_dim];
            Tensor::new(normal(shape.iter().product(), seed), shape, element_type)
        };
        Self {
            q: tensor(queries, heads, seed.wrapping_mul(3)),
            k: tensor(tokens, kv_heads, seed.wrapping_mul(3).wrapping_add(1)),
            v: tensor(tokens, kv_heads, seed.wrapping_mul(3).wrapping_add(2)),
        }
    }

    /// The same with keys and values in codes.
    pub(crate) fn quantized(self, bits: CodeBits) -> Result<Self> {
        let (k, v) = (&self.k, &self.v);
        let (k, v) = (k.quantized(bits, Grouping::PerChannel)?, v.quantized(bits, Grouping::PerToken)?);
        Ok(Self { k, v, ..self })
    }

    /// Heads that look at planted columns and diagonals; every key-value head has its own, shared
    /// by the queries of its group.
    pub(crate) fn planted(sizes: InputSizes, seed: u64) -> Self {
        let InputSizes { tokens, heads, kv_heads, head_dim, element_type, .. } = sizes;
        let mut q = vec![0.0; tokens * heads * head_dim];
        let mut k = vec![0.0; tokens * kv_heads * head_dim];
        let mut v = k.clone();
        let place = |all: &mut [f32], rows: &[f32], heads: usize, head: usize| {
            for (row, token) in rows.chunks_exact(head_dim).zip(all.chunks_exact_mut(heads * head_dim)) {
                token[head * head_dim..][..head_dim].copy_from_slice(row);
            }
        };
        let group = heads / kv_heads;
        for kv_head in 0..kv_heads {
            let seed = seed.wrapping_mul(1000).wrapping_add(kv_head as u64);
            let head = planted_head(tokens, head_dim, &Planted::typical(tokens, seed), seed);
            place(&mut k, &head.k, kv_heads, kv_head);
            place(&mut v, &head.v, kv_heads, kv_head);
            for query_head in kv_head * group..(kv_head + 1) * group {
                place(&mut q, &head.q, heads, query_head);
            }
        }
        let tensor = |values, heads| Tensor::new(values, [tokens, heads, head_dim], element_type);
        Self { q: tensor(q, heads), k: tensor(k, kv_heads), v: tensor(v, kv_heads) }
    }

    /// Recorded heads: a safetensors file with `q`, `k` and `v`, each `[tokens, heads, head_dim]`
    /// in f32, f16 or bf16, rotary embedding applied.
    pub(crate) fn recorded(path: &Path, element_type: ElementType) -> Result<Self> {
        // a bound that no machine has, where the system does not say what is free
        let limit = memory::available().unwrap_or(u64::MAX);
        let bytes = files::read(path, limit).with_context(|| format!("can't read {}", path.display()))?;
        let file = SafeTensors::deserialize(&bytes)
            .with_context(|| format!("{} is not a valid safetensors file", path.display()))?;
        let tensor = |name: &str| -> Result<Tensor> {
            let tensor = file.tensor(name).with_context(|| {
                format!("{}: expected tensors q, k and v, found {:?}", path.display(), file.names())
            })?;
            let &[tokens, heads, head_dim] = tensor.shape() else {
                bail!(
                    "{}: expected {name} of shape [tokens, heads, head_dim], found {:?}",
                    path.display(),
                    tensor.shape()
                );
            };
            let data = tensor.data();
            let halves = || data.as_chunks::<2>().0.iter().map(|&b| u16::from_le_bytes(b));
            let values: Vec<f32> = match tensor.dtype() {
                Dtype::F32 => data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                Dtype::F16 => halves().map(|b| f16::from_bits(b).to_f32()).collect(),
                Dtype::BF16 => halves().map(|b| bf16::from_bits(b).to_f32()).collect(),
                other => {
                    bail!("{}: expected {name} in f32, f16 or bf16, found {other:?}", path.display())
                }
            };
            Ok(Tensor::new(values, [tokens, heads, head_dim], element_type))
        };
        let inputs = Self { q: tensor("q")?, k: tensor("k")?, v: tensor("v")? };
        inputs.view().with_context(|| path.display().to_string())?;
        let (queries, keys) = (inputs.q.shape[0], inputs.k.shape[0]);
        ensure!(
            queries == keys,
            "{}: expected as many queries as keys, a whole prompt, found {queries} and {keys}",
            path.display()
        );
        ensure!(queries > 1, "{}: expected a prompt, found one token", path.display());
        Ok(inputs)
    }

    /// The attention problem of the first `tokens` tokens.
    pub(crate) fn first_tokens(&self, tokens: usize) -> Result<AttentionInputs<'_>> {
        let available = self.k.shape[0];
        ensure!(
            (1..=available).contains(&tokens),
            "--tokens: expected 1 to {available}, as many as the input holds, found {tokens}"
        );
        let [q, k, v] = [&self.q, &self.k, &self.v].map(|tensor| tensor.view()?.token_range(0, tokens));
        Ok(AttentionInputs::new(q?, k?, v?)?)
    }

    /// The attention problem.
    pub(crate) fn view(&self) -> minference_attention::Result<AttentionInputs<'_>> {
        AttentionInputs::new(self.q.view()?, self.k.view()?, self.v.view()?)
    }
}
