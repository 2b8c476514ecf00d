//! Decoding on the device: one query per head over a long cache, for one sequence or several.

use crate::attention::positive;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::launch::{self, DecodeCall};
use crate::memory::Buffer;
use crate::tiles::check;
use crate::view::{DeviceType, DeviceView, DeviceViewMut};
use minference_attention::inputs::MAX_TOKENS;

/// How many keys each sequence of a batch has.
#[derive(Debug)]
pub struct KeyCounts {
    pub(crate) counts: Buffer<i32>,
    largest: usize,
}

impl KeyCounts {
    /// Copies the counts.
    ///
    /// # Errors
    /// [`Error::Shape`] for a sequence without keys or with more than 2^30; [`Error::OutOfMemory`].
    pub fn new(device: &CudaDevice, counts: &[usize]) -> Result<Self> {
        if let Some(wrong) = counts.iter().find(|&&count| count == 0 || count > MAX_TOKENS) {
            return Err(Error::Shape {
                what: "keys of a sequence",
                expected: format!("1 to {MAX_TOKENS}"),
                found: wrong.to_string(),
            });
        }
        let words: Vec<i32> = counts.iter().map(|&count| count as i32).collect();
        let largest = counts.iter().copied().max().unwrap_or(0);
        Ok(Self { counts: Buffer::from_slice(device, "key counts", &words)?, largest })
    }
}

/// One step of decoding: each sequence's newest token looks back over its cache.
///
/// - `q`: `[sequences, heads, head_dim]`
/// - `k`, `v`: `[sequences * capacity, kv_heads, head_dim]`, one sequence's keys after the other's;
///   or in pages, `[capacity, kv_heads, head_dim]`, with one table of pages per sequence, one after
///   the other.
#[derive(Debug, Clone, Copy)]
pub struct DecodeInputs<'a> {
    pub(crate) q: DeviceView<'a>,
    pub(crate) k: DeviceView<'a>,
    pub(crate) v: DeviceView<'a>,
    pub(crate) capacity: usize,
    pub(crate) counts: Option<&'a KeyCounts>,
    pub(crate) window: Option<usize>,
    pub(crate) scale: f32,
    pub(crate) softcap: f32,
    pub(crate) sinks: Option<&'a Buffer<f32>>,
}

impl<'a> DecodeInputs<'a> {
    /// Every sequence has `capacity` keys, until [`with_key_counts`](Self::with_key_counts) says
    /// otherwise; the softmax scale is `1 / sqrt(head_dim)`.
    ///
    /// # Errors
    /// [`Error::Shape`] for shapes, types or pages that disagree; [`Error::TooLarge`] for more
    /// sequences than a launch can have.
    pub fn new(q: DeviceView<'a>, k: DeviceView<'a>, v: DeviceView<'a>, capacity: usize) -> Result<Self> {
        let shape = |what, expected: String, found: String| Err(Error::Shape { what, expected, found });
        let [sequences, heads, head_dim] = q.shape();
        let kv_heads = k.heads();
        let rows = if k.pages.is_some() { capacity } else { sequences * capacity };
        if k.shape() != [rows, kv_heads, head_dim] || v.shape() != k.shape() {
            let expected = format!("[{rows}, kv_heads, {head_dim}] for both");
            return shape("k and v", expected, format!("{:?} and {:?}", k.shape(), v.shape()));
        }
        if kv_heads == 0 || heads == 0 || !heads.is_multiple_of(kv_heads) {
            return shape("q", format!("a multiple of k's {kv_heads} heads"), format!("{heads} heads"));
        }
        if sequences == 0 || capacity == 0 || capacity > MAX_TOKENS {
            let found = format!("{sequences} sequences, {capacity} keys");
            return shape("q", format!("a sequence, and 1 to {MAX_TOKENS} keys"), found);
        }
        let types = [q, k, v].map(|view| view.element_type());
        if types[1..].iter().any(|&element_type| element_type != types[0]) {
            return shape("q, k and v", "one element type".into(), format!("{types:?}"));
        }
        let table = |view: &DeviceView<'_>| view.pages.map(|pages| (pages.table, pages.page_tokens));
        let of_all = |view: &DeviceView<'_>| {
            view.pages.is_none_or(|pages| pages.entries >= sequences * capacity.div_ceil(pages.page_tokens))
        };
        if q.pages.is_some() || table(&k) != table(&v) || !of_all(&k) {
            let expected = format!("k and v in the same pages, a table for each of {sequences} sequences");
            return shape("pages", expected, format!("k: {:?}, v: {:?}", k.pages, v.pages));
        }
        // The grid's third dimension.
        check("sequences", sequences, 65_535)?;
        let scale = 1.0 / (head_dim as f32).sqrt();
        Ok(Self { q, k, v, capacity, counts: None, window: None, scale, softcap: 0.0, sinks: None })
    }

    /// The keys of each sequence, at most the capacity.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of sequences, or more keys.
    pub fn with_key_counts(self, counts: &'a KeyCounts) -> Result<Self> {
        if counts.counts.len() != self.q.tokens() || counts.largest > self.capacity {
            return Err(Error::Shape {
                what: "key counts",
                expected: format!("{} of at most {}", self.q.tokens(), self.capacity),
                found: format!("{} of up to {}", counts.counts.len(), counts.largest),
            });
        }
        Ok(Self { counts: Some(counts), ..self })
    }

    /// A query sees at most `window` keys, its own included.
    ///
    /// # Errors
    /// A window of 0.
    pub fn with_sliding_window(self, window: Option<usize>) -> Result<Self> {
        minference_attention::Geometry::chunk(1, self.capacity, window)?;
        Ok(Self { window, ..self })
    }

    /// Scores are `scale * q · k`.
    ///
    /// # Errors
    /// A scale that is not positive and finite.
    pub fn with_scale(self, scale: f32) -> Result<Self> {
        positive("softmax scale", scale)?;
        Ok(Self { scale, ..self })
    }

    /// Scores become `cap * tanh(score / cap)` after the scale.
    ///
    /// # Errors
    /// A cap that is not positive and finite.
    pub fn with_softcap(self, cap: f32) -> Result<Self> {
        positive("softcap", cap)?;
        Ok(Self { softcap: cap, ..self })
    }

    /// One logit per query head that takes part in the softmax's sum but has no value.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of logits.
    pub fn with_sink_logits(self, sinks: &'a Buffer<f32>) -> Result<Self> {
        crate::attention::check_sinks(sinks, self.q.heads())?;
        Ok(Self { sinks: Some(sinks), ..self })
    }

    /// Query heads that share one key-value head.
    pub fn group_size(&self) -> usize {
        self.q.heads() / self.k.heads()
    }
}

impl CudaDevice {
    /// Enqueues one step of decoding; nothing waits. `output` is `[sequences, heads, head_dim]`, of
    /// the inputs' type or f32.
    ///
    /// # Errors
    /// [`Error::Shape`] for an output that does not fit; [`Error::HeadDim`]; [`Error::OutOfMemory`]
    /// for the partial sums.
    pub fn decode(&self, inputs: &DecodeInputs<'_>, output: &mut DeviceViewMut<'_>) -> Result<()> {
        let types = [inputs.q.element_type(), DeviceType::F32];
        if output.shape() != inputs.q.shape() || !types.contains(&output.element_type()) {
            return Err(Error::Shape {
                what: "output",
                expected: format!("{:?} of type {:?} or {:?}", inputs.q.shape(), types[0], types[1]),
                found: format!("{:?} of type {:?}", output.shape(), output.element_type()),
            });
        }
        launch::decode(self, &DecodeCall { inputs, output })
    }
}
