//! [`TensorPlan`]: how a model's tensors are called, and which it has.

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
    pub(super) query_key_value: FusedOrSeparate<3>,
    pub(super) query_key_norms: Option<[&'static str; 2]>,
    pub(super) output: &'static str,
    pub(super) post_attention_norm: Option<&'static str>,
    pub(super) mlp_norm: &'static str,
    pub(super) gate_up: FusedOrSeparate<2>,
    pub(super) down: &'static str,
    pub(super) post_mlp_norm: Option<&'static str>,
}

/// Projections of one input.
#[derive(Debug, Clone)]
pub(super) enum FusedOrSeparate<const N: usize> {
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
        query_key_value: FusedOrSeparate::Separate([
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
        ]),
        query_key_norms: None,
        output: "self_attn.o_proj",
        post_attention_norm: None,
        mlp_norm: "post_attention_layernorm",
        gate_up: FusedOrSeparate::Separate(["mlp.gate_proj", "mlp.up_proj"]),
        down: "mlp.down_proj",
        post_mlp_norm: None,
    };

    /// As in GGUF's Llama.
    pub(super) const GGUF: Self = Self {
        attention_norm: "attn_norm",
        query_key_value: FusedOrSeparate::Separate(["attn_q", "attn_k", "attn_v"]),
        query_key_norms: None,
        output: "attn_output",
        post_attention_norm: None,
        mlp_norm: "ffn_norm",
        gate_up: FusedOrSeparate::Separate(["ffn_gate", "ffn_up"]),
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
}
