//! RoPE as a `config.json` describes it, in the older style or that of transformers 5, for each kind of layer.

use super::fields::Fields as _;
use super::hugging_face::HuggingFaceFields;
use super::layers::LayerKind;
use crate::config::ModelConfig;
use crate::error::{Error, Result, shown};
use crate::rope::{PairLayout, RopeConfig};
use serde_json::{Map, Value};

/// What a description of RoPE may hold; each kind of scaling reads those that it knows.
const ROPE_FIELDS: [&str; 17] = [
    "rope_type",
    "type",
    "rope_theta",
    "partial_rotary_factor",
    "factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "low_freq_factor",
    "high_freq_factor",
    "short_factor",
    "long_factor",
    "finetuned",
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

impl HuggingFaceFields<'_> {
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
        let scaling = self.typed("rope_scaling", "an object", Value::as_object)?;
        self.check_rope(parameters, nested.is_some(), scaling)?;
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

    /// Refuses what nobody reads in the descriptions of RoPE, and two of them that disagree.
    fn check_rope(
        &self,
        parameters: Option<&Map<String, Value>>,
        nested: bool,
        scaling: Option<&Map<String, Value>>,
    ) -> Result<()> {
        let known = |place: String, object: &Map<String, Value>| match object
            .keys()
            .find(|key| !ROPE_FIELDS.contains(&key.as_str()))
        {
            Some(key) => {
                let expected = format!("one of the fields {}", ROPE_FIELDS.join(", "));
                Err(Error::config(self.path(&place), expected, format!("`{}`", shown(key))))
            }
            None => Ok(()),
        };
        if let Some(scaling) = scaling {
            known("rope_scaling".to_owned(), scaling)?;
        }
        let Some(parameters) = parameters else { return Ok(()) };
        if nested {
            let kinds = [LayerKind::Full, LayerKind::Sliding].map(LayerKind::name);
            for (kind, object) in parameters {
                if !kinds.contains(&kind.as_str()) {
                    let expected = format!("only {}", kinds.join(" and "));
                    return Err(Error::config(
                        self.path("rope_parameters"),
                        expected,
                        format!("`{}`", shown(kind)),
                    ));
                }
                if let Some(object) = object.as_object() {
                    known(format!("rope_parameters.{kind}"), object)?;
                }
            }
            return Ok(());
        }
        known("rope_parameters".to_owned(), parameters)?;
        let differs =
            |(key, value): &(&String, &Value)| *key != "type" && parameters.get(*key) != Some(*value);
        match scaling.and_then(|scaling| scaling.iter().find(differs)) {
            Some((key, value)) => {
                let found = format!("{} in rope_scaling", shown(&value.to_string()));
                let expected = "the same as in rope_scaling, or only one of the two";
                Err(Error::config(self.path(&format!("rope_parameters.{key}")), expected, found))
            }
            None => Ok(()),
        }
    }
}
