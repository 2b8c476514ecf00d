//! The fields of a `config.json`, older style or that of transformers 5.

use super::fields::{Fields, shortened};
use super::layers::LayerKind;
use super::shape::{ShapeDefaults, ShapeNames, check_vocabulary, read_shape};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::rope::{PairLayout, RopeConfig};
use serde_json::{Map, Value};

const NAMES: ShapeNames = ShapeNames {
    hidden: "hidden_size",
    intermediate: "intermediate_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    kv_heads: "num_key_value_heads",
    head_dim: "head_dim",
    context: "max_position_embeddings",
    norm_epsilon: "rms_norm_eps",
};

/// Fields that change results in a way that the decoder doesn't know, unless they are null, false or 0.
const UNSUPPORTED: [&str; 16] = [
    "quantization_config",
    "compression_config",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "use_bidirectional_attention",
    "rope_interleaved",
    "no_rope_layers",
    "logit_scale",
    "logits_scaling",
    "attention_multiplier",
    "residual_multiplier",
    "embedding_multiplier",
    "use_qk_norm",
];

/// How a family's RoPE departs from the usual one.
pub(super) struct RopeRules {
    pub(super) layout: PairLayout,
    /// `partial_rotary_factor` where the file has none.
    pub(super) rotary_share: f64,
    /// `rope_theta` where the file has none.
    pub(super) base: f64,
    /// The older field with the base of sliding-window layers, and its default, where they have a RoPE of their own, unscaled.
    pub(super) local_base: Option<(&'static str, f64)>,
}

impl RopeRules {
    /// All pairs rotated, halves paired, one base for all layers.
    pub(super) const USUAL: Self =
        Self { layout: PairLayout::Halves, rotary_share: 1.0, base: 10_000.0, local_base: None };
}

/// The fields of a `config.json`, or of an object within it.
pub(super) struct HuggingFaceFields<'a> {
    values: &'a Map<String, Value>,
    object: Option<&'static str>,
}

impl<'a> HuggingFaceFields<'a> {
    pub(super) fn new(values: &'a Map<String, Value>) -> Self {
        Self { values, object: None }
    }

    /// The object under a field of the top.
    pub(super) fn within(&self, object: &'static str) -> Result<Self> {
        match self.get(object) {
            Some(Value::Object(values)) => Ok(Self { values, object: Some(object) }),
            other => Err(self.wrong(object, "an object", other)),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there, even if it is null.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn wrong(&self, name: &str, expected: &str, found: Option<&Value>) -> Error {
        let found = found.map_or("nothing".to_owned(), |value| shortened(&value.to_string()));
        Error::config(self.path(name), expected, found)
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(name, expected, Some(value)))
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>> {
        self.typed(name, "a list", Value::as_array)
    }

    /// What no family covers.
    pub(super) fn refuse_unsupported(&self) -> Result<()> {
        for name in UNSUPPORTED {
            let harmless = match self.get(name) {
                None | Some(Value::Bool(false)) => true,
                Some(Value::Number(number)) => number.as_f64() == Some(0.0),
                Some(_) => false,
            };
            if !harmless {
                return Err(self.wrong(name, "null: this variation is not supported", self.get(name)));
            }
        }
        Ok(())
    }

    /// The sizes, and the number of layers.
    pub(super) fn shape(
        &self,
        family: &'static str,
        defaults: &ShapeDefaults,
        vocabulary: Option<usize>,
    ) -> Result<(ModelConfig, usize)> {
        let found = self.size("vocab_size", 1..=usize::MAX, vocabulary)?;
        let vocabulary = check_vocabulary(self.path("vocab_size"), found)?;
        read_shape(family, self, &NAMES, defaults, vocabulary)
    }

    /// RoPE for layers of a kind. transformers 5 keeps all of it in `rope_parameters`, perhaps in an object for each kind of layer.
    pub(super) fn rope(
        &self,
        kind: LayerKind,
        rules: &RopeRules,
        config: &ModelConfig,
    ) -> Result<RopeConfig> {
        let parameters = self.typed("rope_parameters", "an object", Value::as_object)?;
        let is_nested = |object: &Map<String, Value>| {
            [LayerKind::Full, LayerKind::Sliding].iter().any(|kind| object.contains_key(kind.name()))
        };
        let nested = parameters.filter(|object| is_nested(object));
        let of_kind = nested.and_then(|object| object.get(kind.name())).filter(|object| !object.is_null());
        let local = rules.local_base.filter(|_| kind == LayerKind::Sliding);
        let (base_field, base) = local.unwrap_or(("rope_theta", rules.base));

        let mut flat = Map::new();
        flat.insert("max_position_embeddings".into(), config.context.into());
        flat.insert("rope_theta".into(), self.get(base_field).cloned().unwrap_or_else(|| base.into()));
        let share = self.get("partial_rotary_factor").cloned();
        flat.insert("partial_rotary_factor".into(), share.unwrap_or_else(|| rules.rotary_share.into()));
        if let Some(original) = self.get("original_max_position_embeddings") {
            flat.insert("original_max_position_embeddings".into(), original.clone());
        }
        let mut place = None;
        if let Some(object) = of_kind {
            flat.insert("rope_parameters".into(), object.clone());
            place = Some(format!("rope_parameters.{}.", kind.name()));
        } else if local.is_none() {
            if let Some(object) = parameters.filter(|_| nested.is_none()) {
                flat.insert("rope_parameters".into(), Value::Object(object.clone()));
            }
            if let Some(scaling) = self.get("rope_scaling") {
                flat.insert("rope_scaling".into(), scaling.clone());
            }
        }
        let rope = RopeConfig::from_hugging_face(&Value::Object(flat), config.head_dim, rules.layout);
        rope.map_err(|error| match error {
            Error::Config { field, expected, found } => {
                let field = match &place {
                    Some(place) => field.replace("rope_parameters.", place),
                    None => field,
                };
                Error::Config { field: self.path(&field), expected, found }
            }
            other => other,
        })
    }
}

impl Fields for HuggingFaceFields<'_> {
    fn path(&self, name: &str) -> String {
        self.object.map_or_else(|| name.to_owned(), |object| format!("{object}.{name}"))
    }

    fn whole(&self, name: &str) -> Result<Option<u64>> {
        self.typed(name, "a whole number", Value::as_u64)
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        self.typed(name, "a number", Value::as_f64)
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        self.typed(name, "a text", Value::as_str)
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.typed(name, "true or false", Value::as_bool)
    }
}
