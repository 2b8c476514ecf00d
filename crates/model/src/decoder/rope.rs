//! Rotary position embedding (RoPE, arXiv 2104.09864): pairs of elements of a query or key are
//! rotated by an angle that grows with the token's position, so that scores depend on distances.
//!
//! A model says how fast each pair turns ([`RopeConfig`]); [`RopeScaling`] says how that was
//! stretched for longer contexts. [`RopeConfig::rotation`] gives the angles for a prompt,
//! [`Rotation::apply`] turns a row.
//!
//! ```
//! use minference_model::decoder::rope::{PairLayout, RopeConfig};
//!
//! let config = serde_json::json!({
//!     "max_position_embeddings": 131072,
//!     "rope_theta": 500000.0,
//!     "rope_scaling": {
//!         "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
//!         "original_max_position_embeddings": 8192
//!     }
//! });
//! let rope = RopeConfig::from_hugging_face(&config, 128, PairLayout::Halves)?;
//! let rotation = rope.rotation(16_384)?;
//! let mut query = vec![1.0f32; 128];
//! rotation.apply(&mut query, 7);
//! // a rotation keeps lengths
//! assert!((query.iter().map(|x| x * x).sum::<f32>() - 128.0).abs() < 1e-3);
//! # Ok::<(), minference_model::Error>(())
//! ```

mod parse;
mod scaling;
mod table;

pub use scaling::RopeScaling;
pub(crate) use table::RotationTable;

use crate::error::{Error, Result};

/// Which elements of a row belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairLayout {
    /// Element `i` and element `i + rotary_dim / 2` (Hugging Face's Llama, Qwen, Phi, Gemma).
    Halves,
    /// Elements `2 i` and `2 i + 1` (GLM; Llama as GGUF files hold it).
    Neighbours,
}

/// How a model encodes positions.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// Elements of a row that are rotated, the first ones; even.
    pub rotary_dim: usize,
    /// The base of the geometric series of wavelengths, `rope_theta`.
    pub base: f64,
    /// Tokens that the model's configuration promises.
    pub context: usize,
    /// How frequencies were stretched.
    pub scaling: RopeScaling,
    /// Which elements are pairs.
    pub layout: PairLayout,
}

/// Other positions than a model's files say: for contexts beyond what it was made for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RopeOverride {
    /// The base, `rope_theta`.
    pub base: Option<f64>,
    /// How frequencies are stretched.
    pub scaling: Option<RopeScaling>,
    /// Tokens that are promised with it.
    pub context: Option<usize>,
}

/// The angles of a prompt: frequencies, and a factor on cosines and sines.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    /// Radians per token, `[rotary_dim / 2]`.
    pub frequencies: Vec<f32>,
    /// What cosines and sines are multiplied by (YaRN's and LongRoPE's temperature; 1 elsewhere).
    pub attention_factor: f32,
    /// Which elements are pairs.
    pub layout: PairLayout,
}

impl RopeConfig {
    /// The angles of a pass at whose end a session has `tokens` tokens: dynamic NTK and LongRoPE
    /// depend on the length.
    ///
    /// # Errors
    /// [`Error::Config`] for a dimension, a base or a scaling that gives no frequencies.
    pub fn rotation(&self, tokens: usize) -> Result<Rotation> {
        if self.rotary_dim < 4 || !self.rotary_dim.is_multiple_of(2) {
            return Err(Error::config("rotary_dim", "an even number, at least 4", self.rotary_dim));
        }
        if !(self.base.is_finite() && self.base > 1.0) {
            return Err(Error::config("rope_theta", "a number above 1", self.base));
        }
        let (frequencies, attention_factor) = self.scaling.frequencies(self, tokens)?;
        if let Some(bad) = frequencies.iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
            return Err(Error::config("rope_scaling", "factors that give finite frequencies", bad));
        }
        Ok(Rotation { frequencies, attention_factor, layout: self.layout })
    }

    /// The least length that has the same angles as `tokens` tokens: 0 up to the border where
    /// angles begin to depend on the length, and everywhere for encodings that don't.
    pub fn least_length_alike(&self, tokens: usize) -> usize {
        match &self.scaling {
            RopeScaling::DynamicNtk { .. } if tokens > self.context => tokens,
            RopeScaling::LongRope { short, long, original_context, .. }
                if tokens > *original_context && short != long =>
            {
                original_context + 1
            }
            _ => 0,
        }
    }
}

impl Rotation {
    /// Turns the first elements of a row, in place, for the token at `position`; the rest of the
    /// row stays.
    ///
    /// # Panics
    /// If the row is shorter than the rotated elements.
    pub fn apply(&self, row: &mut [f32], position: usize) {
        let pairs = self.frequencies.len();
        let row = &mut row[..2 * pairs];
        for (i, &frequency) in self.frequencies.iter().enumerate() {
            let (sin, cos) = self.sine_and_cosine(frequency, position);
            let (a, b) = match self.layout {
                PairLayout::Halves => (i, i + pairs),
                PairLayout::Neighbours => (2 * i, 2 * i + 1),
            };
            (row[a], row[b]) = (row[a] * cos - row[b] * sin, row[b] * cos + row[a] * sin);
        }
    }

    fn sine_and_cosine(&self, frequency: f32, position: usize) -> (f32, f32) {
        // The angle in f32, as models were trained; its sine in f64, where a large angle is reduced
        // exactly.
        let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
        let factor = f64::from(self.attention_factor);
        ((sin * factor) as f32, (cos * factor) as f32)
    }
}
