//! [`AttentionInputs`]: Q, K and V of one layer, checked against each other.

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::view::TensorView;

/// The longest prompt, in tokens: positions are kept in 32-bit lanes, with room to spare.
pub const MAX_TOKENS: usize = 1 << 30;

/// One layer's attention problem.
///
/// - `q`: `[queries, heads, head_dim]`
/// - `k`, `v`: `[keys, kv_heads, head_dim]`, of one element type; `heads` is a multiple of
///   `kv_heads`, and query head `h` uses key-value head `h / (heads / kv_heads)`.
///
/// The queries are the last of the keys' tokens: with as many queries as keys it is a whole
/// prefill, with fewer a chunk of it, with one a decoding step.
#[derive(Debug, Clone, Copy)]
pub struct AttentionInputs<'a> {
    q: TensorView<'a>,
    k: TensorView<'a>,
    v: TensorView<'a>,
    scale: f32,
    geometry: Geometry,
}

impl<'a> AttentionInputs<'a> {
    /// Checks that the three tensors fit. The softmax scale is `1 / sqrt(head_dim)` and there is no
    /// sliding window until [`with_scale`](Self::with_scale) and
    /// [`with_sliding_window`](Self::with_sliding_window) say otherwise.
    ///
    /// # Errors
    /// [`Error::Shape`] for shapes that disagree or are empty, a head_dim that is no multiple of 8,
    /// or more than 2^30 tokens; [`Error::ElementType`] where K and V differ.
    pub fn new(q: TensorView<'a>, k: TensorView<'a>, v: TensorView<'a>) -> Result<Self> {
        let shape = |what, expected: &str, found: String| {
            Err(Error::Shape { what, expected: expected.into(), found })
        };
        let [queries, heads, head_dim] = q.shape();
        let [keys, kv_heads, key_dim] = k.shape();
        if head_dim == 0 || head_dim % 8 != 0 {
            return shape(
                "q",
                "a head_dim that is a multiple of 8, at least 8",
                format!("head_dim {head_dim}"),
            );
        }
        if heads == 0 || kv_heads == 0 {
            return shape("heads", "at least one", format!("{heads} in q, {kv_heads} in k"));
        }
        if queries == 0 {
            return shape("q", "at least one token", "none".into());
        }
        if key_dim != head_dim {
            return shape("k", &format!("head_dim {head_dim}, as in q"), format!("head_dim {key_dim}"));
        }
        if v.shape() != k.shape() {
            return shape("v", &format!("the shape of k, {:?}", k.shape()), format!("{:?}", v.shape()));
        }
        if heads % kv_heads != 0 {
            return shape("q", &format!("a multiple of k's {kv_heads} heads"), format!("{heads} heads"));
        }
        if queries > keys || keys > MAX_TOKENS {
            let expected = format!("at least q's {queries} tokens, at most {MAX_TOKENS}");
            return shape("k", &expected, format!("{keys} tokens"));
        }
        if k.element_type() != v.element_type() {
            let (expected, found) = (k.element_type(), v.element_type());
            return Err(Error::ElementType { what: "v", expected, found });
        }
        let geometry = Geometry::chunk(queries, keys, None)?;
        Ok(Self { q, k, v, scale: 1.0 / (head_dim as f32).sqrt(), geometry })
    }

    /// Scores are `scale * q · k` (Gemma, for one, has a scale of its own).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the scale is positive and finite.
    pub fn with_scale(self, scale: f32) -> Result<Self> {
        if !(scale.is_finite() && scale > 0.0) {
            return Err(Error::Parameter {
                name: "softmax scale",
                expected: "a positive finite number",
                found: scale.to_string(),
            });
        }
        Ok(Self { scale, ..self })
    }

    /// The model's own sliding window: a query sees at most `window` keys, its own included. It is
    /// an exact bound, whatever the pattern.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a window of 0.
    pub fn with_sliding_window(self, window: Option<usize>) -> Result<Self> {
        let geometry = Geometry::chunk(self.geometry.queries(), self.geometry.keys(), window)?;
        Ok(Self { geometry, ..self })
    }

    /// Queries, `[queries, heads, head_dim]`.
    pub fn q(&self) -> TensorView<'a> {
        self.q
    }
    /// Keys, `[keys, kv_heads, head_dim]`.
    pub fn k(&self) -> TensorView<'a> {
        self.k
    }
    /// Values, `[keys, kv_heads, head_dim]`.
    pub fn v(&self) -> TensorView<'a> {
        self.v
    }
    /// The softmax scale.
    pub fn scale(&self) -> f32 {
        self.scale
    }
    /// How many queries meet how many keys.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }
    /// Query heads.
    pub fn heads(&self) -> usize {
        self.q.heads()
    }
    /// Key-value heads.
    pub fn kv_heads(&self) -> usize {
        self.k.heads()
    }
    /// Query heads that share one key-value head.
    pub fn group_size(&self) -> usize {
        self.heads() / self.kv_heads()
    }
    /// Elements of a row.
    pub fn head_dim(&self) -> usize {
        self.q.head_dim()
    }
    /// Refuses a query head that is not there.
    pub(crate) fn check_head(&self, head: usize) -> Result<()> {
        if head < self.heads() {
            return Ok(());
        }
        Err(Error::Shape {
            what: "head",
            expected: format!("one of the {} query heads, counted from 0", self.heads()),
            found: head.to_string(),
        })
    }
    /// What scores are multiplied by for a softmax in powers of two.
    pub(crate) fn factor(&self) -> f32 {
        self.scale * std::f32::consts::LOG2_E
    }
}
