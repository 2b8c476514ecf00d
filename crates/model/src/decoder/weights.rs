//! [`ModelWeights`]: a model's parameters, as the decoder wants them, whatever file they came from.
//!
//! Matrices stay as the file stores them (quantised, 16 bits or `f32`), usually memory-mapped;
//! vectors are `f32`. A projection that a family fuses (Phi-3's `qkv_proj`) arrives here as its
//! parts, since rows of a matrix can be cut out without a copy.
//!
//! The types are generic over what holds a matrix and a vector: as a file has them, which is how
//! the CPU reads them, or as another device keeps them.

use crate::decoder::config::ModelConfig;
use crate::device::matrix::Matrix;
use crate::error::{Error, Result};

/// All parameters of a model.
#[derive(Debug, Clone)]
pub struct ModelWeights<M = Matrix, V = Vec<f32>> {
    /// `[vocabulary, hidden]`
    pub embedding: M,
    /// One entry per layer.
    pub layers: Vec<LayerWeights<M, V>>,
    /// `[hidden]`
    pub final_norm: V,
    /// `[vocabulary, hidden]`; the embedding's own matrix where the model ties them.
    pub output: M,
}

/// The parameters of one layer. Norms already hold what rows are multiplied by (Gemma's `1 + w`,
/// not `w`).
#[derive(Debug, Clone)]
pub struct LayerWeights<M = Matrix, V = Vec<f32>> {
    /// Norm before attention, `[hidden]`.
    pub attention_norm: V,
    /// `[heads * head_dim, hidden]`
    pub query: Projection<M, V>,
    /// `[kv_heads * head_dim, hidden]`
    pub key: Projection<M, V>,
    /// `[kv_heads * head_dim, hidden]`
    pub value: Projection<M, V>,
    /// Norm of each query head's row, `[head_dim]` (Qwen3, Gemma 3).
    pub query_norm: Option<V>,
    /// Norm of each key head's row, `[head_dim]`.
    pub key_norm: Option<V>,
    /// `[hidden, heads * head_dim]`
    pub output: Projection<M, V>,
    /// Norm of the attention's result before it is added, `[hidden]` (Gemma 3, GLM-4-0414).
    pub post_attention_norm: Option<V>,
    /// Norm before the MLP, `[hidden]`.
    pub mlp_norm: V,
    /// `[intermediate, hidden]`
    pub gate: Projection<M, V>,
    /// `[intermediate, hidden]`
    pub up: Projection<M, V>,
    /// `[hidden, intermediate]`
    pub down: Projection<M, V>,
    /// Norm of the MLP's result before it is added, `[hidden]`.
    pub post_mlp_norm: Option<V>,
}

/// A matrix, with a bias where the model has one.
#[derive(Debug, Clone)]
pub struct Projection<M = Matrix, V = Vec<f32>> {
    /// `[outputs, inputs]`
    pub matrix: M,
    /// `[outputs]`
    pub bias: Option<V>,
}

impl ModelWeights {
    /// All matrices, in the order in which a forward pass reads them; the output's is the
    /// embedding's where the model ties them.
    ///
    /// To have mapped weights in memory before a clock starts, [`Matrix::preload`] them all.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let layers = self.layers.iter().flat_map(|layer| {
            [&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate, &layer.up, &layer.down]
        });
        let layers = layers.map(|projection| &projection.matrix);
        std::iter::once(&self.embedding).chain(layers).chain(std::iter::once(&self.output))
    }

    /// Whether every tensor has the shape that the configuration asks for.
    pub(crate) fn check(&self, config: &ModelConfig) -> Result<()> {
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        let (queries, keys) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        check_matrix("embedding", &self.embedding, [config.vocabulary, hidden])?;
        check_matrix("output", &self.output, [config.vocabulary, hidden])?;
        check_vector("final norm", Some(&self.final_norm), hidden)?;
        if self.layers.len() != config.layers.len() {
            return Err(Error::shape("layers", config.layers.len(), self.layers.len()));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let projections = [
                ("query", &layer.query, [queries, hidden]),
                ("key", &layer.key, [keys, hidden]),
                ("value", &layer.value, [keys, hidden]),
                ("output", &layer.output, [hidden, queries]),
                ("gate", &layer.gate, [intermediate, hidden]),
                ("up", &layer.up, [intermediate, hidden]),
                ("down", &layer.down, [hidden, intermediate]),
            ];
            for (name, projection, shape) in projections {
                check_matrix(&format!("layer {i}, {name}"), &projection.matrix, shape)?;
                check_vector(&format!("layer {i}, {name} bias"), projection.bias.as_ref(), shape[0])?;
            }
            let vectors = [
                ("attention norm", Some(&layer.attention_norm), hidden),
                ("query norm", layer.query_norm.as_ref(), config.head_dim),
                ("key norm", layer.key_norm.as_ref(), config.head_dim),
                ("post-attention norm", layer.post_attention_norm.as_ref(), hidden),
                ("MLP norm", Some(&layer.mlp_norm), hidden),
                ("post-MLP norm", layer.post_mlp_norm.as_ref(), hidden),
            ];
            for (name, vector, len) in vectors {
                check_vector(&format!("layer {i}, {name}"), vector, len)?;
            }
        }
        Ok(())
    }
}

fn check_matrix(what: &str, matrix: &Matrix, [rows, columns]: [usize; 2]) -> Result<()> {
    let found = [matrix.rows(), matrix.columns()];
    if found == [rows, columns] {
        return Ok(());
    }
    Err(Error::shape(what, format!("[{rows}, {columns}]"), format!("{found:?}")))
}

fn check_vector(what: &str, vector: Option<&Vec<f32>>, len: usize) -> Result<()> {
    match vector {
        Some(vector) if vector.len() != len => {
            Err(Error::shape(what, format!("[{len}]"), format!("[{}]", vector.len())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::files::ModelFiles;
    use std::path::Path;

    #[test]
    fn matrices_are_all_of_them() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/gguf/llama2.gguf");
        let files = ModelFiles::open(path).unwrap();
        let (_, weights) = files.load().unwrap();
        assert_eq!(weights.matrices().count(), 2 + 7 * weights.layers.len());
        let bytes: usize = weights.matrices().map(|matrix| matrix.byte_len()).sum();
        // the rest are norms
        assert!(bytes as u64 > files.weight_bytes() * 9 / 10, "{bytes}");
        weights.matrices().for_each(|matrix| matrix.preload());
    }
}
