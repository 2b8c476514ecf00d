//! The online estimate of vertical-slash heads: which columns and diagonals the last queries see.

use crate::attention::LayerInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::launch::{self, VotesCall};
use crate::memory::Buffer;
use minference_attention::index::BLOCK;

/// What the last queries of some heads give each key and each distance together: sums of
/// probabilities.
#[derive(Debug)]
pub struct LineVotes {
    /// The query heads.
    pub(crate) heads: Buffer<i32>,
    /// Maximum and sum of each voting query over a chunk of keys, `[slots, chunks, 64]`, and over
    /// all, `[slots, 64]`.
    pub(crate) parts: Buffer<[f32; 2]>,
    pub(crate) joined: Buffer<[f32; 2]>,
    /// `[slots, stride]`, of which the first `keys` of each slot count.
    pub(crate) columns: Buffer<f32>,
    pub(crate) diagonals: Buffer<f32>,
    pub(crate) stride: usize,
    keys: usize,
}

impl LineVotes {
    /// Room for the votes of some heads.
    pub(crate) fn new(device: &CudaDevice, inputs: &LayerInputs<'_>, heads: &[i32]) -> Result<Self> {
        let (slots, keys) = (heads.len(), inputs.geometry.keys());
        // Kernels read four scores at once.
        let stride = keys.next_multiple_of(4);
        Ok(Self {
            heads: Buffer::from_slice(device, "heads that vote", heads)?,
            parts: Buffer::new(device, "sums of votes", slots * launch::vote_chunks(keys).count * BLOCK)?,
            joined: Buffer::new(device, "sums of votes", slots * BLOCK)?,
            columns: Buffer::new(device, "scores of columns", slots * stride)?,
            diagonals: Buffer::new(device, "scores of diagonals", slots * stride)?,
            stride,
            keys,
        })
    }

    /// Columns and diagonals of one of the heads, by its place among those asked for, each
    /// `[keys]`; waits for them.
    ///
    /// # Errors
    /// [`Error::Shape`] for a place that is not there; a lost device.
    pub fn download(&self, place: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let read = |buffer: &Buffer<f32>| -> Result<Vec<f32>> {
            let mut scores = vec![0.0; self.keys];
            buffer.download(place * self.stride, &mut scores)?;
            Ok(scores)
        };
        Ok((read(&self.columns)?, read(&self.diagonals)?))
    }
}

impl CudaDevice {
    /// Enqueues the softmax of the last `votes` queries (at most 64) of some heads over all keys,
    /// summed along columns and diagonals, all heads in one launch; nothing waits.
    ///
    /// # Errors
    /// [`Error::Shape`] for heads or votes that are not there; [`Error::OutOfMemory`].
    pub fn line_votes(&self, inputs: &LayerInputs<'_>, heads: &[usize], votes: usize) -> Result<LineVotes> {
        if let Some(wrong) = heads.iter().find(|&&head| head >= inputs.q.heads()) {
            return Err(Error::Shape {
                what: "head",
                expected: format!("one of the {} query heads, counted from 0", inputs.q.heads()),
                found: wrong.to_string(),
            });
        }
        let most = inputs.geometry.queries().min(BLOCK);
        if votes == 0 || votes > most || heads.is_empty() {
            return Err(Error::Shape {
                what: "votes",
                expected: format!("1 to {most} queries of one head or more"),
                found: format!("{votes} of {} heads", heads.len()),
            });
        }
        let numbers: Vec<i32> = heads.iter().map(|&head| head as i32).collect();
        let mut result = LineVotes::new(self, inputs, &numbers)?;
        launch::votes(self, &mut VotesCall { inputs, votes, result: &mut result })?;
        Ok(result)
    }
}
