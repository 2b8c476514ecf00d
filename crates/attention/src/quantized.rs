//! Keys and values in 8 or 4 bits: [`QuantizedTensor`], a tensor of shape `[tokens, heads,
//! head_dim]` that grows by tokens and is read by all kernels as it is stored.
//!
//! A number becomes a code, `x ≈ minimum + scale * code`, and some numbers share a minimum and a
//! scale, both in `f16`. Which ones ([`Grouping`]) follows KIVI (arXiv 2402.02750): keys have
//! channels that are large in every token, so that a channel of [`TOKENS_PER_GROUP`] tokens is a
//! group; values have none, so that a row is.
//!
//! - The minimum is rounded down and the scale up, and codes are computed from what they became. No
//!   number lies outside the codes, and all err by at most half a scale: rounding costs range, not
//!   accuracy.
//! - A group of keys is complete only every 128 tokens, and the last tokens matter most. The last
//!   [`RECENT_TOKENS`] keys at least, and those after them until a group is whole, stay in `f16`.
//! - NaN and infinity stay what they are: attention refuses them as it does in every other tensor.
//!
//! ```
//! use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor};
//! use minference_attention::{AttentionInputs, TensorView, synthetic};
//!
//! let [k, v] = [1, 2].map(|seed| synthetic::normal(1000 * 2 * 64, seed));
//! let mut keys = QuantizedTensor::with_capacity("keys", 1000, [2, 64], CodeBits::Eight, Grouping::PerChannel)?;
//! let mut values = QuantizedTensor::with_capacity("values", 1000, [2, 64], CodeBits::Four, Grouping::PerToken)?;
//! keys.append(&k);
//! values.append(&v);
//!
//! // Kernels take them like any other tensor.
//! let q = synthetic::normal(1000 * 2 * 64, 3);
//! let inputs = AttentionInputs::new(TensorView::new(&q, [1000, 2, 64])?, keys.view(), values.view())?;
//! # let _ = inputs;
//!
//! // A row comes back about as it was.
//! let mut row = [0.0f32; 64];
//! values.view().read_row(500, 1, &mut row);
//! let original = &v[(500 * 2 + 1) * 64..][..64];
//! assert!(row.iter().zip(original).all(|(x, y)| (x - y).abs() < 0.25));
//!
//! // 4 bits an element, and 4 bytes a row.
//! assert_eq!(QuantizedTensor::bytes_per_token([2, 64], CodeBits::Four, Grouping::PerToken), 2 * (32 + 4));
//! # Ok::<(), minference_attention::Error>(())
//! ```

mod code_range;
mod codes;
mod layout;
mod parts;
mod per_channel;
mod per_token;
mod tensor;
mod view;

pub use layout::{CodeBits, Grouping};
pub use tensor::QuantizedTensor;

pub(crate) use code_range::CodeRange;
pub(crate) use view::{CodeScaling, CodedRow, QuantizedView};

/// Tokens whose elements of one channel share a minimum and a scale.
pub const TOKENS_PER_GROUP: usize = 128;

/// Keys at the end that stay in `f16` at least, so that forgetting as many tokens cuts no group. (A
/// group that became whole in the meantime stays in codes: exactly what was there before comes back
/// only where none did.)
pub const RECENT_TOKENS: usize = 128;
