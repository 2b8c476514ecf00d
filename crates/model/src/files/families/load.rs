//! Weights, put together from the tensors that a [`TensorPlan`] names. Every shape is checked
//! against the configuration.

use super::tensor_plan::{Bias, FusedOrSeparate, TensorPlan};
use crate::decoder::config::ModelConfig;
use crate::decoder::weights::{LayerWeights, ModelWeights, Projection};
use crate::device::matrix::Matrix;
use crate::error::{Error, Result};
use crate::files::Tensors;
use std::cell::RefCell;
use std::collections::HashSet;

impl TensorPlan {
    pub(super) fn load(&self, config: &ModelConfig, tensors: &Tensors) -> Result<ModelWeights> {
        let loader = Loader { plan: self, config, tensors, used: RefCell::default() };
        let embedding = loader.matrix(&self.embedding, config.vocabulary, config.hidden)?;
        // A tied model's file may hold the output matrix all the same; then it is that one that
        // counts.
        let output = if self.tied && tensors.get(&self.output).is_none() {
            embedding.clone()
        } else {
            loader.matrix(&self.output, config.vocabulary, config.hidden)?
        };
        let final_norm = loader.norm(&self.final_norm, config.hidden)?;
        let layers = (0..config.layers.len()).map(|i| loader.layer(i)).collect::<Result<_>>()?;
        loader.refuse_unused()?;
        Ok(ModelWeights { embedding, layers, final_norm, output })
    }
}

struct Loader<'a> {
    plan: &'a TensorPlan,
    config: &'a ModelConfig,
    tensors: &'a Tensors,
    used: RefCell<HashSet<String>>,
}

impl Loader<'_> {
    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix> {
        self.used.borrow_mut().insert(name.to_owned());
        self.tensors.matrix(name, rows, columns)
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        self.used.borrow_mut().insert(name.to_owned());
        self.tensors.vector(name, length)
    }

    fn norm(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let mut norm = self.vector(name, length)?;
        norm.iter_mut().for_each(|w| *w += self.plan.norm_offset);
        Ok(norm)
    }

    fn bias(&self, projection: &str, length: usize, bias: Bias) -> Result<Option<Vec<f32>>> {
        let name = format!("{projection}.bias");
        match bias {
            Bias::None => Ok(None),
            Bias::IfPresent if self.tensors.get(&name).is_none() => Ok(None),
            Bias::Required | Bias::IfPresent => self.vector(&name, length).map(Some),
        }
    }

    fn projection(&self, name: &str, [rows, columns]: [usize; 2], bias: Bias) -> Result<Projection> {
        let matrix = self.matrix(&format!("{name}.weight"), rows, columns)?;
        Ok(Projection { matrix, bias: self.bias(name, rows, bias)? })
    }

    /// Projections with so many rows each.
    fn parts<const N: usize>(
        &self,
        prefix: &str,
        parts: &FusedOrSeparate<N>,
        rows: [usize; N],
        columns: usize,
        bias: Bias,
    ) -> Result<[Projection; N]> {
        let mut projections = Vec::with_capacity(N);
        match parts {
            FusedOrSeparate::Separate(names) => {
                for (name, rows) in names.iter().zip(rows) {
                    projections.push(self.projection(&format!("{prefix}{name}"), [rows, columns], bias)?);
                }
            }
            FusedOrSeparate::Fused(name) => {
                let fused =
                    self.projection(&format!("{prefix}{name}"), [rows.iter().sum(), columns], bias)?;
                let mut start = 0;
                for rows in rows {
                    let range = start..start + rows;
                    let bias = fused.bias.as_ref().map(|bias| bias[range.clone()].to_vec());
                    projections.push(Projection { matrix: fused.matrix.row_range(range)?, bias });
                    start += rows;
                }
            }
        }
        projections.try_into().map_err(|found: Vec<_>| Error::shape("projections", N, found.len()))
    }

    fn layer(&self, index: usize) -> Result<LayerWeights> {
        let ModelConfig { hidden, intermediate, heads, kv_heads, head_dim, .. } = *self.config;
        let (names, biases) = (&self.plan.layer, self.plan.biases);
        let prefix = format!("{}{index}.", self.plan.layers);
        let norm = |name: &str, length| self.norm(&format!("{prefix}{name}.weight"), length);
        let optional = |name: Option<&str>| name.map(|name| norm(name, hidden)).transpose();
        let (query_rows, key_rows) = (heads * head_dim, kv_heads * head_dim);
        let rows = [query_rows, key_rows, key_rows];
        let [query, key, value] =
            self.parts(&prefix, &names.query_key_value, rows, hidden, biases.query_key_value)?;
        let [gate, up] = self.parts(&prefix, &names.gate_up, [intermediate; 2], hidden, biases.mlp)?;
        let head_norm = |i: usize| names.query_key_norms.map(|names| norm(names[i], head_dim)).transpose();
        let output = format!("{prefix}{}", names.output);
        let down = format!("{prefix}{}", names.down);
        Ok(LayerWeights {
            attention_norm: norm(names.attention_norm, hidden)?,
            query,
            key,
            value,
            query_norm: head_norm(0)?,
            key_norm: head_norm(1)?,
            output: self.projection(&output, [hidden, query_rows], biases.output)?,
            post_attention_norm: optional(names.post_attention_norm)?,
            mlp_norm: norm(names.mlp_norm, hidden)?,
            gate,
            up,
            down: self.projection(&down, [hidden, intermediate], biases.mlp)?,
            post_mlp_norm: optional(names.post_mlp_norm)?,
        })
    }

    /// A tensor that no layer asked for, such as a bias, would change what the model computes.
    fn refuse_unused(&self) -> Result<()> {
        let used = self.used.borrow();
        let ignored = |name: &str| self.plan.ignored.iter().any(|part| name.contains(part));
        match self.tensors.iter().find(|(name, _)| !used.contains(*name) && !ignored(name)) {
            Some((name, tensor)) => {
                let expected =
                    format!("only tensors that {} models of this configuration have", self.config.family);
                Err(Error::file(&tensor.file, format!("tensor {name}"), expected, "it"))
            }
            None => Ok(()),
        }
    }
}
