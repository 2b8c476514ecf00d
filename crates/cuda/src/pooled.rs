//! The online estimate of block-sparse heads: products of means of blocks of 64 queries and keys.

use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::launch::{self, ScoresCall};
use crate::memory::Buffer;
use std::ops::Range;

/// Means of blocks of 64 queries of some heads, and of the keys of all key-value heads. A mean is
/// kept as two `bf16`, its rounded value and what rounding left, so that products of means rank
/// blocks as `f32` does.
#[derive(Debug)]
pub struct BlockMeans {
    /// The query heads.
    pub(crate) heads: Buffer<i32>,
    /// `[slots, 2, query blocks, head_dim]`
    pub(crate) queries: Buffer<u16>,
    /// `[kv_heads, 2, key blocks, head_dim]`
    pub(crate) keys: Buffer<u16>,
}

/// Scores of a slab of query blocks: all scores of one head would take a gigabyte at a million
/// keys.
#[derive(Debug)]
pub struct BlockScores {
    /// `[slots, rows, stride]`
    pub(crate) scores: Buffer<f32>,
    pub(crate) stride: usize,
    pub(crate) rows: Range<usize>,
}

impl BlockMeans {
    /// Room for the means of some query heads and of all key-value heads.
    pub(crate) fn new(device: &CudaDevice, inputs: &LayerInputs<'_>, heads: &[i32]) -> Result<Self> {
        let (geometry, row) = (inputs.geometry, 2 * inputs.q.head_dim());
        Ok(Self {
            heads: Buffer::from_slice(device, "heads that choose blocks", heads)?,
            queries: Buffer::new(device, "means of queries", heads.len() * geometry.query_blocks() * row)?,
            keys: Buffer::new(device, "means of keys", inputs.k.heads() * geometry.key_blocks() * row)?,
        })
    }
}

impl BlockScores {
    /// Room for slabs of up to so many rows as the first has.
    pub(crate) fn new(
        device: &CudaDevice,
        inputs: &LayerInputs<'_>,
        heads: usize,
        rows: Range<usize>,
    ) -> Result<Self> {
        // Kernels read four scores at once.
        let stride = inputs.geometry.key_blocks().next_multiple_of(4);
        let scores = Buffer::new(device, "scores of blocks", heads * rows.len() * stride)?;
        Ok(Self { scores, stride, rows })
    }

    /// Words from one row to the next; of a row those up to the query block's own key block count.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// All rows of one of the heads, by its place among those asked for, `[rows, stride]`; waits
    /// for them.
    ///
    /// # Errors
    /// [`Error::Shape`] for a place that is not there; a lost device.
    pub fn download(&self, place: usize) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; self.rows.len() * self.stride];
        self.scores.download(place * scores.len(), &mut scores)?;
        Ok(scores)
    }
}

impl CudaDevice {
    /// Enqueues the means of blocks, for the query heads `heads` and all key-value heads; nothing
    /// waits.
    ///
    /// # Errors
    /// [`Error::Shape`] for heads that are not there; [`Error::OutOfMemory`].
    pub fn block_means(&self, inputs: &LayerInputs<'_>, heads: &[usize]) -> Result<BlockMeans> {
        let wrong = heads.iter().find(|&&head| head >= inputs.q.heads());
        if wrong.is_some() || heads.is_empty() {
            return Err(Error::Shape {
                what: "heads",
                expected: format!("some of the {} query heads, counted from 0", inputs.q.heads()),
                found: format!("{heads:?}"),
            });
        }
        let numbers: Vec<i32> = heads.iter().map(|&head| head as i32).collect();
        let mut means = BlockMeans::new(self, inputs, &numbers)?;
        launch::block_means(self, inputs, &mut means)?;
        Ok(means)
    }

    /// Enqueues the scores of some query blocks from the means of the same inputs; nothing waits.
    ///
    /// # Errors
    /// [`Error::Shape`] for blocks that are not there; [`Error::OutOfMemory`].
    pub fn block_scores(
        &self,
        inputs: &LayerInputs<'_>,
        means: &BlockMeans,
        rows: Range<usize>,
    ) -> Result<BlockScores> {
        let geometry = inputs.geometry;
        let words = 2 * inputs.q.head_dim();
        let fits = means.queries.len() == means.heads.len() * geometry.query_blocks() * words
            && means.keys.len() == inputs.k.heads() * geometry.key_blocks() * words;
        if !fits || rows.is_empty() || rows.end > geometry.query_blocks() {
            return Err(Error::Shape {
                what: "query blocks",
                expected: format!("some of {}, with means of the same inputs", geometry.query_blocks()),
                found: format!("{rows:?}"),
            });
        }
        let mut result = BlockScores::new(self, inputs, means.heads.len(), rows)?;
        launch::block_scores(self, &mut ScoresCall { inputs, means, result: &mut result })?;
        Ok(result)
    }
}
