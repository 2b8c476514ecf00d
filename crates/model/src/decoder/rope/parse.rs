//! RoPE as Hugging Face's `config.json` describes it: `rope_theta` and `rope_scaling` at the top,
//! or all of it in `rope_parameters`.

use super::{PairLayout, RopeConfig, RopeScaling};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The base where a file names none.
const DEFAULT_BASE: f64 = 10_000.0;

impl RopeConfig {
    /// Reads the positions' part of a `config.json` for heads of `head_dim` elements.
    ///
    /// # Errors
    /// [`Error::Config`] for fields that are missing or no numbers, and for scalings that are not
    /// known, by name.
    pub fn from_hugging_face(config: &Value, head_dim: usize, layout: PairLayout) -> Result<Self> {
        let empty = Map::new();
        let (name, scaling) = match (config.get("rope_parameters"), config.get("rope_scaling")) {
            (Some(Value::Object(fields)), _) => ("rope_parameters", fields),
            (_, Some(Value::Object(fields))) => ("rope_scaling", fields),
            (None | Some(Value::Null), None | Some(Value::Null)) => ("rope_scaling", &empty),
            (parameters, scaling) => {
                let found = parameters.or(scaling).unwrap_or(&Value::Null);
                return Err(Error::config("rope_scaling", "an object", found));
            }
        };
        let top = RopeFields { name: "", values: config.as_object().unwrap_or(&empty) };
        let scaling = RopeFields { name, values: scaling };
        let first = |field: &str, default: f64| -> Result<f64> {
            Ok(scaling.unless_null(field)?.or(top.unless_null(field)?).unwrap_or(default))
        };
        let share = first("partial_rotary_factor", 1.0)?;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::config("partial_rotary_factor", "a number above 0, at most 1", share));
        }
        let context = top.count("max_position_embeddings")?;
        Ok(Self {
            rotary_dim: (head_dim as f64 * share) as usize,
            base: first("rope_theta", DEFAULT_BASE)?,
            context,
            scaling: parse_scaling(&scaling, &top, context)?,
            layout,
        })
    }
}

fn parse_scaling(fields: &RopeFields<'_>, top: &RopeFields<'_>, context: usize) -> Result<RopeScaling> {
    let kind = fields.values.get("rope_type").or_else(|| fields.values.get("type"));
    let kind = match kind {
        None => "default",
        Some(Value::String(kind)) => kind.as_str(),
        Some(other) => return Err(Error::config(fields.path("rope_type"), "a name", other)),
    };
    let factor = || fields.positive("factor");
    // Phi-3 has it at the top.
    let original_context = || {
        let name = "original_max_position_embeddings";
        let holder =
            [top, fields].into_iter().find(|fields| fields.values.get(name).is_some_and(|x| !x.is_null()));
        holder.map_or(Ok(context), |fields| fields.count(name))
    };
    Ok(match kind {
        "default" => RopeScaling::Default,
        "linear" => RopeScaling::Linear { factor: factor()? },
        "dynamic" => RopeScaling::DynamicNtk { factor: factor()? },
        "yarn" => {
            // null stands for what the two contexts say
            let factor = match fields.values.get("factor") {
                Some(Value::Null) => context as f64 / original_context()? as f64,
                _ => factor()?,
            };
            let beta = |name: &str, usual: f64| -> Result<f64> {
                Ok(fields.optional(name)?.filter(|beta| *beta != 0.0).unwrap_or(usual))
            };
            // the temperature's rule: 0.1 ln(factor) + 1
            let rule = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
            let weights = (fields.optional("mscale")?, fields.optional("mscale_all_dim")?);
            let by_rule = match weights {
                (Some(some), Some(all)) if some != 0.0 && all != 0.0 => rule(some) / rule(all),
                _ => rule(1.0),
            };
            RopeScaling::Yarn {
                factor,
                original_context: original_context()?,
                beta_fast: beta("beta_fast", 32.0)?,
                beta_slow: beta("beta_slow", 1.0)?,
                attention_factor: fields.optional("attention_factor")?.unwrap_or(by_rule),
                truncate: match fields.values.get("truncate") {
                    None => true,
                    Some(Value::Null) => false,
                    Some(Value::Bool(truncate)) => *truncate,
                    Some(other) => {
                        return Err(Error::config(fields.path("truncate"), "true or false", other));
                    }
                },
            }
        }
        "llama3" => {
            let low_freq_factor = fields.positive("low_freq_factor")?;
            let high_freq_factor = fields.positive("high_freq_factor")?;
            if high_freq_factor <= low_freq_factor {
                let expected = format!("more than low_freq_factor, {low_freq_factor}");
                return Err(Error::config(fields.path("high_freq_factor"), expected, high_freq_factor));
            }
            RopeScaling::Llama3 {
                factor: factor()?,
                low_freq_factor,
                high_freq_factor,
                original_context: original_context()?,
            }
        }
        "longrope" => {
            let original_context = original_context()?;
            let factor = fields.optional("factor")?.unwrap_or(context as f64 / original_context as f64);
            let by_rule =
                if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (original_context as f64).ln()).sqrt() };
            RopeScaling::LongRope {
                short: fields.numbers("short_factor")?,
                long: fields.numbers("long_factor")?,
                original_context,
                attention_factor: fields.optional("attention_factor")?.unwrap_or(by_rule),
            }
        }
        other => {
            let known = "one of default, linear, dynamic, yarn, llama3, longrope";
            return Err(Error::config(fields.path("rope_type"), known, format!("\"{other}\"")));
        }
    })
}

/// RopeFields of one object, whose name errors show.
struct RopeFields<'a> {
    name: &'a str,
    values: &'a Map<String, Value>,
}

impl RopeFields<'_> {
    fn path(&self, field: &str) -> String {
        if self.name.is_empty() { field.into() } else { format!("{}.{field}", self.name) }
    }

    /// A number, or none where the field is missing or null.
    fn optional(&self, field: &str) -> Result<Option<f64>> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(Error::config(self.path(field), "a number", value)),
            },
        }
    }

    /// The same for a field that transformers fails on where it is null.
    fn unless_null(&self, field: &str) -> Result<Option<f64>> {
        match self.values.get(field) {
            Some(Value::Null) => Err(Error::config(self.path(field), "a number, or no such field", "null")),
            _ => self.optional(field),
        }
    }

    fn positive(&self, field: &str) -> Result<f64> {
        let found = self.values.get(field).unwrap_or(&Value::Null);
        match found.as_f64() {
            Some(number) if number > 0.0 => Ok(number),
            _ => Err(Error::config(self.path(field), "a number above 0", found)),
        }
    }

    /// A whole number of tokens, at least 2.
    fn count(&self, field: &str) -> Result<usize> {
        let found = self.values.get(field).unwrap_or(&Value::Null);
        match found.as_u64().and_then(|count| usize::try_from(count).ok()) {
            Some(count) if count >= 2 => Ok(count),
            _ => Err(Error::config(self.path(field), "a whole number of tokens, at least 2", found)),
        }
    }

    fn numbers(&self, field: &str) -> Result<Vec<f64>> {
        let found = self.values.get(field).unwrap_or(&Value::Null);
        let numbers = found.as_array().and_then(|list| {
            list.iter().map(|x| x.as_f64().filter(|x| *x > 0.0)).collect::<Option<Vec<f64>>>()
        });
        numbers.ok_or_else(|| Error::config(self.path(field), "a list of numbers above 0", found))
    }
}
