//! [`TensorPlan`]: how a model's tensors are called, and weights put together from them.

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::source::Tensors;
use crate::weights::{LayerWeights, ModelWeights, Projection};
use std::cell::RefCell;
use std::collections::HashSet;

/// Names of a model's tensors; those of a layer are without prefix and `.weight`.
#[derive(Debug)]
pub(super) struct TensorPlan {
    pub(super) embedding: String,
    pub(super) final_norm: String,
    pub(super) output: String,
    /// Before a layer's number, such as `model.layers.`.
    pub(super) layers: String,
    pub(super) layer: LayerNames,
    pub(super) biases: Biases,
    /// Added to norms: 1 where a file holds `w` of `1 + w`.
    pub(super) norm_offset: f32,
    /// Whether the embedding is the output matrix of a file that holds none.
    pub(super) tied: bool,
    /// Parts of names of tensors that change nothing.
    pub(super) ignored: &'static [&'static str],
}

/// Names within a layer.
#[derive(Debug, Clone)]
pub(super) struct LayerNames {
    pub(super) attention_norm: &'static str,
    pub(super) query_key_value: Parts<3>,
    pub(super) query_key_norms: Option<[&'static str; 2]>,
    pub(super) output: &'static str,
    pub(super) post_attention_norm: Option<&'static str>,
    pub(super) mlp_norm: &'static str,
    pub(super) gate_up: Parts<2>,
    pub(super) down: &'static str,
    pub(super) post_mlp_norm: Option<&'static str>,
}

/// Projections of one input.
#[derive(Debug, Clone)]
pub(super) enum Parts<const N: usize> {
    Separate([&'static str; N]),
    /// One matrix, the parts one below the other.
    Fused(&'static str),
}

/// Whether projections have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bias {
    None,
    Required,
    /// The file decides: GGUF has no field for it.
    IfPresent,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Biases {
    pub(super) query_key_value: Bias,
    pub(super) output: Bias,
    pub(super) mlp: Bias,
}

impl Biases {
    pub(super) const NONE: Self = Self { query_key_value: Bias::None, output: Bias::None, mlp: Bias::None };
}

impl LayerNames {
    /// As in Hugging Face's Llama.
    pub(super) const HUGGING_FACE: Self = Self {
        attention_norm: "input_layernorm",
        query_key_value: Parts::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
        query_key_norms: None,
        output: "self_attn.o_proj",
        post_attention_norm: None,
        mlp_norm: "post_attention_layernorm",
        gate_up: Parts::Separate(["mlp.gate_proj", "mlp.up_proj"]),
        down: "mlp.down_proj",
        post_mlp_norm: None,
    };

    /// As in GGUF's Llama.
    pub(super) const GGUF: Self = Self {
        attention_norm: "attn_norm",
        query_key_value: Parts::Separate(["attn_q", "attn_k", "attn_v"]),
        query_key_norms: None,
        output: "attn_output",
        post_attention_norm: None,
        mlp_norm: "ffn_norm",
        gate_up: Parts::Separate(["ffn_gate", "ffn_up"]),
        down: "ffn_down",
        post_mlp_norm: None,
    };
}

impl TensorPlan {
    pub(super) fn hugging_face(layer: LayerNames, biases: Biases, tied: bool) -> Self {
        Self {
            embedding: "model.embed_tokens.weight".into(),
            final_norm: "model.norm.weight".into(),
            output: "lm_head.weight".into(),
            layers: "model.layers.".into(),
            layer,
            biases,
            norm_offset: 0.0,
            tied,
            ignored: &["rotary_emb.inv_freq"],
        }
    }

    /// GGUF has no field for tied embeddings: they are where no output matrix is.
    pub(super) fn gguf(layer: LayerNames, biases: Biases) -> Self {
        Self {
            embedding: "token_embd.weight".into(),
            final_norm: "output_norm.weight".into(),
            output: "output.weight".into(),
            layers: "blk.".into(),
            layer,
            biases,
            norm_offset: 0.0,
            tied: true,
            ignored: &["attn_rot_embd", "rope_freqs.weight", "rope_factors_"],
        }
    }

    pub(super) fn load(&self, config: &ModelConfig, tensors: &Tensors) -> Result<ModelWeights> {
        let loader = Loader { plan: self, config, tensors, used: RefCell::default() };
        let embedding = loader.matrix(&self.embedding, config.vocabulary, config.hidden)?;
        // A tied model's file may hold the output matrix all the same; then it is that one that counts.
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
    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<crate::Matrix> {
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
        parts: &Parts<N>,
        rows: [usize; N],
        columns: usize,
        bias: Bias,
    ) -> Result<[Projection; N]> {
        let mut projections = Vec::with_capacity(N);
        match parts {
            Parts::Separate(names) => {
                for (name, rows) in names.iter().zip(rows) {
                    projections.push(self.projection(&format!("{prefix}{name}"), [rows, columns], bias)?);
                }
            }
            Parts::Fused(name) => {
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

    /// A tensor that nobody asked for, such as a bias, would change what the model computes.
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
