//! [`ModelWeights`]: a model's parameters, as the decoder wants them, whatever file they came from.
//!
//! Matrices stay as the file stores them (quantised, 16 bits or `f32`), usually memory-mapped; vectors are `f32`. A projection
//! that a family fuses (Phi-3's `qkv_proj`) arrives here as its parts, since rows of a matrix can be cut out without a copy.

use crate::matrix::Matrix;

/// All parameters of a model.
#[derive(Debug, Clone)]
pub struct ModelWeights {
    /// `[vocabulary, hidden]`
    pub embedding: Matrix,
    /// One entry per layer.
    pub layers: Vec<LayerWeights>,
    /// `[hidden]`
    pub final_norm: Vec<f32>,
    /// `[vocabulary, hidden]`; the embedding's own matrix where the model ties them.
    pub output: Matrix,
}

/// The parameters of one layer. Norms already hold what rows are multiplied by (Gemma's `1 + w`, not `w`).
#[derive(Debug, Clone)]
pub struct LayerWeights {
    /// Norm before attention, `[hidden]`.
    pub attention_norm: Vec<f32>,
    /// `[heads * head_dim, hidden]`
    pub query: Projection,
    /// `[kv_heads * head_dim, hidden]`
    pub key: Projection,
    /// `[kv_heads * head_dim, hidden]`
    pub value: Projection,
    /// Norm of each query head's row, `[head_dim]` (Qwen3, Gemma 3).
    pub query_norm: Option<Vec<f32>>,
    /// Norm of each key head's row, `[head_dim]`.
    pub key_norm: Option<Vec<f32>>,
    /// `[hidden, heads * head_dim]`
    pub output: Projection,
    /// Norm of the attention's result before it is added, `[hidden]` (Gemma 3, GLM-4-0414).
    pub post_attention_norm: Option<Vec<f32>>,
    /// Norm before the MLP, `[hidden]`.
    pub mlp_norm: Vec<f32>,
    /// `[intermediate, hidden]`
    pub gate: Projection,
    /// `[intermediate, hidden]`
    pub up: Projection,
    /// `[hidden, intermediate]`
    pub down: Projection,
    /// Norm of the MLP's result before it is added, `[hidden]`.
    pub post_mlp_norm: Option<Vec<f32>>,
}

/// A matrix, with a bias where the model has one.
#[derive(Debug, Clone)]
pub struct Projection {
    /// `[outputs, inputs]`
    pub matrix: Matrix,
    /// `[outputs]`
    pub bias: Option<Vec<f32>>,
}
