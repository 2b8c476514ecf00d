//! RoPE as a `config.json` describes it, in the older style or that of transformers 5, for each
//! kind of layer.
//!
//! Which fields count is what transformers 5 makes of them, family by family
//! (`golden/rope_fields.py` records it). What it would fail on, or pass over in silence although it
//! was surely meant, is refused.

use super::fields::Fields as _;
use super::hugging_face::HuggingFaceFields;
use super::layers::LayerKind;
use crate::decoder::config::ModelConfig;
use crate::decoder::rope::{PairLayout, RopeConfig};
use crate::error::{Error, Result, shown};
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
const SHARE: &str = "partial_rotary_factor";
const ORIGINAL: &str = "original_max_position_embeddings";

/// How a family's RoPE departs from the usual one.
pub(super) struct RopeRules {
    pub(super) layout: PairLayout,
    pub(super) rotated: Rotated,
    /// `rope_theta` where the file has none.
    pub(super) base: f64,
    /// The older field with the base of sliding-window layers, and its default, where they have a
    /// RoPE of their own, unscaled. The newer form then has an object for each kind of layer.
    pub(super) local_base: Option<(&'static str, f64)>,
    pub(super) scalings: Scalings,
}

/// Which part of a head is rotated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rotated {
    /// All of it. transformers passes over `partial_rotary_factor` where nothing is scaled, and
    /// fails where something is.
    Whole,
    /// `partial_rotary_factor` of it; this much where the file has none.
    Share(f64),
}

/// Which scalings a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalings {
    /// All that are known.
    All,
    /// LongRoPE, which older files call `su` or `yarn`. The context of the first training stands at
    /// the top of the file.
    LongRope {
        /// What it is where it is missing there.
        original_context: usize,
    },
}

impl RopeRules {
    /// All pairs rotated, halves paired, one base for all layers.
    pub(super) const USUAL: Self = Self {
        layout: PairLayout::Halves,
        rotated: Rotated::Whole,
        base: 10_000.0,
        local_base: None,
        scalings: Scalings::All,
    };
}

/// One description, and where it stands in the file.
struct Description {
    place: String,
    fields: Map<String, Value>,
}

impl HuggingFaceFields<'_> {
    /// RoPE for layers of a kind. transformers 5 keeps all of it in `rope_parameters`, perhaps in
    /// an object for each kind of layer.
    pub(super) fn rope(
        &self,
        kind: LayerKind,
        rules: &RopeRules,
        config: &ModelConfig,
    ) -> Result<RopeConfig> {
        let description = self.description(kind, rules, config)?;
        let local = rules.local_base.filter(|_| kind == LayerKind::Sliding);
        let (base_field, base) = local.unwrap_or(("rope_theta", rules.base));
        let mut top = Map::new();
        top.insert("max_position_embeddings".into(), config.context.into());
        top.insert("rope_theta".into(), self.number_at_top(base_field)?.unwrap_or_else(|| base.into()));
        let share = match rules.rotated {
            Rotated::Whole => self.get(SHARE).cloned(),
            Rotated::Share(share) => Some(self.number_at_top(SHARE)?.unwrap_or_else(|| share.into())),
        };
        if let Some(share) = share {
            top.insert(SHARE.into(), share);
        }
        if let Some(original) = self.get(ORIGINAL).filter(|_| rules.local_base.is_none()) {
            top.insert(ORIGINAL.into(), original.clone());
        }
        let Description { place, mut fields } = description;
        let named = |error: Error| match error {
            Error::Config { field, expected, found } => {
                let field = field.replacen("rope_parameters.", &format!("{place}."), 1);
                Error::Config { field: self.path(&field), expected, found }
            }
            other => other,
        };
        apply(rules, config.head_dim, &mut top, &mut fields).map_err(named)?;
        top.insert("rope_parameters".into(), fields.into());
        RopeConfig::from_hugging_face(&top.into(), config.head_dim, rules.layout).map_err(named)
    }

    /// A number, or none where the field is missing. transformers fails where it is null.
    fn number_at_top(&self, name: &str) -> Result<Option<Value>> {
        match self.get(name) {
            None if self.mentions(name) => {
                Err(Error::config(self.path(name), "a number, or no such field", "null"))
            }
            found => Ok(found.cloned()),
        }
    }

    /// What describes the layers of a kind, if two places don't disagree about it.
    fn description(&self, kind: LayerKind, rules: &RopeRules, config: &ModelConfig) -> Result<Description> {
        let filled = |object: &&Map<String, Value>| !object.is_empty();
        let parameters = self.typed("rope_parameters", "an object", Value::as_object)?.filter(filled);
        let scaling = self.typed("rope_scaling", "an object", Value::as_object)?.filter(filled);
        let of_kind = |parameters: &Map<String, Value>, kind: LayerKind| match parameters.get(kind.name()) {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        if let Some(scaling) = scaling {
            self.check_names("rope_scaling", scaling)?;
        }
        let is_nested = match parameters {
            Some(parameters) => self.check_parameters(parameters, rules)?,
            None => false,
        };
        let described = |place: &str, fields| Ok(Description { place: place.into(), fields });
        if rules.local_base.is_some() {
            if let Some(scaling) = scaling {
                self.check_local_scaling(scaling)?;
            }
            if let (Some(scaling), Some(parameters)) = (scaling, parameters) {
                let full = of_kind(parameters, LayerKind::Full);
                self.check_agreement(scaling, &full, |name| scaling.get(name).or(full.get(name)).cloned())?;
            }
            return match (parameters, scaling) {
                (Some(parameters), _) if is_nested => {
                    described(&format!("rope_parameters.{}", kind.name()), of_kind(parameters, kind))
                }
                (_, Some(scaling)) if kind == LayerKind::Full => described("rope_scaling", scaling.clone()),
                _ => described("rope_parameters", Map::new()),
            };
        }
        match (scaling, parameters) {
            (Some(scaling), Some(parameters)) => {
                self.check_agreement(scaling, parameters, |name| match (name, self.get(name)) {
                    ("rope_theta" | SHARE | ORIGINAL, Some(value)) => Some(value.clone()),
                    ("rope_theta", None) => Some(rules.base.into()),
                    (ORIGINAL, None) => Some(config.context.into()),
                    _ => None,
                })?;
                described("rope_scaling", scaling.clone())
            }
            (Some(scaling), None) => described("rope_scaling", scaling.clone()),
            (None, parameters) => described("rope_parameters", parameters.cloned().unwrap_or_default()),
        }
    }

    /// Refuses what no code reads in `rope_parameters`. Gives whether it has an object for each
    /// kind of layer.
    fn check_parameters(&self, parameters: &Map<String, Value>, rules: &RopeRules) -> Result<bool> {
        let path = self.path("rope_parameters");
        let kinds = [LayerKind::Full, LayerKind::Sliding].map(LayerKind::name);
        let is_nested = kinds.iter().any(|kind| parameters.contains_key(*kind));
        if !is_nested {
            self.check_names("rope_parameters", parameters)?;
            if rules.local_base.is_some() {
                let expected =
                    format!("an object for each of {}, as this family has it", kinds.join(" and "));
                return Err(Error::config(path, expected, "one for all layers"));
            }
            return Ok(false);
        }
        for (kind, object) in parameters {
            if !kinds.contains(&kind.as_str()) {
                let expected = format!("only {}", kinds.join(" and "));
                return Err(Error::config(path, expected, format!("`{}`", shown(kind))));
            }
            match object {
                Value::Object(object) => self.check_names(&format!("rope_parameters.{kind}"), object)?,
                Value::Null => {}
                other => {
                    let field = self.path(&format!("rope_parameters.{kind}"));
                    return Err(Error::config(field, "an object", shown(&other.to_string())));
                }
            }
        }
        if rules.local_base.is_none() {
            let expected = "one description for all layers, as this family has it";
            return Err(Error::config(path, expected, "one for each kind of layer"));
        }
        Ok(true)
    }

    fn check_names(&self, place: &str, object: &Map<String, Value>) -> Result<()> {
        match object.keys().find(|key| !ROPE_FIELDS.contains(&key.as_str())) {
            Some(key) => {
                let expected = format!("one of the fields {}", ROPE_FIELDS.join(", "));
                Err(Error::config(self.path(place), expected, format!("`{}`", shown(key))))
            }
            None => Ok(()),
        }
    }

    /// Families with a RoPE for each kind of layer know a scaling only by the newer name of its
    /// kind: transformers passes over the older one.
    fn check_local_scaling(&self, scaling: &Map<String, Value>) -> Result<()> {
        let old = scaling.get("type").filter(|kind| *kind != "default");
        match old.filter(|_| !scaling.contains_key("rope_type")) {
            Some(kind) => {
                let found = format!("only `type`, {}", shown(&kind.to_string()));
                Err(Error::config(self.path("rope_scaling.rope_type"), "the kind of scaling", found))
            }
            None => Ok(()),
        }
    }

    /// Refuses two descriptions that disagree: transformers takes all of the older one.
    ///
    /// - `otherwise`: what holds for a field that one of them lacks
    fn check_agreement(
        &self,
        scaling: &Map<String, Value>,
        parameters: &Map<String, Value>,
        otherwise: impl Fn(&str) -> Option<Value>,
    ) -> Result<()> {
        let kind = |object: &Map<String, Value>| {
            object.get("rope_type").or(object.get("type")).cloned().unwrap_or_else(|| "default".into())
        };
        let value = |object: &Map<String, Value>, name: &str| match name {
            "rope_type" | "type" => Some(kind(object)),
            _ => object.get(name).cloned().or_else(|| otherwise(name)),
        };
        let differs = |name: &&String| {
            let (old, new) = (value(scaling, name), value(parameters, name));
            let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64);
            old != new && (number(&old).is_none() || number(&old) != number(&new))
        };
        // numbers first: they say more than kinds
        let names = || scaling.keys().chain(parameters.keys());
        let is_kind = |name: &&String| ["rope_type", "type"].contains(&name.as_str());
        let found = names().filter(|name| !is_kind(name)).find(differs).or_else(|| names().find(differs));
        match found {
            Some(name) => {
                let old = value(scaling, name).map_or("nothing".into(), |value| value.to_string());
                let expected = "the same as in rope_scaling, or only one of the two";
                let field = self.path(&format!("rope_parameters.{name}"));
                Err(Error::config(field, expected, format!("{} in rope_scaling", shown(&old))))
            }
            None => Ok(()),
        }
    }
}

/// What a family makes of its fields, so that they mean what they say.
///
/// - `top`, `fields`: those at the top of the file, and of the description
fn apply(
    rules: &RopeRules,
    head_dim: usize,
    top: &mut Map<String, Value>,
    fields: &mut Map<String, Value>,
) -> Result<()> {
    if rules.local_base.is_some() {
        // transformers looks for it where this family has none
        fields.remove("truncate");
    }
    let kind = fields.get("rope_type").or(fields.get("type")).cloned().unwrap_or_else(|| "default".into());
    if rules.rotated == Rotated::Whole {
        let share = fields.get(SHARE).or(top.get(SHARE)).cloned();
        let is_whole = |share: &Value| {
            share.as_f64().is_some_and(|share| (head_dim as f64 * share) as usize == head_dim)
        };
        if let Some(share) = share.filter(|share| kind != "default" && !is_whole(share)) {
            let expected =
                "1, or none: this family rotates whole heads, and has no scaling for parts of them";
            return Err(Error::config(SHARE, expected, shown(&share.to_string())));
        }
        fields.remove(SHARE);
        top.remove(SHARE);
    }
    if let Scalings::LongRope { original_context } = rules.scalings {
        match kind.as_str() {
            Some("default") => return Ok(()),
            Some("longrope" | "su" | "yarn") => {}
            _ => {
                let found = shown(&kind.to_string());
                return Err(Error::config("rope_parameters.rope_type", "one of default, longrope", found));
            }
        }
        let original = top.entry(ORIGINAL).or_insert_with(|| original_context.into());
        if let Some(other) = fields.get(ORIGINAL).filter(|other| *other != original) {
            let expected = format!("{original}, which it is at the top of the file, or by default");
            let field = format!("rope_parameters.{ORIGINAL}");
            return Err(Error::config(field, expected, shown(&other.to_string())));
        }
        fields.remove("type");
        fields.insert("rope_type".into(), "longrope".into());
    }
    Ok(())
}
