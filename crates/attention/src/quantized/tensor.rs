//! [`QuantizedTensor`]: both groupings behind one type.

use super::layout::{CodeBits, CodeLayout, Grouping};
use super::per_channel::PerChannel;
use super::per_token::PerToken;
use super::view::QuantizedView;
use crate::error::{Error, Result};
use crate::view::TensorView;

/// A tensor `[tokens, heads, head_dim]` in codes. It grows by tokens within a reserved capacity;
/// its address space is taken at once, so that nothing is copied as it grows.
#[derive(Debug)]
pub struct QuantizedTensor {
    layout: CodeLayout,
    pub(super) storage: CodeStorage,
}

#[derive(Debug)]
pub(super) enum CodeStorage {
    PerToken(PerToken),
    PerChannel(PerChannel),
}

impl QuantizedTensor {
    /// No tokens, and room for `capacity`.
    ///
    /// - `what`: what the memory is for, where there is too little
    ///
    /// # Errors
    /// [`Error::Shape`] for no heads or a head_dim that is no multiple of 8,
    /// [`Error::OutOfMemory`].
    pub fn with_capacity(
        what: &'static str,
        capacity: usize,
        [heads, head_dim]: [usize; 2],
        bits: CodeBits,
        grouping: Grouping,
    ) -> Result<Self> {
        if heads == 0 || head_dim == 0 || !head_dim.is_multiple_of(8) {
            return Err(Error::Shape {
                what,
                expected: "at least one head, of a head_dim that is a multiple of 8".into(),
                found: format!("{heads} heads of head_dim {head_dim}"),
            });
        }
        let layout = CodeLayout { heads, head_dim, bits };
        let storage = match grouping {
            Grouping::PerToken => CodeStorage::PerToken(PerToken::with_capacity(what, capacity, layout)?),
            Grouping::PerChannel => {
                CodeStorage::PerChannel(PerChannel::with_capacity(what, capacity, layout)?)
            }
        };
        Ok(Self { layout, storage })
    }

    /// Bytes that a token takes in a long tensor, of `[heads, head_dim]`: its codes, and its share
    /// of minima and scales.
    pub fn bytes_per_token([heads, head_dim]: [usize; 2], bits: CodeBits, grouping: Grouping) -> usize {
        CodeLayout { heads, head_dim, bits }.stored_bytes(grouping)
    }

    /// Tokens in it.
    pub fn tokens(&self) -> usize {
        match &self.storage {
            CodeStorage::PerToken(rows) => rows.tokens(),
            CodeStorage::PerChannel(rows) => rows.tokens(),
        }
    }

    /// Appends `[tokens, heads, head_dim]`, with the threads of rayon's current pool. The outcome
    /// does not depend on how many tokens come at once.
    ///
    /// # Panics
    /// If `rows` are not whole tokens.
    pub fn append(&mut self, rows: &[f32]) {
        let token_len = self.layout.token_len();
        assert!(rows.len().is_multiple_of(token_len), "{} elements in tokens of {token_len}", rows.len());
        match &mut self.storage {
            CodeStorage::PerToken(storage) => storage.append(rows),
            CodeStorage::PerChannel(storage) => storage.append(rows),
        }
    }

    /// Forgets all tokens from `tokens` on. Per channel, what is left of a group that is cut
    /// becomes `f16` again, with the numbers that its codes meant; forgetting up to
    /// [`RECENT_TOKENS`](super::RECENT_TOKENS) cuts none.
    pub fn truncate(&mut self, tokens: usize) {
        match &mut self.storage {
            CodeStorage::PerToken(rows) => rows.truncate(tokens),
            CodeStorage::PerChannel(rows) => rows.truncate(tokens),
        }
    }

    /// The first `tokens` tokens, or all, and room for `capacity`, at least as many; as if the rest
    /// had been [truncated](Self::truncate).
    ///
    /// - `what`: what the memory is for, where there is too little
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn copy(&self, what: &'static str, capacity: usize, tokens: usize) -> Result<Self> {
        let storage = match &self.storage {
            CodeStorage::PerToken(rows) => CodeStorage::PerToken(rows.copy(what, capacity, tokens)?),
            CodeStorage::PerChannel(rows) => CodeStorage::PerChannel(rows.copy(what, capacity, tokens)?),
        };
        Ok(Self { layout: self.layout, storage })
    }

    /// Bytes of its tokens.
    pub fn bytes(&self) -> usize {
        match &self.storage {
            CodeStorage::PerToken(rows) => rows.bytes(),
            CodeStorage::PerChannel(rows) => rows.bytes(),
        }
    }

    /// All of its tokens.
    pub fn view(&self) -> TensorView<'_> {
        let view = match &self.storage {
            CodeStorage::PerToken(rows) => {
                QuantizedView::per_token(self.layout, rows.tokens(), &rows.codes, &rows.ranges)
            }
            CodeStorage::PerChannel(rows) => rows.view(),
        };
        TensorView::from(view)
    }
}

/// An empty vector with room for `tokens` times `each` elements.
pub(super) fn reserve<T>(what: &'static str, tokens: usize, each: usize) -> Result<Vec<T>> {
    let (mut data, elements) = (Vec::new(), tokens.saturating_mul(each));
    data.try_reserve_exact(elements)
        .map_err(|_| Error::OutOfMemory { what, bytes: elements.saturating_mul(size_of::<T>()) })?;
    Ok(data)
}
