//! [`Device`]: the operations of a decoder layer, as the pass sees them.
//!
//! The pass is written once, for any device, and compiled for each. A device keeps activations,
//! weights and caches in forms of its own; what leaves it is logits, reports and times. Operations
//! are small (a norm, a projection, attention), so that what differs between families stays in the
//! pass; a device is free to fuse within one of them.

use crate::decoder::config::Activation;
use crate::decoder::rope::Rotation;
use crate::decoder::weights::Projection;
use crate::error::Result;
use crate::session::kv_cache::KvCompression;
use minference_attention::{LayerPlan, LayerReport, Progress};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What a forward pass needs of a device. A value is at work for one pass; it may hold buffers.
///
/// Every operation is held against the reference device by
/// [`battery::conforms`](super::battery::conforms).
pub(crate) trait Device: Sized {
    /// A weight matrix `[outputs, inputs]`.
    type Matrix;
    /// A bias, or what a norm multiplies with.
    type Vector;
    /// Activations, `[rows, width]`.
    type Rows;
    /// Queries, or what attention gives for them, `[tokens, heads, head_dim]`.
    type Heads;
    /// Keys and values of one layer.
    type LayerCache;
    /// Angles of the positions of a pass.
    type Rotations;
    /// A moment in the device's work.
    type Mark;

    /// Rows that projections and the MLP take at once, at most.
    fn rows_at_once(&self) -> usize;

    /// Room for `rows` rows of `width` elements; there are none yet.
    ///
    /// # Errors
    /// Out of memory.
    fn rows(&self, what: &'static str, rows: usize, width: usize) -> Result<Self::Rows>;

    /// Room for queries of `tokens` tokens, `[heads, head_dim]` each, as attention to a cache wants
    /// them.
    ///
    /// # Errors
    /// Out of memory.
    fn queries(&self, cache: &Self::LayerCache, tokens: usize, shape: [usize; 2]) -> Result<Self::Heads>;

    /// Angles of some positions.
    fn rotations(&self, rotation: &Rotation, positions: Range<usize>) -> Self::Rotations;

    /// Rows of the embedding, multiplied by `scale`: `[ids, hidden]`.
    ///
    /// # Errors
    /// Out of memory.
    fn embed(&mut self, table: &Self::Matrix, ids: &[u32], scale: f32) -> Result<Self::Rows>;

    /// The root mean square norm of some rows; `out` becomes as many rows.
    fn norm(&mut self, x: RowRange<'_, Self>, norm: Norm<'_, Self>, out: &mut Self::Rows);

    /// Products of some rows with several matrices, biases added; the outputs become as many rows.
    fn project(&mut self, x: RowRange<'_, Self>, products: &mut [Projected<'_, Self>]);

    /// Norms (where there is a norm) each head of some rows of queries or keys, and rotates it by
    /// the angles of the row's position: the first of the rows has that at `first` of the
    /// rotations.
    fn finish_heads(
        &mut self,
        x: RowRangeMut<'_, Self>,
        norm: Option<Norm<'_, Self>>,
        rotations: &Self::Rotations,
        first: usize,
        head_dim: usize,
    );

    /// Appends rows to queries.
    fn collect(&mut self, queries: &mut Self::Heads, rows: RowRange<'_, Self>);

    /// Appends keys and values to a cache.
    fn append(&mut self, cache: &mut Self::LayerCache, keys: RowRange<'_, Self>, values: RowRange<'_, Self>);

    /// Rows of keys in a cache.
    fn cached(&self, cache: &Self::LayerCache) -> usize;

    /// Attends as the plan says; `[attending queries, heads, head_dim]`.
    ///
    /// # Errors
    /// Numbers that are not finite, out of memory, cancelled.
    fn attend(
        &mut self,
        attention: Attention<'_, Self>,
        plan: LayerPlan<'_>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<(Self::Heads, LayerReport)>;

    /// Drops from a cache what need not stay, now that all queries have attended.
    ///
    /// # Errors
    /// As [`attend`](Self::attend).
    fn keep(
        &mut self,
        cache: &mut Self::LayerCache,
        queries: &Self::Heads,
        request: &KeepRequest<'_>,
    ) -> Result<()>;

    /// Some tokens of attention's output as rows, `[tokens, heads * head_dim]`, behind those that
    /// `out` has.
    fn read(&mut self, attended: &Self::Heads, tokens: Range<usize>, out: &mut Self::Rows);

    /// `gate = activation(gate) * up`, element by element.
    fn gate(&mut self, activation: Activation, gate: &mut Self::Rows, up: &Self::Rows);

    /// Adds rows that were projected, normed first where there is a norm, to some rows of the
    /// residual stream. `normed` is room for as many rows.
    fn add(
        &mut self,
        into: RowRangeMut<'_, Self>,
        x: &Self::Rows,
        projection: &Projection<Self::Matrix, Self::Vector>,
        norm: Option<Norm<'_, Self>>,
        normed: &mut Self::Rows,
    );

    /// Logits of some rows, `[rows, vocabulary]`, in the host's memory.
    ///
    /// # Errors
    /// What earlier operations came upon and did not say, out of memory.
    fn logits(
        &mut self,
        x: RowRange<'_, Self>,
        norm: Norm<'_, Self>,
        output: &Self::Matrix,
    ) -> Result<Vec<f32>>;

    /// Forgets rows, keeping their room.
    fn clear(&self, rows: &mut Self::Rows);

    /// This moment.
    fn mark(&self) -> Self::Mark;

    /// The time between two moments.
    fn between(&self, start: &Self::Mark, end: &Self::Mark) -> Duration;

    /// Called often, between operations: a device that works behind the caller's back waits here
    /// until it is near enough for a cancelled pass to end soon.
    ///
    /// # Errors
    /// What earlier operations came upon.
    fn checkpoint(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Some rows of a device.
pub(crate) struct RowRange<'a, D: Device> {
    pub(crate) rows: &'a D::Rows,
    pub(crate) range: Range<usize>,
}

/// Some rows of a device, to change.
pub(crate) struct RowRangeMut<'a, D: Device> {
    pub(crate) rows: &'a mut D::Rows,
    pub(crate) range: Range<usize>,
}

/// A root mean square norm.
pub(crate) struct Norm<'a, D: Device> {
    pub(crate) weight: &'a D::Vector,
    /// Added to the mean square under the root.
    pub(crate) epsilon: f32,
}

/// One of several projections that share their inputs.
pub(crate) struct Projected<'a, D: Device> {
    pub(crate) projection: &'a Projection<D::Matrix, D::Vector>,
    pub(crate) out: &'a mut D::Rows,
}

/// What a layer's attention sees.
pub(crate) struct Attention<'a, D: Device> {
    /// The last tokens of the cache.
    pub(crate) queries: &'a D::Heads,
    /// Queries from this one on attend.
    pub(crate) first: usize,
    pub(crate) cache: &'a D::LayerCache,
    pub(crate) view: AttentionView,
}

/// How a layer's attention sees its keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionView {
    /// Scores are `scale * q · k`.
    pub(crate) scale: f32,
    /// The layer's own sliding window.
    pub(crate) window: Option<usize>,
}

/// What is to stay of a layer's cache.
pub(crate) struct KeepRequest<'a> {
    pub(crate) compression: &'a KvCompression,
    /// The layer's number, of `layers`.
    pub(crate) layer: usize,
    pub(crate) layers: usize,
    pub(crate) view: AttentionView,
    /// For how many more tokens there must be room.
    pub(crate) room: usize,
}
