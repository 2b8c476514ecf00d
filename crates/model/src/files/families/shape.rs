//! The sizes that every model has, under the names of either kind of file, checked against each
//! other.

use super::fields::Fields;
use crate::decoder::config::{Activation, ModelConfig, RotatedKeys};
use crate::error::{Error, Result};

/// Sizes beyond these are no model's, and would overflow or exhaust memory somewhere.
const MAX_WIDTH: usize = 1 << 22;
const MAX_HEADS: usize = 1 << 12;
const MAX_HEAD_DIM: usize = 1 << 10;
const MAX_LAYERS: usize = 1 << 12;
const MAX_VOCABULARY: usize = 1 << 24;
pub(super) const MAX_CONTEXT: usize = 1 << 30;

/// What a kind of file calls the sizes.
pub(super) struct ShapeNames {
    pub(super) hidden: &'static str,
    pub(super) intermediate: &'static str,
    pub(super) layers: &'static str,
    pub(super) heads: &'static str,
    pub(super) kv_heads: &'static str,
    pub(super) head_dim: &'static str,
    pub(super) context: &'static str,
    pub(super) norm_epsilon: &'static str,
}

/// What holds where a file says nothing. Without a default, a field must be there; `kv_heads` is
/// `heads`, and `head_dim` is `hidden / heads`, unless it says otherwise.
#[derive(Default)]
pub(super) struct ShapeDefaults {
    pub(super) heads: Option<usize>,
    pub(super) kv_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) context: Option<usize>,
    pub(super) norm_epsilon: Option<f64>,
}

/// A configuration with its sizes, and the number of layers; layers and RoPE are still to be filled
/// in.
pub(super) fn read_shape(
    family: &'static str,
    fields: &dyn Fields,
    names: &ShapeNames,
    defaults: &ShapeDefaults,
    vocabulary: usize,
) -> Result<(ModelConfig, usize)> {
    let hidden = fields.size(names.hidden, 1..=MAX_WIDTH, None)?;
    let heads = fields.size(names.heads, 1..=MAX_HEADS, defaults.heads)?;
    let kv_heads = fields.size(names.kv_heads, 1..=MAX_HEADS, defaults.kv_heads.or(Some(heads)))?;
    if !heads.is_multiple_of(kv_heads) {
        let expected = format!("a divisor of {}, {heads}", names.heads);
        return Err(Error::config(fields.path(names.kv_heads), expected, kv_heads));
    }
    let derived = hidden.is_multiple_of(heads).then(|| hidden / heads);
    let head_dim = match fields.whole(names.head_dim)? {
        Some(_) => fields.size(names.head_dim, 1..=MAX_HEAD_DIM, None)?,
        None => defaults.head_dim.or(derived).filter(|dim| *dim <= MAX_HEAD_DIM).ok_or_else(|| {
            let expected = format!("{} / {}, a whole number up to {MAX_HEAD_DIM}", names.hidden, names.heads);
            Error::config(fields.path(names.head_dim), expected, format!("{hidden} / {heads}"))
        })?,
    };
    if !head_dim.is_multiple_of(8) {
        let expected = "a multiple of 8 (head_dim)";
        return Err(Error::config(fields.path(names.head_dim), expected, head_dim));
    }
    let norm_epsilon = fields.number(names.norm_epsilon)?.or(defaults.norm_epsilon);
    let Some(norm_epsilon) = norm_epsilon.filter(|epsilon| *epsilon > 0.0 && *epsilon < 1.0) else {
        let found = norm_epsilon.map_or("nothing".to_owned(), |epsilon| epsilon.to_string());
        return Err(Error::config(fields.path(names.norm_epsilon), "a number between 0 and 1", found));
    };
    let config = ModelConfig {
        family,
        hidden,
        intermediate: fields.size(names.intermediate, 1..=MAX_WIDTH, None)?,
        heads,
        kv_heads,
        head_dim,
        vocabulary,
        context: fields.size(names.context, 2..=MAX_CONTEXT, defaults.context)?,
        norm_epsilon: norm_epsilon as f32,
        activation: Activation::Silu,
        attention_scale: (1.0 / (head_dim as f64).sqrt()) as f32,
        embedding_scale: 1.0,
        ropes: Vec::new(),
        rotated_keys: RotatedKeys::Stay,
        layers: Vec::new(),
    };
    Ok((config, fields.size(names.layers, 1..=MAX_LAYERS, None)?))
}

/// The number of token ids, within what any model has.
pub(super) fn check_vocabulary(field: String, found: usize) -> Result<usize> {
    if (1..=MAX_VOCABULARY).contains(&found) {
        return Ok(found);
    }
    Err(Error::config(field, format!("1 to {MAX_VOCABULARY} token ids"), found))
}
