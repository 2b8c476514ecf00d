//! Llama 2 to 3.2, and what shares its form: Yi, SmolLM2, and Mistral, whose first version has a
//! sliding window.

use super::hugging_face::{HuggingFaceFields, RopeRules};
use super::layers::{LayerKind, check_kinds, read_window, set_layers};
use super::shape::ShapeDefaults;
use super::tensor_plan::{Bias, Biases, LayerNames, TensorPlan};
use super::{Family, Fields, GgufFields, Plan};
use crate::decoder::config::Activation;
use crate::decoder::rope::PairLayout;
use crate::error::{Error, Result, shown};
use crate::files::Tensors;

pub(super) const FAMILY: Family =
    Family { hugging_face: &["llama", "mistral"], from_hugging_face, gguf: &["llama"], from_gguf };
const NAME: &str = "llama";
/// transformers' window for a Mistral whose file does not mention it; null stands for none.
const MISTRAL_WINDOW: u64 = 4096;
/// How older GGUF files name the order of rows that all of this architecture have.
const LAYOUT: &str = "Meta AI original pth";

fn from_hugging_face(fields: &HuggingFaceFields<'_>, _: &Tensors) -> Result<Plan> {
    let (mut config, layers) = fields.shape(NAME, &ShapeDefaults::default(), None)?;
    config.activation = fields.activation("hidden_act", Activation::Silu)?;
    let mistral = fields.text("model_type")? == Some("mistral");
    let windowed =
        mistral && (!fields.mentions("sliding_window") || fields.whole("sliding_window")?.is_some());
    let kinds = vec![if windowed { LayerKind::Sliding } else { LayerKind::Full }; layers];
    check_kinds(fields, &kinds)?;
    let window = read_window(fields, "sliding_window", &kinds, Some(MISTRAL_WINDOW as usize))?;
    let shape = config.clone();
    set_layers(&mut config, &kinds, window, |kind| fields.rope(kind, &RopeRules::USUAL, &shape))?;
    let bias = |name: &str| {
        let found = !mistral && fields.flag(name)?.unwrap_or(false);
        Ok::<_, crate::Error>(if found { Bias::Required } else { Bias::None })
    };
    let attention = bias("attention_bias")?;
    let biases = Biases { query_key_value: attention, output: attention, mlp: bias("mlp_bias")? };
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Plan { config, tensors: TensorPlan::hugging_face(LayerNames::HUGGING_FACE, biases, tied) })
}

/// Files of this architecture hold the rows of queries and keys in another order, so that pairs are
/// neighbours.
fn from_gguf(fields: &GgufFields<'_>, tensors: &Tensors) -> Result<Plan> {
    let (mut config, layers) = fields.shape(NAME, tensors)?;
    if let Some(layout) = fields.text("tensor_data_layout")?.filter(|layout| *layout != LAYOUT) {
        let found = format!("\"{}\"", shown(layout));
        return Err(Error::config(fields.path("tensor_data_layout"), format!("\"{LAYOUT}\""), found));
    }
    let windowed = fields.whole("attention.sliding_window")?.unwrap_or(0) > 0;
    let kinds = vec![if windowed { LayerKind::Sliding } else { LayerKind::Full }; layers];
    let window = read_window(fields, "attention.sliding_window", &kinds, None)?;
    let rope = fields.rope(&config, PairLayout::Neighbours, tensors)?;
    if rope.rotary_dim != config.head_dim {
        // llama.cpp refuses it, too
        let expected = format!("{}: this family rotates whole heads", config.head_dim);
        return Err(Error::config(fields.path("rope.dimension_count"), expected, rope.rotary_dim));
    }
    set_layers(&mut config, &kinds, window, |_| Ok(rope.clone()))?;
    let biases = Biases { query_key_value: Bias::IfPresent, output: Bias::IfPresent, mlp: Bias::IfPresent };
    Ok(Plan { config, tensors: TensorPlan::gguf(LayerNames::GGUF, biases) })
}
